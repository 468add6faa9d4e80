#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# Waits for the memory device, makes a RAM region of it (unless firmware had one), brings it online and uses it.
modprobe -a cxl_acpi cxl_pci cxl_mem cxl_port cxl_region dax_cxl kmem 2>/dev/null
n=0
until ls /sys/bus/cxl/devices 2>/dev/null | grep -q '^endpoint'; do
    n=$((n + 1))
    [ $n -lt 100 ] || { echo "no endpoint"; ls /sys/bus/cxl/devices; dmesg | grep -i cxl; exit 1; }
    usleep 100000
done
before=$(awk '/^MemTotal/ { print $2 }' /proc/meminfo)
if ! ls /sys/bus/cxl/devices | grep -q '^region'; then
    decoder=$(cxl list -D -d root | sed -n 's/.*"decoder":"\(decoder[0-9.]*\)".*/\1/p' | head -n 1)
    memdev=$(ls /sys/bus/cxl/devices | grep -m1 '^mem[0-9]')
    echo "cxl create-region -d $decoder -m $memdev"
    cxl create-region -t ram -d "$decoder" -m "$memdev" || { dmesg | grep -i cxl | tail -n 20; exit 1; }
fi
cxl list -R
n=0
until [ -e /sys/bus/dax/devices/dax0.0 ]; do
    n=$((n + 1))
    [ $n -lt 50 ] || { echo "no dax device"; dmesg | tail -n 20; exit 1; }
    usleep 100000
done
if [ "$(basename "$(readlink /sys/bus/dax/devices/dax0.0/driver)")" != kmem ]; then
    daxctl reconfigure-device --mode=system-ram dax0.0 || { dmesg | tail -n 20; exit 1; }
fi
daxctl online-memory dax0.0 2>/dev/null
after=$(awk '/^MemTotal/ { print $2 }' /proc/meminfo)
echo "memory before $before KiB, after $after KiB"
[ $((after - before)) -gt 100000 ] || exit 1
# Fill more than the guest's ordinary memory has room for, so that the new memory is really used.
labtool memory 100000000 || exit 1
grep -i 'cxl\|dax\|kmem' /proc/iomem

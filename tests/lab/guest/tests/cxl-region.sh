#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# Waits for the memory device, makes a RAM region of it (unless firmware had one), brings it online and uses it.
modprobe -a cxl_acpi cxl_pci cxl_mem cxl_port cxl_region dax_cxl kmem 2>/dev/null
wait_for() { # wait_for WHAT COMMAND...: up to 30 s
    local n=0 what=$1
    shift
    until "$@" >/dev/null 2>&1; do
        n=$((n + 1))
        [ $n -lt 300 ] || { echo "cxl-region: no $what"; ls /sys/bus/cxl/devices; dmesg | grep -i cxl | tail -n 20; exit 1; }
        usleep 100000
    done
}
has() { ls /sys/bus/cxl/devices 2>/dev/null | grep -q "$1"; }
wait_for endpoint has '^endpoint'
memdev=$(ls /sys/bus/cxl/devices | grep -m1 '^mem[0-9]')
echo "cxl-region: $memdev driver=$(basename "$(readlink "/sys/bus/cxl/devices/$memdev/driver")") ram=$(cat "/sys/bus/cxl/devices/$memdev/ram/size")"
before=$(awk '/^MemTotal/ { print $2 }' /proc/meminfo)
if [ "$1" = committed ]; then
    wait_for region has '^region'
else
    decoder=$(ls /sys/bus/cxl/devices | grep -m1 '^decoder0[.]')
    echo "cxl create-region -d $decoder -m $memdev"
    cxl create-region -t ram -d "$decoder" -m "$memdev" || { dmesg | grep -i cxl | tail -n 20; exit 1; }
fi
cxl list -M -P -E -D -R
wait_for "dax device" test -e /sys/bus/dax/devices/dax0.0
if [ "$(basename "$(readlink /sys/bus/dax/devices/dax0.0/driver)")" != kmem ]; then
    daxctl reconfigure-device --mode=system-ram dax0.0 || { dmesg | tail -n 20; exit 1; }
fi
daxctl online-memory dax0.0 2>/dev/null
after=$(awk '/^MemTotal/ { print $2 }' /proc/meminfo)
node=$(cat /sys/bus/dax/devices/dax0.0/target_node)
echo "cxl-region: memory before $before KiB, after $after KiB, on node $node"
# The kernel may have been faster than we: what counts is what the node has.
total=$(awk '/MemTotal/ { print $4 }' "/sys/devices/system/node/node$node/meminfo")
[ "${total:-0}" -gt 200000 ] || { echo "cxl-region: node $node has ${total:-no} KiB"; exit 1; }
labtool node-memory "$node" 64000000 || exit 1
grep -i 'cxl\|dax\|kmem\|region' /proc/iomem

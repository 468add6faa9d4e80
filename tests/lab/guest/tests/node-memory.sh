#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# node-memory NODE DISK: device memory that firmware gave to the page allocator: a NUMA node of its own without processors, with the HMAT's
# numbers; its pages are used by a program, and as buffers of a disk (written and read back by O_DIRECT).
node=/sys/devices/system/node/node$1
modprobe -a virtio_pci virtio_blk 2>/dev/null
for online in /sys/devices/system/node/online /sys/devices/system/node/has_memory /sys/devices/system/node/has_cpu; do
    echo "node-memory: ${online##*/}=$(cat $online)"
done
[ -d "$node" ] || { echo "no $node"; dmesg | grep -iE 'srat|numa|hmat|node'; exit 1; }
echo "node-memory: total=$(awk '/MemTotal/ { print $4 }' "$node/meminfo") free=$(awk '/MemFree/ { print $4 }' "$node/meminfo") cpus=$(cat "$node/cpulist")"
echo "node-memory: distance=$(cat "$node/distance")"
for n in /sys/devices/system/node/node[0-9]*; do
    for access in access0 access1; do
        for file in read_latency read_bandwidth write_latency write_bandwidth; do
            echo "node-memory: ${n##*/}.$access.$file=$(cat "$n/$access/initiators/$file" 2>/dev/null)"
        done
        echo "node-memory: ${n##*/}.$access.initiators=$(ls "$n/$access/initiators" 2>/dev/null | grep '^node' | tr '\n' ' ')"
    done
done
labtool node-memory "$1" 64000000 || exit 1
echo "node-memory: $(grep -c . "$node/numastat") counters, hit=$(awk '/numa_hit/ { print $2 }' "$node/numastat")"
labtool on-node "$1" labtool disk-write "$2" 16777216 3 || exit 1
labtool on-node "$1" labtool disk-read "$2" 16777216 3 || exit 1
grep -iE 'cxl|system ram' /proc/iomem

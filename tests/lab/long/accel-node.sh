# SPDX-License-Identifier: Apache-2.0
# memory=node: the guest's page allocator owns the accelerator's memory from the start, as a NUMA node of its own with the HMAT's numbers.
# Programs and a disk's buffers use it.
# lab: timeout=600
# lab: memory=4G
# shellcheck shell=bash
source "$LAB/lib.sh"
lab_need_cxvm accel-node

for kernel in cloud-6.12 cloud-7; do
    name=accel-node-$kernel
    truncate -s 16M disk.img
    lab_simulate gpu0 --topology C --uncommitted
    # shellcheck disable=SC2046
    vm_case "$name" seconds=100 status=0 kernel="$kernel" format=pvh cpus=2 memory=512M "cxvm.modules=off cxvm.test=node-memory,1,/dev/vda" \
        --disk path=disk.img $(lab_device gpu0 memory=node)
    lab_stop_simulators
    sed -n 's/\r$//; s/^node-memory: \(total\|distance\)/NOTE node-memory: \1/p' "$name.console"
    total=$(sed -nE 's/^node-memory: total=([0-9]+).*/\1/p' "$name.console")
    lab_check "$name-owns-the-memory" test "${total:-0}" -gt 250000
    lab_check "$name-has-no-processor" grep -aqE '^node-memory: total=.* cpus=.?$' "$name.console"
    lab_check "$name-used" grep -aq 'labtool: node-memory ok' "$name.console"
    lab_check "$name-disk" labtool disk-read disk.img 16777216 3
    # From the processors' node, as the HMAT has it: 250 ns, 25,000 MB/s; from the engine's own: 150 ns.
    lab_check "$name-latency" grep -aqE '^node-memory: node1.access1.read_latency=250' "$name.console"
    lab_check "$name-bandwidth" grep -aqE '^node-memory: node1.access1.read_bandwidth=25000' "$name.console"
    lab_check "$name-nearest-is-the-engine" grep -aqE '^node-memory: node1.access0.read_latency=150' "$name.console"
    lab_check "$name-ram-latency" grep -aqE '^node-memory: node0.access0.read_latency=100' "$name.console"
done

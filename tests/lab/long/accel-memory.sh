# SPDX-License-Identifier: Apache-2.0
# The memory personality in cxvm: stock Linux drivers judge our host bridge, root port, tables and HDM decoders. Its region is made with
# `cxl create-region` (Linux allows that only when the CPU hides the hypervisor flag), or found as firmware left it; it is brought online
# as system RAM, and memory of its NUMA node is used.
# lab: timeout=900
# lab: memory=4G
# shellcheck shell=bash
source "$LAB/lib.sh"
lab_need_cxvm accel-memory

# check NAME: what the drivers must have made of the device.
check() {
    lab_check "accel-memory-memdev-$1" grep -aqE 'cxl-region: mem0 driver=cxl_mem ram=0x20000000' "accel-memory-$1.console"
    lab_check "accel-memory-region-$1" grep -aqE '[0-9a-f]+-[0-9a-f]+ : region0' "accel-memory-$1.console"
    lab_check "accel-memory-root-decoder-$1" grep -aqE '"decoder":"decoder0\.0"' "accel-memory-$1.console"
    lab_check "accel-memory-endpoint-$1" grep -aqE '"endpoint":"endpoint2"' "accel-memory-$1.console"
    lab_check "accel-memory-used-$1" grep -aqE 'labtool: node-memory ok' "accel-memory-$1.console"
    sed -n 's/\r$//; s/^cxl-region: memory/NOTE cxl-region: memory/p' "accel-memory-$1.console"
}

# What firmware committed: any guest may use it.
lab_simulate mem --class memory --dpa 512M --decoders 2
for kernel in amd64-6.12 amd64-7; do
    # shellcheck disable=SC2046
    LAB_TOOLS=tools vm_case "accel-memory-committed-$kernel" seconds=150 status=0 kernel="$kernel" format=bzImage cpus=1 memory=768M "cxvm.modules=off cxvm.test=cxl-region,committed" \
        $(lab_device mem)
    check "committed-$kernel"
done
lab_stop_simulators

# A guest without the hypervisor flag has no kvmclock and measures its TSC against the PM timer, within 131,072 cycles for three reads. An exit
# of the emulated CPU costs more than that, so the guest is told what L1 found out.
khz=$(sed -nE 's/.*tsc: Detected ([0-9]+)\.([0-9]{3}) MHz.*/\1\2/p' /results/boot-dmesg.log | head -n 1)
lab_check accel-memory-tsc-frequency test -n "$khz"
lab_simulate mem --class memory --uncommitted --dpa 512M --decoders 2
for kernel in amd64-6.12 amd64-7; do
    # shellcheck disable=SC2046
    LAB_TOOLS=tools vm_case "accel-memory-$kernel" seconds=200 status=0 kernel="$kernel" format=bzImage cpus=1 memory=768M \
        "tsc_early_khz=$khz tsc=reliable cxvm.modules=off cxvm.test=cxl-region" --cpus 1,features=-hypervisor $(lab_device mem)
    check "$kernel"
done
lab_stop_simulators

# SPDX-License-Identifier: Apache-2.0
# The memory personality in cxvm: stock Linux drivers judge our host bridge, root port, tables and HDM decoders. Its region is made with
# `cxl create-region` (Linux allows that only when the CPU hides the hypervisor flag), brought online as system RAM and used.
# lab: timeout=400
# lab: memory=4G
# shellcheck shell=bash
source "$LAB/lib.sh"
lab_need_cxvm accel-memory

# A guest without the hypervisor flag has no kvmclock and measures its TSC against the PM timer, within 131,072 cycles for three reads. An exit
# of the emulated CPU costs more than that, so the guest is told what L1 found out.
khz=$(sed -nE 's/.*tsc: Detected ([0-9]+)\.([0-9]{3}) MHz.*/\1\2/p' /results/boot-dmesg.log | head -n 1)
lab_check accel-memory-tsc-frequency test -n "$khz"

lab_simulate mem --class memory --uncommitted --dpa 512M --decoders 2
for kernel in amd64-6.12 amd64-7; do
    LAB_TOOLS=tools vm_case "accel-memory-region-$kernel" 150 0 "$kernel" bzImage 2 768M "tsc_early_khz=$khz cxvm.test=cxl-show cxvm.test=cxl-region" \
        --cpus 2,features=-hypervisor --device "vfio-user=$PWD/mem.sock,id=mem0"
    lab_check "accel-memory-memdev-$kernel" grep -aq 'cxl: mem0' "accel-memory-region-$kernel.console"
done
lab_stop_simulators

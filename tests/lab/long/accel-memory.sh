# SPDX-License-Identifier: Apache-2.0
# The memory personality in cxvm: stock Linux drivers judge our host bridge, root port, tables and HDM decoders. Its region is made with
# `cxl create-region` (Linux allows that only when the CPU hides the hypervisor flag), brought online as system RAM and used.
# lab: timeout=400
# lab: memory=4G
# shellcheck shell=bash
source "$LAB/lib.sh"
lab_need_cxvm accel-memory

cxvm-accel-sim --socket "$PWD/mem.sock" --class memory --uncommitted --dpa 512M --decoders 2 >mem.sim 2>&1 &
simulator=$!
lab_until 5 test -S mem.sock
for kernel in amd64-6.12 amd64-7; do
    LAB_TOOLS=tools vm_case "accel-memory-region-$kernel" 150 0 "$kernel" bzImage 2 768M "cxvm.test=cxl-show cxvm.test=cxl-region" \
        --cpus 2,features=-hypervisor --device "vfio-user=$PWD/mem.sock,id=mem0"
    lab_check "accel-memory-memdev-$kernel" grep -aq 'cxl: mem0' "accel-memory-region-$kernel.console"
done
kill $simulator
wait

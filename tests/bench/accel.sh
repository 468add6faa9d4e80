# SPDX-License-Identifier: Apache-2.0
# A guest's bandwidth to CXL memory and to a register window beside its RAM, the same loop in turns.
# lab: timeout=400
# lab: memory=4G
# shellcheck shell=bash
source "$LAB/lib.sh"
lab_need_cxvm bench-accel
cxvm-accel-sim --socket "$PWD/gpu0.sock" --topology B --dpa 256M >sim.log 2>&1 &
simulator=$!
lab_until 5 test -S gpu0.sock
vm_case bench-accel 150 0 amd64-7 pvh 1 768M "iomem=relaxed cxvm.test=accel-bandwidth" --device "vfio-user=$PWD/gpu0.sock,id=gpu0"
grep -a '^membench ' bench-accel.console | tr -d '\r'
awk '$1 == "membench" { v[$2] = $3 } END {
    if (v["ram"] && v["dpa"]) printf "BENCH dpa_bandwidth_vs_ram %.3f\n", v["dpa"] / v["ram"]
    if (v["ram"] && v["window"]) printf "BENCH window_bandwidth_vs_ram %.3f\n", v["window"] / v["ram"] }' bench-accel.console
kill $simulator
wait

# SPDX-License-Identifier: Apache-2.0
# A guest's bandwidth to CXL memory and to a register window beside its RAM, the same loop in turns.
# lab: timeout=400
# lab: memory=4G
# shellcheck shell=bash
source "$LAB/lib.sh"
lab_need_cxvm bench-accel
lab_simulate gpu0 --topology C
vm_case bench-accel seconds=150 status=0 kernel=amd64-7 format=pvh cpus=1 memory=768M "iomem=relaxed cxvm.test=accel-bandwidth" --device "vfio-user=$PWD/gpu0.sock,id=gpu0"
grep -a '^membench ' bench-accel.console | tr -d '\r'
lab_check bench-accel-window-measured grep -aq '^membench window' bench-accel.console
awk '$1 == "membench" { v[$2] = $3 } END {
    if (v["ram"] && v["dpa"]) printf "BENCH dpa_bandwidth_vs_ram %.3f\n", v["dpa"] / v["ram"]
    if (v["ram"] && v["window"]) printf "BENCH window_bandwidth_vs_ram %.3f\n", v["window"] / v["ram"] }' bench-accel.console
lab_stop_simulators

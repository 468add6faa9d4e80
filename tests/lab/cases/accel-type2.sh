# SPDX-License-Identifier: Apache-2.0
# The Type-2 accelerator over vfio-user in unmodified guests: topology as Linux sees it, 1,000 checked jobs with MSI-X over direct windows,
# CXL memory and guest RAM; every component block position and contract, four devices at once.
# lab: timeout=600
# lab: memory=4G
# shellcheck shell=bash
source "$LAB/lib.sh"
lab_need_cxvm accel-type2

simulators=()
# simulate NAME ARGUMENT...: a simulator on ./NAME.sock
simulate() {
    local name=$1
    shift
    cxvm-accel-sim --socket "$PWD/$name.sock" --control "$PWD/$name.ctl" --dpa 256M "$@" >"$name.sim" 2>&1 &
    simulators+=($!)
    lab_until 5 test -S "$name.sock" || lab_note "the simulator $name did not start: $(tail -n 1 "$name.sim")"
}
stop_simulators() {
    kill "${simulators[@]}" 2>/dev/null
    wait "${simulators[@]}" 2>/dev/null
    simulators=()
}
device() { echo "--device vfio-user=$PWD/$1.sock,id=$1"; }

for kernel in amd64-6.12 amd64-7; do
    simulate gpu0 --topology C --contract v2
    # shellcheck disable=SC2046
    LAB_TOOLS=tools vm_case "accel-jobs-$kernel" 150 0 "$kernel" bzImage 2 768M \
        "cxvm.test=cxl-show cxvm.test=accel-jobs,jobs=1000,expect=1" $(device gpu0)
    console=accel-jobs-$kernel.console
    lab_check "accel-msix-$kernel" grep -aq 'irq=uio' "$console"
    lab_check "accel-root-decoder-$kernel" grep -aqE 'cxl: decoder0.0.size=0x10000000' "$console"
    lab_check "accel-target-$kernel" grep -aqE 'cxl: decoder0.0.target_list=128' "$console"
    lab_check "accel-dvsec-$kernel" grep -aqE 'lspci:.*CXLCap:.*Mem\+' "$console"
    stop_simulators
done

simulate gpu0 --topology A --contract v2
simulate gpu1 --topology B --contract v3
simulate gpu2 --topology C --contract regions
simulate gpu3 --topology D --contract v2
# shellcheck disable=SC2046
vm_case accel-topologies-and-contracts 120 0 cloud-6.12 pvh 2 512M \
    "cxvm.modules=off cxvm.test=accel-job,irq=poll,jobs=100,expect=4" $(device gpu0) $(device gpu1) $(device gpu2) $(device gpu3)
stop_simulators


# SPDX-License-Identifier: Apache-2.0
# The Type-2 accelerator over vfio-user in unmodified guests: topology as Linux sees it, 1,000 checked jobs with MSI-X over direct windows,
# CXL memory and guest RAM; every component block position and contract; two and eight devices; a server that dies.
# lab: timeout=900
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

arguments=()
for i in 0 1 2 3 4 5 6 7; do
    simulate "gpu$i" --dpa 256M
    arguments+=(--device "vfio-user=$PWD/gpu$i.sock,id=gpu$i")
done
vm_case accel-eight-devices 150 0 cloud-6.12 pvh 2 512M "cxvm.modules=off cxvm.test=accel-job,irq=poll,jobs=50,expect=8" "${arguments[@]}"
stop_simulators

# One of two servers is killed while the guest runs: the guest, the other device and cxvm go on, and the log says it once.
simulate gpu0
simulate gpu1
# shellcheck disable=SC2046
vm_command cloud-6.12 pvh 1 512M "cxvm.modules=off cxvm.test=ticks,20 cxvm.test=accel-job,irq=poll,jobs=20,expect=1" $(device gpu0) $(device gpu1)
vm_start accel-killed-server "${vm_argv[@]}"
if vm_wait_text accel-killed-server '^TICK 2' 60; then
    kill -KILL "${simulators[0]}"
    vm_wait_exit accel-killed-server 90
    lab_equal accel-killed-server-status 0 "${vm_status[accel-killed-server]}"
    lab_check accel-killed-server-other-device grep -aq 'TEST-PASS accel-job' accel-killed-server.console
    lab_equal accel-killed-server-said-once 1 "$(grep -ac 'gpu0.*lost' accel-killed-server.log)"
else
    vm_kill accel-killed-server
    lab_fail accel-killed-server-status "the guest did not start: $(tail -n 1 accel-killed-server.console)"
fi
stop_simulators

# SPDX-License-Identifier: Apache-2.0
# Eight accelerators in one machine; every topology with every contract; and one of two servers killed while the guest runs.
# lab: timeout=900
# lab: memory=4G
# shellcheck shell=bash
source "$LAB/lib.sh"
lab_need_cxvm accel-many

arguments=()
for i in 0 1 2 3 4 5 6 7; do
    lab_simulate "gpu$i"
    # shellcheck disable=SC2207
    arguments+=($(lab_device "gpu$i"))
done
vm_case accel-eight-devices seconds=150 status=0 kernel=cloud-6.12 format=pvh cpus=2 memory=512M "cxvm.modules=off cxvm.test=accel-job,irq=poll,jobs=50,expect=8" "${arguments[@]}"
lab_stop_simulators

# All twelve, six in each guest.
for topologies in "A B" "C D"; do
    arguments=() i=0
    for topology in $topologies; do
        for contract in v2 v3 regions; do
            lab_simulate "gpu$i" --topology "$topology" --contract "$contract"
            # shellcheck disable=SC2207
            arguments+=($(lab_device "gpu$i"))
            i=$((i + 1))
        done
    done
    vm_case "accel-topologies-${topologies/ /-}" seconds=150 status=0 kernel=cloud-7 format=bzImage cpus=2 memory=512M "cxvm.modules=off cxvm.test=accel-job,irq=poll,jobs=50,expect=6" \
        "${arguments[@]}"
    lab_stop_simulators
done

# One of two servers is killed while the guest runs: the guest, the other device and cxvm go on, and the log says it once.
lab_simulate gpu0
lab_simulate gpu1
# shellcheck disable=SC2046
vm_command kernel=cloud-6.12 format=pvh cpus=1 memory=512M "cxvm.modules=off cxvm.test=ticks,20 cxvm.test=accel-job,irq=poll,jobs=20,expect=1" $(lab_device gpu0) $(lab_device gpu1)
vm_start accel-killed-server "${vm_argv[@]}"
if vm_wait_text accel-killed-server '^TICK 2' 60; then
    kill -KILL "${lab_simulator[gpu0]}"
    vm_wait_exit accel-killed-server 90
    lab_equal accel-killed-server-status 0 "${vm_status[accel-killed-server]}"
    lab_check accel-killed-server-other-device grep -aq 'TEST-PASS accel-job' accel-killed-server.console
    lab_equal accel-killed-server-said-once 1 "$(grep -ac 'gpu0.*lost' accel-killed-server.log)"
else
    vm_kill accel-killed-server
    lab_fail accel-killed-server-status "the guest did not start: $(tail -n 1 accel-killed-server.console)"
fi
lab_stop_simulators

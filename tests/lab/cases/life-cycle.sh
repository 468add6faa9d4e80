# SPDX-License-Identifier: Apache-2.0
# How a machine ends, and the exit status that says so: reboot, panic, triple fault, power button by SIGTERM, SIGINT, a deaf guest.
# lab: timeout=240
source "$LAB/lib.sh"
lab_need_cxvm life-cycle
vm_case life-reboot seconds=40 status=32 kernel=cloud-6.12 format=pvh cpus=2 memory=512M "cxvm.modules=off cxvm.end=reboot"
vm_case life-panic seconds=40 status=34 kernel=cloud-6.12 format=bzImage cpus=1 memory=512M "cxvm.end=panic"
vm_case life-crash seconds=40 status=33 kernel=cloud-6.1 format=pvh cpus=1 memory=512M "cxvm.modules=off reboot=t cxvm.end=reboot"

vm_command kernel=cloud-6.12 format=pvh cpus=1 memory=512M "cxvm.test=power-off-on-button"
vm_start life-sigterm "${vm_argv[@]}"
if vm_wait_text life-sigterm 'power-button waiting' 40; then
    vm_kill life-sigterm TERM
    vm_wait_exit life-sigterm 20
    lab_check life-sigterm-presses-the-button grep -aq 'power-button ok' life-sigterm.console
    lab_equal life-sigterm-status 0 "${vm_status[life-sigterm]}"
else
    vm_kill life-sigterm
    lab_fail life-sigterm-presses-the-button "the guest does not wait: $(tail -n 1 life-sigterm.console)"
fi

vm_command kernel=cloud-6.12 format=pvh cpus=1 memory=512M "cxvm.modules=off cxvm.test=ticks,300" --platform power_off_grace_ms=2000
vm_start life-deaf "${vm_argv[@]}"
if vm_wait_text life-deaf '^TICK 2' 40; then
    vm_kill life-deaf TERM
    vm_wait_exit life-deaf 15
    lab_equal life-sigterm-stops-a-deaf-guest 143 "${vm_status[life-deaf]}"
else
    vm_kill life-deaf
    lab_fail life-sigterm-stops-a-deaf-guest "no ticks: $(tail -n 1 life-deaf.console)"
fi

vm_start life-sigint "${vm_argv[@]}"
if vm_wait_text life-sigint '^TICK 2' 40; then
    vm_kill life-sigint INT
    vm_wait_exit life-sigint 10
    lab_equal life-sigint-status 130 "${vm_status[life-sigint]}"
else
    vm_kill life-sigint
    lab_fail life-sigint-status "no ticks: $(tail -n 1 life-sigint.console)"
fi

printf 'not a kernel' >bad-kernel
timeout 10 cxvm run --kernel bad-kernel --cmdline x
lab_equal life-bad-kernel-status 4 $?
timeout 10 cxvm run --kernel "$(lab_kernel cloud-6.12 pvh)" --cpus 65
lab_equal life-bad-configuration-status 3 $?

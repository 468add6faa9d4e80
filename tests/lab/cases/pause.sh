# SPDX-License-Identifier: Apache-2.0
# A Linux guest that is paused again and again while it boots and works, over the public API (tests/kvm/linux/pause_linux.c).
# lab: timeout=240
source "$LAB/lib.sh"
lab_need_cxvm pause
/payload/tests/bin/pause-linux "$(lab_kernel cloud-6.12 pvh)" "$(lab_initrd cloud-6.12)" "console=ttyS0 quiet panic=-1 mitigations=off \
cxvm.modules=off cxvm.test=ticks,20" life-pause.console >life-pause.out 2>&1
lab_equal life-pause-and-resume-status 0 $?
lab_note "$(tail -n 1 life-pause.out)"
lab_check life-pause-and-resume-guest grep -aq '^TEST-PASS ticks' life-pause.console

# SPDX-License-Identifier: Apache-2.0
# The lab itself: the three Debian kernels boot in it with QEMU as the VMM, so a failure elsewhere is not the lab's.
# lab: timeout=180
source "$LAB/lib.sh"
lab_check qemu-lab-has-kvm test -c /dev/kvm
LAB_VMM=qemu-microvm vm_case qemu-microvm-6.1-bzImage seconds=60 status=any kernel=cloud-6.1 format=bzImage cpus=1 memory=512M "reboot=t cxvm.end=reboot"
LAB_VMM=qemu-q35 vm_case qemu-q35-6.12-pvh seconds=60 status=0 kernel=cloud-6.12 format=pvh cpus=2 memory=512M ""
LAB_VMM=qemu-q35 vm_case qemu-q35-7-bzImage seconds=60 status=0 kernel=cloud-7 format=bzImage cpus=2 memory=512M "cxvm.report"
lab_note "qemu-q35-7-bzImage: ${vm_seconds} s"

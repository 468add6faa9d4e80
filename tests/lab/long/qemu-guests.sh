# SPDX-License-Identifier: Apache-2.0
# The lab itself: the three Debian kernels boot in it with QEMU as the VMM, so a failure elsewhere is not the lab's.
# lab: timeout=180
source "$LAB/lib.sh"
lab_check qemu-lab-has-kvm test -c /dev/kvm
LAB_VMM=qemu-microvm vm_case qemu-microvm-6.1-bzImage 60 any cloud-6.1 bzImage 1 512M "reboot=t cxvm.end=reboot"
LAB_VMM=qemu-q35 vm_case qemu-q35-6.12-pvh 60 0 cloud-6.12 pvh 2 512M ""
LAB_VMM=qemu-q35 vm_case qemu-q35-7-bzImage 60 0 cloud-7 bzImage 2 512M "cxvm.report"
lab_note "qemu-q35-7-bzImage: ${vm_seconds} s"

# SPDX-License-Identifier: Apache-2.0
# A function that has no reset of its own, beside another one in its IOMMU group: resets in the guest become hot resets of both on the host.
# lab: timeout=150
# lab: qemu=-device pcie-root-port,id=rp1,bus=pcie.0,chassis=1,slot=1 -device edu,bus=rp1,addr=0.0,multifunction=on -device edu,bus=rp1,addr=0.1
# shellcheck shell=bash
source "$LAB/lib.sh"
lab_need_cxvm hot-reset
modprobe -a vfio_pci vfio_iommu_type1
edu=$(lspci -Dnd 1234:11e8 | awk '{ print $1; exit }')
lab_equal hot-reset-two-functions 2 "$(lspci -Dnd 1234:11e8 | wc -l)"
lab_check hot-reset-bind cxvm host bind "$edu" "${edu%.0}.1"
vm_case hot-reset 90 0 cloud-6.12 pvh 1 256M "cxvm.modules=off cxvm.test=pci-reset,0000:01:00.0,3,memory,67108864" \
    --device "path=$edu,id=edu0" --log-level debug
tr -d '\r' <hot-reset.console | grep -a '^pci-reset'
cat hot-reset.log
lab_check hot-reset-was-one grep -q 'edu0: hot reset of 2 functions' hot-reset.log
lab_equal hot-reset-none-failed 0 "$(grep -c 'reset failed\|cannot reset it' hot-reset.log)"
lab_check hot-reset-unbind cxvm host unbind "$edu" "${edu%.0}.1"

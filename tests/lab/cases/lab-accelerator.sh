# SPDX-License-Identifier: Apache-2.0
# The lab itself: a simulated accelerator outside is a PCI device of L1, and its memory is a piece of L1's RAM.
# lab: accel-sim=--contract none --dpa 256M --dpa-file @RAM@,offset=0x60000000 --firmware-committed base=0x60000000
# lab: append=memmap=256M$0x60000000
source "$LAB/lib.sh"
device=$(lspci -Dnd cc58: | awk '{ print $1; exit }')
lab_check lab-accelerator-is-a-pci-device test -n "$device"
[[ -n $device ]] || exit 0
lspci -vvv -s "$device"
lab_check lab-accelerator-has-cxl-dvsec grep -q "CXLCap:" <(lspci -vv -s "$device")
lab_check lab-accelerator-memory-is-hidden grep -qiE '^60000000-6fffffff : reserved' /proc/iomem
lab_check lab-accelerator-has-its-own-iommu-group test -e "/sys/bus/pci/devices/$device/iommu_group"

# SPDX-License-Identifier: Apache-2.0
# A function that has no reset of its own, beside another one in its IOMMU group: resets in the guest become hot resets of both on the host.
# lab: timeout=150
# lab: qemu=-device pcie-root-port,id=rp1,bus=pcie.0,chassis=1,slot=1 -device edu,bus=rp1,addr=0.0,multifunction=on -device edu,bus=rp1,addr=0.1
# shellcheck shell=bash
source "$LAB/lib.sh"
prefix=${prefix:-hot-reset} way=${way:-vfio-group} # what cxvm must take; passthrough-hot-reset-cdev.sh sets them too
lab_need_cxvm "$prefix"
modprobe -a vfio_pci vfio_iommu_type1
edu=$(lspci -Dnd 1234:11e8 | awk '{ print $1; exit }')
lab_equal "$prefix-two-functions" 2 "$(lspci -Dnd 1234:11e8 | wc -l)"
lab_check "$prefix-bind" cxvm host bind "$edu" "${edu%.0}.1"
vm_way_case "$prefix-way" "$way" --device "path=$edu,id=edu0"
vm_case "$prefix" seconds=90 status=0 kernel=cloud-6.12 format=pvh cpus=1 memory=256M "cxvm.modules=off cxvm.test=pci-reset,0000:01:00.0,3,memory,67108864" \
    --device "path=$edu,id=edu0" --log-level debug
tr -d '\r' <"$prefix.console" | grep -a '^pci-reset'
cat "$prefix.log"
lab_check "$prefix-was-one" grep -q 'edu0: hot reset of 2 functions' "$prefix.log"
lab_equal "$prefix-none-failed" 0 "$(grep -c 'reset failed\|cannot reset it' "$prefix.log")"
lab_check "$prefix-unbind" cxvm host unbind "$edu" "${edu%.0}.1"

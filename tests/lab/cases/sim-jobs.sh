# SPDX-License-Identifier: Apache-2.0
# Two simulated accelerators through QEMU's vfio-user-pci: 1000 jobs each, over mapped windows, device memory and RAM, polled, by
# INTx and by MSI-X. iommu=pt: DMA addresses are physical addresses.
# lab: timeout=240
# lab: append=memmap=512M$0x60000000 iommu=pt
# lab: accel-sim=--contract none --dpa 256M --dpa-file @RAM@,offset=0x60000000 --firmware-committed base=0x60000000
# lab: accel-sim=--topology C --contract none --dpa 256M --dpa-file @RAM@,offset=0x70000000 --firmware-committed base=0x70000000
# shellcheck shell=bash
source "$LAB/lib.sh"

module=/payload/guest-modules/$(uname -r)/cxvm_accel_uio.ko
# job NAME ARGUMENT...
job() {
    local name=$1
    shift
    timeout 60 accel-job expect=2 "$@" >"$name.txt" 2>&1
    local status=$?
    cat "$name.txt"
    if ((status == 0)); then lab_pass "$name"; else lab_fail "$name" "$(tail -n 1 "$name.txt")"; fi
}

job sim-jobs-polled irq=poll jobs=1000
job sim-jobs-ring-in-device-memory irq=poll ring=dpa ram=off jobs=300 queue=1
job sim-jobs-read-back-by-engine irq=poll memory=off jobs=300 queue=2
modprobe uio_pci_generic
echo cc58 0001 >/sys/bus/pci/drivers/uio_pci_generic/new_id
job sim-jobs-intx irq=uio jobs=1000
lab_check sim-jobs-intx-was-intx grep -q 'interrupts by INTx' sim-jobs-intx.txt
for device in /sys/bus/pci/drivers/uio_pci_generic/0*; do echo "${device##*/}" >/sys/bus/pci/drivers/uio_pci_generic/unbind; done
echo cc58 0001 >/sys/bus/pci/drivers/uio_pci_generic/remove_id
if [[ -f $module ]]; then
    modprobe uio
    insmod "$module"
    job sim-jobs-msix irq=uio jobs=1000
    lab_check sim-jobs-msix-was-msix grep -q 'interrupts by MSI-X' sim-jobs-msix.txt
    grep -E 'cxvm_accel' /proc/interrupts
    rmmod cxvm_accel_uio
else
    lab_skip sim-jobs-msix "the guest module did not build"
fi

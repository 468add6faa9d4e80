# SPDX-License-Identifier: Apache-2.0
# The host driver under another VMM's generic path: QEMU's vfio-pci gives the same device to a guest, where its BARs, MSI-X and resets
# work. (QEMU knows nothing of CXL memory: the jobs run on RAM.)
# lab: timeout=200
# lab: memory=4G
# lab: append=memmap=256M$0x60000000
# lab: accel-sim=--topology C --contract none --dpa 256M --dpa-file @RAM@,offset=0x60000000 --firmware-committed base=0x60000000
# lab: qemu=-drive file=@RUN@/scratch.img,format=raw,if=none,id=nvme0,snapshot=on,file.locking=off -device nvme,drive=nvme0,serial=cxvm,bus=pcie.0
# shellcheck shell=bash
source "$LAB/lib.sh"
source "$LAB/driver-lib.sh"
driver_need_module
driver_load
accelerator=$(driver_devices)
lab_check qemu-bind driver_bind "$accelerator"
LAB_VMM=qemu-q35 vm_case qemu-vfio-pci seconds=120 status=0 kernel=amd64-7 format=bzImage cpus=2 memory=768M \
    "cxvm.test=accel-jobs,jobs=200,expect=1,memory=off cxvm.test=pci-reset,cxvm_accel_uio,5,memory,16777216 \
cxvm.test=accel-job,irq=uio,jobs=100,expect=1,memory=off cxvm.test=irq-kind,cxvm_accel,PCI-MSIX" \
    -device pcie-root-port,id=rp1,chassis=1,slot=1 -device "vfio-pci,host=$accelerator,bus=rp1"
tr -d '\r' <qemu-vfio-pci.console | grep -a 'accel-job\|pci-reset\|MSI' | tail -n 12
lab_check qemu-vfio-pci-msix grep -aq 'interrupts by MSI-X' qemu-vfio-pci.console
cat qemu-vfio-pci.log
driver_unbind "$accelerator"
lab_equal qemu-no-claim 0 "$(grep -c cxl-vfio-pci /proc/iomem)"
driver_unload

# SPDX-License-Identifier: Apache-2.0
# cxvm on kernel VFIO, by group: an emulated NVMe with the stock vfio-pci, and the accelerator with cxl-vfio-pci in both layouts; both
# in unmodified guests with their stock drivers or the accelerator's jobs.
# lab: timeout=480
# lab: memory=4G
# lab: append=memmap=256M$0x60000000
# lab: accel-sim=--topology C --contract none --dpa 256M --dpa-file @RAM@,offset=0x60000000 --firmware-committed base=0x60000000
# lab: qemu=-drive file=@RUN@/scratch.img,format=raw,if=none,id=nvme0,snapshot=on,file.locking=off -device nvme,drive=nvme0,serial=cxvm,bus=pcie.0
# shellcheck shell=bash
source "$LAB/lib.sh"
source "$LAB/driver-lib.sh"
lab_need_cxvm vfio-kernel
modprobe -a vfio_pci vfio_iommu_type1

# bind BDF: to the stock vfio-pci
bind() {
    [[ ! -e /sys/bus/pci/devices/$1/driver ]] || echo "$1" >"/sys/bus/pci/devices/$1/driver/unbind"
    echo vfio-pci >"/sys/bus/pci/devices/$1/driver_override"
    echo "$1" >/sys/bus/pci/drivers_probe
}

nvme=$(lspci -Dn | awk '$2 == "0108:" { print $1; exit }')
if [[ -n $nvme ]]; then
    bind "$nvme"
    vm_case vfio-nvme seconds=60 status=0 kernel=amd64-7 format=pvh cpus=2 memory=512M "cxvm.test=disk-write,/dev/nvme0n1,67108864,3 cxvm.test=disk-read,/dev/nvme0n1,67108864,3" \
        --device "path=$nvme,id=nvme0"
    # What one guest wrote the next one reads: it was the device. An open group, and a user who may do nothing but lock memory and open /dev/kvm.
    group=/dev/vfio/$(basename "$(readlink "/sys/bus/pci/devices/$nvme/iommu_group")")
    chmod 666 /dev/kvm
    lab_equal vfio-group-is-root-only 600 "$(stat -c %a "$group")"
    exec 9<>"$group"
    vm_prefix=(setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set=-all --inh-caps=-all)
    vm_case vfio-nvme-open-group-as-nobody seconds=120 status=0 kernel=amd64-6.12 format=pvh cpus=1 memory=512M "cxvm.test=disk-read,/dev/nvme0n1,67108864,3" \
        --device "path=$nvme,group_fd=9,id=nvme0"
    vm_prefix=()
    exec 9>&-
    ulimit -l 65536
    vm_command kernel=amd64-7 format=pvh cpus=1 memory=512M "" --device "path=/sys/bus/pci/devices/$nvme,id=nvme0"
    vm_start vfio-memory-lock setpriv --bounding-set=-ipc_lock --inh-caps=-ipc_lock "${vm_argv[@]}"
    vm_wait_exit vfio-memory-lock 30
    lab_check vfio-memory-lock-is-explained grep -q 'LimitMEMLOCK' vfio-memory-lock.log
    ulimit -l unlimited
else
    lab_fail vfio-nvme "no NVMe device in the lab machine"
fi

vm_command kernel=amd64-7 format=pvh cpus=1 memory=512M "" --device "path=0000:ff:1f.7,id=none"
vm_start vfio-missing "${vm_argv[@]}"
vm_wait_exit vfio-missing 30
lab_check vfio-missing-is-explained grep -q 'no PCI device 0000:ff:1f.7' vfio-missing.log

driver_need_module
accelerator=$(driver_devices)
for layout in 2 3; do
    driver_load layout=$layout
    lab_check "vfio-accelerator-v$layout-binds" driver_bind "$accelerator"
    vm_case "vfio-accelerator-v$layout" seconds=90 status=0 kernel=amd64-7 format=pvh cpus=2 memory=768M "cxvm.test=accel-jobs,jobs=1000,expect=1" \
        --device "path=$accelerator,id=gpu0"
    grep -a 'jobs' "vfio-accelerator-v$layout.console" | tail -n 2
    driver_unbind "$accelerator"
    driver_unload
done
lab_equal vfio-accelerator-no-claim 0 "$(grep -c cxl-vfio-pci /proc/iomem)"

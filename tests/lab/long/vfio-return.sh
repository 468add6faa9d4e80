# SPDX-License-Identifier: Apache-2.0
# The host takes devices back from a running machine: unbind and PCI removal end, the guest and its other device go on, what was taken back
# can be bound and used again.
# lab: timeout=300
# lab: memory=4G
# lab: append=memmap=256M$0x60000000
# lab: accel-sim=--topology C --contract none --dpa 256M --dpa-file @RAM@,offset=0x60000000 --firmware-committed base=0x60000000
# lab: qemu=-drive file=@RUN@/scratch.img,format=raw,if=none,id=nvme0,snapshot=on,file.locking=off -device nvme,drive=nvme0,serial=cxvm,bus=pcie.0
# shellcheck shell=bash
source "$LAB/lib.sh"
source "$LAB/driver-lib.sh"
lab_need_cxvm vfio-return
driver_need_module
modprobe nvme
driver_load
nvme=$(lspci -Dn | awk '$2 == "0108:" { print $1; exit }')
accelerator=$(driver_devices)
driver_of() { basename "$(readlink "/sys/bus/pci/devices/$1/driver" 2>/dev/null)"; }
lab_check return-bind cxvm host bind "$nvme" "$accelerator"

# The accelerator is taken back first, while its memory is mapped; then the disk.
vm_command kernel=amd64-7 format=pvh cpus=2 memory=768M "cxvm.test=accel-jobs,jobs=20,expect=1 cxvm.test=ticks,100 cxvm.test=pci-gone,0xcc58 \
cxvm.test=disk-write,/dev/nvme0n1,16777216,3 cxvm.test=ticks,50 cxvm.test=pci-gone,0x010802,class" \
    --device "path=$accelerator,id=gpu0" --device "path=$nvme,id=disk0"
vm_start return "${vm_argv[@]}"
vm_wait_text return '^TICK 5 ' 90
lab_check return-accelerator-worked grep -aq 'TEST-PASS accel-jobs' return.console
lab_check return-claimed grep -q cxl-vfio-pci /proc/iomem
begun=${EPOCHREALTIME/./}
lab_check return-remove-ends timeout 30 bash -c "echo 1 >/sys/bus/pci/devices/$accelerator/remove"
lab_note "removal of the accelerator took $(((${EPOCHREALTIME/./} - begun) / 1000)) ms"
lab_check return-accelerator-is-gone test ! -e "/sys/bus/pci/devices/$accelerator"
lab_equal return-claim-is-gone 0 "$(grep -c cxl-vfio-pci /proc/iomem)"
lab_check return-is-said grep -q 'gpu0: given back to the host' return.log

vm_wait_text return 'TEST-PASS disk-write' 90
vm_wait_text return '^TICK 5 ' 30
lab_check return-guest-sees-it-gone grep -aq 'TEST-PASS pci-gone' return.console
lab_check return-other-device-works grep -aq 'TEST-PASS disk-write' return.console
begun=${EPOCHREALTIME/./}
lab_check return-unbind-ends timeout 30 bash -c "echo $nvme >/sys/bus/pci/devices/$nvme/driver/unbind"
lab_note "unbinding the disk took $(((${EPOCHREALTIME/./} - begun) / 1000)) ms"
lab_equal return-unbound "" "$(driver_of "$nvme")"
vm_wait_exit return 60
lab_equal return-guest-ends-well 0 "${vm_status[return]}"
lab_equal return-both-gone 2 "$(grep -ac 'TEST-PASS pci-gone' return.console)"
cat return.log

# As good as new: bound again, and both work in the next guest.
echo 1 >/sys/bus/pci/rescan
lab_check return-bind-again cxvm host bind "$nvme" "$accelerator"
vm_case return-again seconds=120 status=0 kernel=amd64-7 format=pvh cpus=2 memory=768M "cxvm.test=disk-read,/dev/nvme0n1,16777216,3 cxvm.test=accel-jobs,jobs=50,expect=1" \
    --device "path=$accelerator,id=gpu0" --device "path=$nvme,id=disk0"
lab_check return-unbind cxvm host unbind "$nvme" "$accelerator"
driver_unload

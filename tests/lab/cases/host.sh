# SPDX-License-Identifier: Apache-2.0
# cxvm host list, check, bind and unbind on a running kernel: an NVMe disk from its stock driver to vfio-pci and back, the accelerator to
# cxl-vfio-pci; refusals with their reasons; a guest with both devices as they were bound.
# lab: timeout=150
# lab: memory=4G
# lab: append=memmap=256M$0x60000000
# lab: accel-sim=--topology C --contract none --dpa 256M --dpa-file @RAM@,offset=0x60000000 --firmware-committed base=0x60000000
# lab: qemu=-drive file=@RUN@/scratch.img,format=raw,if=none,id=nvme0,snapshot=on,file.locking=off -device nvme,drive=nvme0,serial=cxvm,bus=pcie.0
# shellcheck shell=bash
source "$LAB/lib.sh"
source "$LAB/driver-lib.sh"
lab_need_cxvm host
nvme=$(lspci -Dn | awk '$2 == "0108:" { print $1; exit }')
accelerator=$(driver_devices)
driver_of() { basename "$(readlink "/sys/bus/pci/devices/$1/driver" 2>/dev/null)"; }
# says NAME STATUS TEXT ARGUMENT...: cxvm host ends with STATUS and says TEXT.
says() {
    local name=$1 status=$2 text=$3
    shift 3
    cxvm host "$@" >"$name.out" 2>&1
    lab_equal "$name-status" "$status" $?
    lab_check "$name-says" grep -qF -- "$text" "$name.out"
}

# As it would be on a fresh host: no VFIO driver, the disk in its own driver's hands.
driver_need_module
echo >"/sys/bus/pci/devices/$nvme/driver_override"
modprobe -r vfio_pci vfio_iommu_type1 2>/dev/null
modprobe nvme
[[ $(driver_of "$nvme") == nvme ]] || echo "$nvme" >/sys/bus/pci/drivers_probe
lab_equal host-starts-with-nvme nvme "$(driver_of "$nvme")"
says host-check-without-vfio 3 'modprobe -a vfio_pci vfio_iommu_type1' check
says host-bind-without-driver 5 'fix: modprobe vfio-pci' bind "$nvme"
modprobe -a vfio_pci vfio_iommu_type1
says host-check-without-our-driver 3 '1 CXL accelerator would need it' check
driver_load
says host-check 0 '0 problems' check
cxvm check --kernel "$(lab_kernel amd64-7 pvh)" --device "path=$nvme" >config-check.out 2>&1
lab_equal host-check-of-a-configuration-status 3 $?
lab_check host-check-of-a-configuration-says grep -q "$nvme is not bound to VFIO; run cxvm host bind $nvme" config-check.out
says host-list 0 "usable after: cxvm host bind $accelerator" list
says host-list-cxl 0 'memory 256 MiB in 1 range' list
says host-list-json 0 '"vfio_driver": "cxl-vfio-pci"' list --json

lab_until 5 test -b /dev/nvme0n1
mke2fs -q -F /dev/nvme0n1 65536k && mkdir -p mounted && mount /dev/nvme0n1 mounted
says host-bind-mounted 3 '/dev/nvme0n1 is mounted' bind "$nvme" "$accelerator"
lab_equal host-bind-mounted-leaves-it nvme "$(driver_of "$nvme")"
umount mounted
# An IOMMU group of its own is refused for the sake of nobody, a bridge always.
says host-bind-bridge 3 'a bridge cannot be passed through' bind 0000:00:00.0
says host-bind 0 "$nvme: nvme -> vfio-pci" bind "$nvme" "$accelerator"
lab_equal host-bind-nvme vfio-pci "$(driver_of "$nvme")"
lab_equal host-bind-accelerator cxl-vfio-pci "$(driver_of "$accelerator")"
says host-list-ready 0 'ready' list
cat host-list-ready.out

# One guest with both; who has them is named.
vm_command kernel=amd64-7 format=pvh cpus=2 memory=768M "cxvm.test=disk-write,/dev/nvme0n1,16777216,3 cxvm.test=accel-jobs,jobs=50,expect=1 cxvm.end=wait" \
    --device "path=$nvme,id=nvme0" --device "path=$accelerator,id=gpu0"
vm_start host-guest "${vm_argv[@]}"
if ! vm_wait_text host-guest '^INIT-END' 90; then
    vm_wait_exit host-guest 1
    if vm_retry host-guest; then
        vm_start host-guest "${vm_argv[@]}"
        vm_wait_text host-guest '^INIT-END' 90
    else
        tail -n 3 host-guest.log host-guest.console
    fi
fi
lab_check host-guest-disk grep -aq 'TEST-PASS disk-write' host-guest.console
lab_check host-guest-accelerator grep -aq 'TEST-PASS accel-jobs' host-guest.console
says host-unbind-in-use 3 "process ${vm_pid[host-guest]} (cxvm) uses it" unbind "$accelerator"
vm_kill host-guest TERM
vm_kill host-guest INT
vm_wait_exit host-guest 20

says host-unbind 0 "$nvme: vfio-pci -> nvme" unbind "$nvme" "$accelerator"
lab_equal host-unbind-nvme nvme "$(driver_of "$nvme")"
lab_equal host-unbind-accelerator "" "$(driver_of "$accelerator")"
lab_check host-unbind-disk-is-back lab_until 5 test -b /dev/nvme0n1
lab_check host-unbind-disk-has-it labtool disk-read /dev/nvme0n1 16777216 3
driver_unload

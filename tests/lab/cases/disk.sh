# SPDX-License-Identifier: Apache-2.0
# virtio-blk: 256 MiB (long/disk-1g.sh: 1 GiB) written and read back in the guest and read on the host; data survive fsync and SIGKILL; read-only is read-only.
# lab: timeout=240
source "$LAB/lib.sh"
lab_need_cxvm disk
lab_scratch || { lab_fail disk "no scratch disk"; exit 0; }
bytes=${disk_bytes:-268435456}
disk=/scratch/disk.img
truncate -s $bytes $disk
vm_case disk-write-and-read seconds=90 status=0 kernel=cloud-6.12 format=pvh cpus=2 memory=512M \
    "cxvm.test=disk-write,/dev/vda,$bytes,1 cxvm.test=disk-read,/dev/vda,$bytes,1" --disk path=$disk
grep -a '^labtool' disk-write-and-read.console
lab_check disk-host-sees-the-data labtool disk-read $disk $bytes 1

vm_command kernel=cloud-6.12 format=pvh cpus=1 memory=512M "cxvm.test=disk-write,/dev/vda,67108864,2 cxvm.test=ticks,100" --disk path=$disk
vm_start disk-killed "${vm_argv[@]}"
if vm_wait_text disk-killed '^TEST-PASS disk-write' 60; then
    vm_kill disk-killed
    vm_wait_exit disk-killed 5
    lab_equal disk-killed-status 137 "${vm_status[disk-killed]}"
    lab_check disk-survives-sync-and-kill labtool disk-read $disk 67108864 2
else
    vm_kill disk-killed
    lab_fail disk-survives-sync-and-kill "the guest did not write: $(tail -n 1 disk-killed.console)"
fi

vm_case disk-read-only seconds=60 status=0 kernel=cloud-7 format=bzImage cpus=1 memory=512M "cxvm.test=disk-is-read-only,/dev/vda cxvm.test=disk-read,/dev/vda,67108864,2" \
    --disk path=$disk,readonly=on
rm -f $disk

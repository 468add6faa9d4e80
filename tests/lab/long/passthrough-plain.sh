# SPDX-License-Identifier: Apache-2.0
# Plain PCI devices by group: emulated NVMe, virtio-blk (behind the IOMMU), AHCI, e1000e and igb in unmodified guests with their stock drivers.
# Checked data both ways with MSI-X, MSI and INTx; two devices at once; resets while data moves.
# lab: timeout=1800
# lab: memory=4G
# lab: qemu=-drive file=@RUN@/scratch.img,format=raw,if=none,id=nvme0,snapshot=on,file.locking=off -device nvme,drive=nvme0,serial=cxvm,bus=pcie.0
# lab: qemu=-drive file=@RUN@/scratch.img,format=raw,if=none,id=vblk,snapshot=on,file.locking=off -device virtio-blk-pci,drive=vblk,serial=passed,disable-legacy=on,iommu_platform=on,bus=pcie.0
# lab: qemu=-drive file=@RUN@/scratch.img,format=raw,if=none,id=sata0,snapshot=on,file.locking=off -device ich9-ahci,id=ahci,bus=pcie.0 -device ide-hd,drive=sata0,bus=ahci.0
# lab: qemu=-netdev hubport,id=n0,hubid=0 -device virtio-net-pci,netdev=n0,bus=pcie.0
# lab: qemu=-device pcie-root-port,id=rp0,bus=pcie.0,chassis=2,slot=2 -netdev hubport,id=n1,hubid=0 -device e1000e,netdev=n1,bus=rp0,mac=52:54:00:00:00:11
# lab: qemu=-netdev hubport,id=n2,hubid=0 -device igb,netdev=n2,bus=pcie.0,mac=52:54:00:00:00:12
# lab: qemu=-device pcie-root-port,id=rp1,bus=pcie.0,chassis=1,slot=1 -netdev hubport,id=n3,hubid=0 -device e1000e,netdev=n3,bus=rp1,addr=0.0,multifunction=on,mac=52:54:00:00:00:13 -device e1000e,bus=rp1,addr=0.1,mac=52:54:00:00:00:14
# shellcheck shell=bash
source "$LAB/lib.sh"
prefix=${prefix:-plain} way=${way:-vfio-group} # what cxvm must take; passthrough-plain-cdev.sh sets them too
lab_need_cxvm "$prefix"
modprobe -a vfio_pci vfio_iommu_type1 virtio_net
disk_bytes=1073741824
net_bytes=536870912 # each way
few=67108864 little=16777216
host=192.168.88.1 guest=192.168.88.2

nvme=$(lspci -Dn | awk '$2 == "0108:" { print $1; exit }')
e1000e=$(lspci -Dnd 8086:10d3 | awk '{ print $1; exit }')
igb=$(lspci -Dnd 8086:10c9 | awk '{ print $1; exit }')
sata=$(lspci -Dnd 8086:2922 | awk '!/:1f\.2 / { print $1; exit }') # not the machine's own, which shares its group
pair=$(lspci -Dnd 8086:10d3 | awk 'NR == 2 { sub(/\.0$/, "", $1); print $1 }')
for block in /sys/block/vd*; do
    [[ $(<"$block/serial") == passed ]] && vblk=$(basename "$(realpath "$block/device/..")")
done
lab_note "nvme $nvme, virtio-blk $vblk, AHCI $sata, e1000e $e1000e, igb $igb, two functions $pair.0 and .1"
# The host's own end of the network.
for interface in /sys/class/net/*; do
    [[ $(basename "$(realpath "$interface/device/driver" 2>/dev/null)") == virtio_net ]] && near=$(basename "$interface")
done
ip addr add $host/24 dev "$near"
ip link set "$near" up
lab_check "$prefix-bind" cxvm host bind "$nvme" "$vblk" "$sata" "$e1000e" "$igb" "$pair.0" "$pair.1"
cxvm host list

vm_way_case "$prefix-way" "$way" --device "path=$nvme,id=dev0"

# disk NAME DEVICE NODE IRQ KIND BYTES APPEND
disk() {
    vm_case "$prefix-$1" seconds=300 status=0 kernel=amd64-7 format=pvh cpus=2 memory=512M \
        "$7 cxvm.test=disk-write,$3,$6,4 cxvm.test=disk-read,$3,$6,4 cxvm.test=irq-kind,$4,$5" --device "path=$2,id=dev0"
    lab_note "$1: $(grep -a '^labtool: disk' "$prefix-$1.console" | tr -d '\r' | tr '\n' ' ')"
}
disk nvme-msix "$nvme" /dev/nvme0n1 nvme PCI-MSIX "$disk_bytes" ""
disk nvme-intx "$nvme" /dev/nvme0n1 nvme IO-APIC $few pci=nomsi
disk virtio-msix "$vblk" /dev/vda virtio PCI-MSIX "$disk_bytes" ""
disk virtio-intx "$vblk" /dev/vda virtio IO-APIC $few pci=nomsi
disk ahci-msi "$sata" /dev/sda ahci PCI-MSI- "$disk_bytes" ""

# transfer TAG BYTES: a guest whose command is in vm_argv; data to it and back.
transfer() {
    local tag=$1 receiver
    vm_start "$tag" "${vm_argv[@]}"
    : >"$tag.sent"
    : >"$tag.received"
    if vm_wait_text "$tag" 'tcp-receive listening' 120; then
        labtool tcp-receive 5001 >"$tag.received" &
        receiver=$!
        labtool tcp-send $guest 5002 "$2" | tee "$tag.sent"
        vm_wait_exit "$tag" 300
        kill $receiver 2>/dev/null
        wait $receiver
    else
        vm_wait_exit "$tag" 5
    fi
}
# net NAME DEVICE KIND BYTES APPEND: data from the host to the guest and back, with the checksum of both ends.
net() {
    local tag=$prefix-$1 device=$2 kind=$3 bytes=$4
    vm_command kernel=amd64-7 format=pvh cpus=2 memory=512M "cxvm.ip=$guest/24 $5 cxvm.test=net-link,eth0 cxvm.test=tcp-receive,5002 \
cxvm.test=tcp-send,$host,5001,$bytes cxvm.test=irq-kind,eth0,$kind" --device "path=$device,id=dev0"
    transfer "$tag" "$bytes"
    [[ ${vm_status[$tag]} == 0 ]] || ! vm_retry "$tag" || transfer "$tag" "$bytes"
    lab_equal "$tag-status" 0 "${vm_status[$tag]}"
    lab_equal "$tag-to-guest" "$(sed -n 's/.* ok bytes=\([0-9]* crc=[0-9a-f]*\).*/\1/p' "$tag.sent")" \
        "$(tr -d '\r' <"$tag.console" | sed -n "s/^labtool: tcp-receive ok bytes=\($bytes crc=[0-9a-f]*\).*/\1/p")"
    lab_check "$tag-bytes" grep -q "ok bytes=$bytes " "$tag.received"
    lab_equal "$tag-from-guest" "$(tr -d '\r' <"$tag.console" | sed -n "s/^labtool: tcp-send ok bytes=\($bytes crc=[0-9a-f]*\).*/\1/p")" \
        "$(sed -n 's/.* ok bytes=\([0-9]* crc=[0-9a-f]*\).*/\1/p' "$tag.received")"
    lab_check "$tag-interrupts" grep -aq '^TEST-PASS irq-kind' "$tag.console"
    lab_equal "$tag-guest-log" "" "$(vm_log_bad "$tag")"
    lab_note "$1: $(grep -ah '^labtool: tcp.* ok' "$tag.console" | tr -d '\r' | tr '\n' ' ')"
}
net e1000e-msix "$e1000e" PCI-MSIX "$net_bytes" ""
# (Not by MSI: the driver's own test of it fails with this emulated device, without cxvm too.)
net e1000e-intx "$e1000e" IO-APIC $little e1000e.IntMode=0
net igb-msix "$igb" PCI-MSIX "$net_bytes" ""

# Two devices of one guest at once.
labtool tcp-receive 5001 >both.received &
vm_case "$prefix-both" seconds=300 status=0 kernel=amd64-7 format=pvh cpus=2 memory=512M "cxvm.ip=$guest/24 cxvm.test=net-link,eth0 \
cxvm.test=parallel,disk-write,/dev/nvme0n1,$((4 * few)),6,+,tcp-send,$host,5001,$little cxvm.test=disk-read,/dev/nvme0n1,$((4 * few)),6" \
    --device "path=$nvme,id=disk0" --device "path=$e1000e,id=net0"
wait
lab_check "$prefix-both-received" grep -q "ok bytes=$little " both.received

# Resets while data moves.
vm_case "$prefix-reset" seconds=240 status=0 kernel=amd64-7 format=pvh cpus=2 memory=512M "cxvm.test=pci-reset,nvme,5,disk-write,/dev/nvme0n1,$few,8 \
cxvm.test=disk-read,/dev/nvme0n1,$few,8" --device "path=$nvme,id=disk0"
lab_note "$(grep -a '^pci-reset' "$prefix-reset.console" | tr -d '\r')"
# A function whose own reset is one of power management: its bus is reset, and it must work afterwards. Its driver does not expect to lose
# an interface that is up.
lab_note "reset methods of $pair.0: $(cat "/sys/bus/pci/devices/$pair.0/reset_method" 2>/dev/null)"
vm_case "$prefix-reset-network" seconds=120 status=0 kernel=amd64-7 format=pvh cpus=1 memory=512M "cxvm.ip=$guest/24 cxvm.test=net-link,eth0 cxvm.test=ping,-c,2,-W,5,$host \
cxvm.test=ip,link,set,eth0,down cxvm.test=pci-reset,e1000e,3,memory,16777216 \
cxvm.test=ip,link,set,eth0,up cxvm.test=net-link,eth0 cxvm.test=ping,-c,2,-W,5,$host" --device "path=$pair.0,id=net0"
lab_equal "$prefix-resets-failed" 0 "$(cat "$prefix-reset.log" "$prefix-reset-network.log" | grep -c 'reset failed')"

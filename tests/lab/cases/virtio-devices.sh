# SPDX-License-Identifier: Apache-2.0
# The virtio devices of cxvm under an unmodified Debian guest: data through disk, network and sockets, checked on both sides.
# lab: timeout=420
source "$LAB/lib.sh"
lab_need_cxvm virtio
LAB_VMM=cxvm
modprobe -q tun
common=(--serial tty --log-level info)

# --- disks: 128 MiB written and read back in each mode, seen by the host afterwards
lab_scratch || lab_note "no scratch disk: images in RAM"
folder=/scratch
mountpoint -q /scratch || folder=$PWD
for mode in "" ",direct=on" ",num_queues=2" ",queue_size=16"; do
    tag=disk${mode//[,=]/-}
    truncate -s 256M "$folder/disk.img"
    vm_case "virtio-$tag" 90 0 cloud-6.12 bzImage 2 512M "cxvm.test=disk-write,/dev/vda,67108864,7 cxvm.test=disk-read,/dev/vda,67108864,7" \
        --disk "path=$folder/disk.img$mode" "${common[@]}"
    lab_check "virtio-$tag-host-sees-it" labtool disk-read "$folder/disk.img" 67108864 7
    rm -f "$folder/disk.img"
done

# --- network: ping and TCP over a tap, without and with vhost-net
ip tuntap add dev cxlab0 mode tap vnet_hdr
ip addr add 10.77.0.1/24 dev cxlab0
ip link set cxlab0 up
for vhost in off on; do
    [[ $vhost == off ]] || modprobe -q vhost_net || continue
    labtool tcp-receive 7000 >tcp-$vhost.txt 2>&1 &
    receiver=$!
    vm_case "virtio-net-vhost-$vhost" 90 0 cloud-6.12 bzImage 1 512M \
        "cxvm.ip=10.77.0.2/24 cxvm.test=ping,-c,3,-W,5,10.77.0.1 cxvm.test=tcp-send,10.77.0.1,7000,67108864" \
        --net "tap=cxlab0,vhost=$vhost" "${common[@]}"
    lab_check "virtio-net-vhost-$vhost-received" wait "$receiver"
    cat "tcp-$vhost.txt"
done

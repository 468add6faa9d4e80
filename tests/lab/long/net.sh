# SPDX-License-Identifier: Apache-2.0
# virtio-net over tap: ping, and 200 MiB of TCP in each direction with a checksum, by cxvm's own data path and by vhost-net.
# lab: timeout=240
source "$LAB/lib.sh"
lab_need_cxvm net
bytes=209715200
ip tuntap add tap0 mode tap
ip addr add 192.168.77.1/24 dev tap0
ip link set tap0 up
# transfer VHOST: one guest, both directions; fills received.VHOST, sent.VHOST and the guest's console.
transfer() {
    local receiver tag=net-vhost-$1
    labtool tcp-receive 5001 >received.$1 &
    receiver=$!
    vm_command kernel=cloud-6.12 format=pvh cpus=2 memory=512M "cxvm.ip=192.168.77.2/24 cxvm.test=ping,-c,3,-W,5,192.168.77.1 \
cxvm.test=tcp-send,192.168.77.1,5001,$bytes cxvm.test=tcp-receive,5002" --net tap=tap0,vhost=$1
    vm_start $tag "${vm_argv[@]}"
    if vm_wait_text $tag 'tcp-receive listening' 90; then
        labtool tcp-send 192.168.77.2 5002 $bytes | tee sent.$1
    fi
    vm_wait_exit $tag 60
    kill $receiver 2>/dev/null
    wait $receiver
    grep -a '^labtool\|^TEST' $tag.console received.$1
}
for vhost in off on; do
    tag=net-vhost-$vhost
    transfer $vhost
    ! vm_retry $tag || transfer $vhost
    lab_check $tag-ping grep -aq '^TEST-PASS ping' $tag.console
    lab_equal $tag-guest-to-host "$(sed -n 's/.* ok bytes=\([0-9]* crc=[0-9a-f]*\).*/\1/p' received.$vhost)" \
        "$(tr -d '\r' <$tag.console | sed -n "s/^labtool: tcp-send ok bytes=\($bytes crc=[0-9a-f]*\).*/\1/p")"
    lab_check $tag-guest-to-host-bytes grep -q "ok bytes=$bytes " received.$vhost
    lab_check $tag-host-to-guest-bytes grep -q "ok bytes=$bytes " sent.$vhost
    lab_equal $tag-host-to-guest "$(sed -n 's/.* ok bytes=\([0-9]* crc=[0-9a-f]*\).*/\1/p' sent.$vhost)" \
        "$(tr -d '\r' <$tag.console | sed -n "s/^labtool: tcp-receive ok bytes=\($bytes crc=[0-9a-f]*\).*/\1/p")"
    lab_equal $tag-status 0 "${vm_status[$tag]}"
    lab_equal $tag-guest-log "" "$(vm_log_bad $tag)"
done

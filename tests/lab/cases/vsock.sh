# SPDX-License-Identifier: Apache-2.0
# vsock both ways, 16 MiB with checksums: over UNIX sockets (CONNECT protocol) and over vhost-vsock.
# lab: timeout=180
source "$LAB/lib.sh"
lab_need_cxvm vsock
bytes=16777216
sums() { tr -d '\r' <"$1" | sed -n "s/^labtool: $2 ok bytes=\($bytes crc=[0-9a-f]*\).*/\1/p"; }
# transfer KIND: one guest, both directions.
transfer() {
    local option receiver tag=vsock-$1
    if [[ $1 == unix ]]; then
        option=cid=3,socket=/tmp/vsock
        rm -f /tmp/vsock_6000
        labtool unix-receive /tmp/vsock_6000 >received.$1 &
    else
        option=cid=3,vhost=on
        labtool vsock-receive 6000 >received.$1 &
    fi
    receiver=$!
    lab_wait_text received.$1 listening 5
    vm_command kernel=cloud-6.12 format=pvh cpus=1 memory=512M "cxvm.test=vsock-send,2,6000,$bytes cxvm.test=vsock-receive,6001" --vsock $option
    vm_start $tag "${vm_argv[@]}"
    if vm_wait_text $tag 'vsock-receive listening' 60; then
        if [[ $1 == unix ]]; then labtool unix-send /tmp/vsock $bytes 6001; else labtool vsock-send 3 6001 $bytes; fi | tee sent.$1
    fi
    vm_wait_exit $tag 40
    kill $receiver 2>/dev/null
    wait $receiver
    grep -a '^labtool\|^TEST' $tag.console received.$1
}
for kind in unix vhost; do
    tag=vsock-$kind
    transfer $kind
    ! vm_retry $tag || transfer $kind
    lab_equal $tag-guest-to-host "$(sums $tag.console vsock-send)" "$(sums received.$kind '[a-z]*-receive')"
    lab_check $tag-guest-to-host-bytes test -n "$(sums received.$kind '[a-z]*-receive')"
    lab_equal $tag-host-to-guest "$(sums sent.$kind '[a-z]*-send')" "$(sums $tag.console vsock-receive)"
    lab_check $tag-host-to-guest-bytes test -n "$(sums $tag.console vsock-receive)"
    lab_equal $tag-status 0 "${vm_status[$tag]}"
done

# SPDX-License-Identifier: Apache-2.0
# What disk.sh, net.sh and vsock.sh leave out: O_DIRECT, several queues, small queues, INTx instead of MSI-X, rate limits, entropy, balloon.
# lab: timeout=500
source "$LAB/lib.sh"
lab_need_cxvm virtio
LAB_VMM=cxvm
lab_scratch || { lab_fail virtio "no scratch disk"; exit 0; }
bytes=33554432
disk=/scratch/virtio.img
# virtio_disk NAME CPUS APPEND DISK-OPTIONS: a pattern written and read back by the guest, then read by the host.
virtio_disk() {
    truncate -s 64M $disk
    vm_case "virtio-disk-$1" seconds=60 status=0 kernel=cloud-6.12 format=pvh cpus="$2" memory=256M "$3 cxvm.test=disk-write,/dev/vda,$bytes,7 cxvm.test=disk-read,/dev/vda,$bytes,7" \
        --disk "path=$disk$4"
    lab_check "virtio-disk-$1-host-sees-it" labtool disk-read $disk $bytes 7
    rm -f $disk
}
virtio_disk direct 1 "" ,direct=on
virtio_disk queues 2 "" ,num_queues=2,queue_size=16
virtio_disk intx 1 pci=nomsi ""
virtio_disk limited 1 "" ,bw_size=16777216,bw_refill_time=1000
lab_note "limited to 16 MiB/s: $(grep -a '^labtool' virtio-disk-limited.console | tr -d '\r' | tr '\n' ' ')"

vm_case virtio-rng seconds=60 status=0 kernel=cloud-6.12 format=pvh cpus=1 memory=256M "cxvm.test=dd,if=/dev/hwrng,of=/tmp/random,bs=64,count=256"

# The balloon gives back what the guest has freed: 250 MiB of a file that is removed again (free page reporting).
resident() { awk '/^VmRSS/ { print int($2 / 1024) }' "/proc/${vm_pid[virtio-balloon]}/status"; }
gave_back() { (($(resident) <= full - 100)); } # only whole free blocks of 4 MiB are reported
vm_command kernel=cloud-6.12 format=pvh cpus=1 memory=768M "cxvm.test=dd,if=/dev/zero,of=/tmp/fill,bs=1M,count=250 cxvm.test=ticks,2 cxvm.test=rm,/tmp/fill cxvm.end=wait" \
    --balloon size=64M,free_page_reporting=on
vm_start virtio-balloon "${vm_argv[@]}"
vm_wait_text virtio-balloon '^TEST-PASS dd' 60
full=$(resident)
vm_wait_text virtio-balloon '^INIT-END' 30
lab_check virtio-balloon-reports-free-pages lab_until 30 gave_back
lab_note "balloon: $full MiB resident with the file, $(resident) MiB after it"
lab_check virtio-balloon-guest grep -aq '^TEST-PASS rm' virtio-balloon.console
vm_kill virtio-balloon
vm_wait_exit virtio-balloon 5

# The virtio console on a socket: 200 lines out, one line in, one answer.
vm_command kernel=cloud-6.12 format=pvh cpus=1 memory=256M "cxvm.test=hvc" --console socket="$PWD/hvc.sock"
vm_start virtio-console "${vm_argv[@]}"
lab_until 10 test -S hvc.sock
coproc HVC { exec socat - "UNIX-CONNECT:$PWD/hvc.sock" 2>hvc.err; }
hvc_read=${HVC[0]} hvc_write=${HVC[1]} hvc_pid=$HVC_PID
while read -r -t $((60 * ${LAB_FACTOR:-1})) -u "$hvc_read" line; do
    line=${line%$'\r'}
    echo "$line" >>hvc.lines
    [[ $line != "hvc ready" ]] || echo "from the host" >&"$hvc_write"
    [[ $line != "hvc got"* ]] || break
done
vm_wait_exit virtio-console 30
kill "$hvc_pid" 2>/dev/null
wait "$hvc_pid" 2>/dev/null
lab_equal virtio-console-lines 200 "$(grep -c '^hvc line' hvc.lines)"
lab_equal virtio-console-order "$(seq 0 199)" "$(sed -n 's/^hvc line //p' hvc.lines)"
lab_equal virtio-console-answer "hvc got from the host" "$(tail -n 1 hvc.lines)"
lab_check virtio-console-guest grep -aq '^TEST-PASS hvc' virtio-console.console

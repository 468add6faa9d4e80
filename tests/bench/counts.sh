# SPDX-License-Identifier: Apache-2.0
# System calls before the first KVM_RUN of the boot vCPU, counted by strace: exact, so the limits are checked here too.
# lab: timeout=300
# shellcheck shell=bash
source "$LAB/lib.sh"
lab_need_cxvm bench-counts

kernel=$(lab_kernel cloud-6.12 pvh)
truncate -s 64M disk.img
ip tuntap add cxvmb0 mode tap

# count ARGUMENT...: calls between the execve of cxvm and the boot vCPU's first KVM_RUN, with no shared file of the trace's own. Messages of
# vfio-user about the DMA map (command 2, sent and received) are left out.
count() {
    local boot vcpu0='"\\x76\\x63\\x70\\x75\\x30"' # strace writes strings in hexadecimal
    timeout 60 strace -f -xx -o trace timeout -s KILL 20 cxvm run --kernel "$kernel" --memory 256M --debug-exit \
        --cmdline "panic=-1 console=none" "$@" >/dev/null 2>&1 </dev/null &
    local pid=$!
    lab_until 30 grep -q 'KVM_RUN' trace
    lab_until 10 grep -qE "PR_SET_NAME, $vcpu0" trace
    boot=$(grep -m1 "PR_SET_NAME, $vcpu0" trace | cut -d' ' -f1)
    lab_until 10 awk -v boot="$boot" '$1 == boot && /KVM_RUN/ { found = 1 } END { exit !found }' trace
    pkill -KILL -x cxvm
    wait $pid 2>/dev/null
    awk -v boot="$boot" '/execve\("[^"]*\\x63\\x78\\x76\\x6d"/ && !/= -1/ { on = 1; n = 0 } on && !/resumed>/ && !/iov_base="\\x..\\x..\\x02\\x00/ { n++ } $1 == boot && /KVM_RUN/ { print n; exit }' trace
    rm -f trace
}

one=$(count --cpus 1 --disk path=disk.img --net tap=cxvmb0)
five=$(count --cpus 5 --disk path=disk.img --net tap=cxvmb0)
echo "BENCH syscalls_before_run $one"
echo "BENCH syscalls_per_extra_vcpu $(awk -v a="$one" -v b="$five" 'BEGIN { printf "%.2f", (b - a) / 4 }')"
lab_check bench-syscalls-before-run test "$one" -le 200
lab_note "the target of 12 per extra vCPU counts the vCPU's own first KVM_RUN too"

# attach NUMBER: calls of a start with that many simulators, without the DMA map.
attach() {
    local i arguments=() pids=() total
    for ((i = 0; i < $1; i++)); do
        cxvm-accel-sim --socket "$PWD/a$i.sock" >/dev/null 2>&1 &
        pids+=($!)
        lab_until 5 test -S "a$i.sock"
        arguments+=(--device "vfio-user=$PWD/a$i.sock,id=gpu$i")
    done
    total=$(count --cpus 1 "${arguments[@]}")
    kill "${pids[@]}"
    wait "${pids[@]}" 2>/dev/null
    echo "$total"
}
none=$(attach 0)
first=$(attach 1)
second=$(($(attach 2) - first))
seven=$(attach 7)
eight=$(attach 8)
lab_note "calls before KVM_RUN with 0, 1, 7, 8 devices, without the DMA map: $none $first $seven $eight; the second costs $second"
echo "BENCH attach_syscalls $((first - none))"
echo "BENCH attach_syscalls_8th $((eight - seven))"
lab_check bench-attach-syscalls test $((first - none)) -le 60
# Replies to calls that were sent together come in one read or in two: passthrough-sim takes the least of five runs, here are single ones.
lab_check bench-attach-8th-costs-no-more test $((eight - seven)) -le $((second + 2))
ip link del cxvmb0

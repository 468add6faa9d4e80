# SPDX-License-Identifier: Apache-2.0
# What an accelerator costs a running guest, in exits, system calls and time: exact counts are checked against their limits too.
# lab: timeout=500
# shellcheck shell=bash
source "$LAB/lib.sh"
lab_need_cxvm bench-accel-counts
tools=/payload/tests/bin
bench=$(command -v bench-accel || echo $tools/bench-accel)
counter=$(command -v syscall-counter || echo $tools/syscall-counter)
guest=$(dirname "$bench")/guest-accel_count
[[ -e $guest ]] || guest=$(dirname "$bench")/../kvm/guest-accel_count
if [[ ! -x $bench || ! -x $counter || ! -e $guest ]]; then
    lab_skip bench-accel-counts "bench-accel, syscall-counter or the guest was not built"
    exit 0
fi

# KVM's exit counters after 1,000,000 accesses each, and the round trip of a component register.
rounds=${BENCH_ROUNDS:-15}
((rounds >= 5)) || rounds=5
lab_simulate gpu0 --topology C
if ! result=$("$bench" "$PWD/gpu0.sock" "$rounds" 21); then
    lab_fail bench-accel-counts "bench-accel failed"
    exit 0
fi
lab_stop_simulators
lab_note "$result"
number() { sed -nE "s/.*\"$1\": (-?[0-9.]+).*/\1/p" <<<"${2:-$result}"; }
for name in window_exits dpa_exits; do
    echo "BENCH $name $(number $name)"
    lab_equal "bench-${name//_/-}" 0 "$(number $name)"
done
lab_equal bench-component-exits 1000 "$(number component_exits_of_1000)"
value=$(number component_vs_bare)
echo "BENCH component_vs_bare $value"
lab_check bench-component-vs-bare awk -v v="$value" 'BEGIN { exit !(v > 0 && v <= 1.15) }'

# run_counted NAME CMDLINE: the counter's JSON object.
run_counted() {
    "$counter" cxvm run --kernel "$guest" --cmdline "$2" --memory size=64M --debug-exit --log-level error \
        --device "vfio-user=$PWD/$1.sock,id=$1" 2>&1 >/dev/null | tail -n 1
}
# vcpu_calls NAME CMDLINE: system calls of the vCPU's thread besides KVM_RUN, from its first KVM_RUN on; the least of five runs, because
# the start and the end of a run need a few more or less.
vcpu_calls() {
    local round calls least=
    for ((round = 0; round < 5; round++)); do
        calls=$(number vcpu_syscalls_after_run "$(run_counted "$1" "$2")")
        [[ -z $calls || (-n $least && $least -le $calls) ]] || least=$calls
    done
    echo "${least:-0}"
}
lab_simulate gpu0 --topology C
few=$(vcpu_calls gpu0 component=500)
many=$(vcpu_calls gpu0 component=2500)
lab_stop_simulators
lab_note "calls of the vCPU's thread besides KVM_RUN with 500 and 2,500 component register accesses: $few, $many"
value=$(awk -v a="$few" -v b="$many" 'BEGIN { d = (b - a) / 2000; printf "%.2f", d < 0 ? -d : d }')
echo "BENCH component_extra_syscalls $value"
lab_equal bench-component-extra-syscalls 0.00 "$value"

# A commit, its DMA map included, for little and for much memory: all that the vCPU's thread calls in the exit that adds this slot.
for size in 256M 256G; do
    lab_simulate gpu0 --topology C --uncommitted --dpa $size
    most=0
    for ((round = 0; round < 5; round++)); do
        result=$(run_counted gpu0 commit=1)
        calls=$(number largest_slot_calls "$result")
        lab_equal "bench-commit-slot-$size-$round" $(($(numfmt --from=iec $size))) "$(number largest_slot "$result")"
        ((calls <= most)) || most=$calls
    done
    lab_stop_simulators
    lab_note "system calls of a commit of $size, the most of five: $most"
    lab_check "bench-commit-syscalls-$size" test $most -ge 1 -a $most -le 3
done
echo "BENCH commit_syscalls $most"

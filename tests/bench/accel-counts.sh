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
[[ -e $guest ]] || guest=$(dirname "$bench")/../integration/guest-accel_count
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

# vcpu_calls NAME CMDLINE: system calls of the vCPU's thread besides KVM_RUN, from its first KVM_RUN on; the least of nine runs, because
# a lock that another thread holds, or a reply that it was faster to read, adds some.
vcpu_calls() {
    local round calls least=
    for ((round = 0; round < 9; round++)); do
        calls=$(number vcpu_syscalls_after_run "$("$counter" cxvm run --kernel "$guest" --cmdline "$2" --memory size=64M --debug-exit \
            --log-level error --device "vfio-user=$PWD/$1.sock,id=$1" 2>&1 >/dev/null | tail -n 1)")
        [[ -z $calls || (-n $least && $least -le $calls) ]] || least=$calls
    done
    echo "${least:-0}"
}
lab_simulate gpu0 --topology C
few=$(vcpu_calls gpu0 component=500)
many=$(vcpu_calls gpu0 component=2500)
lab_stop_simulators
lab_note "calls of the vCPU's thread besides KVM_RUN with 500 and 2,500 component register accesses: $few, $many"
echo "BENCH component_extra_syscalls $((many - few))"
lab_equal bench-component-extra-syscalls 0 "$((many - few))"

# A commit, its DMA map included, for little and for much memory.
for size in 256M 256G; do
    lab_simulate gpu0 --topology C --uncommitted --dpa $size
    without=$(vcpu_calls gpu0 commit=0)
    with=$(vcpu_calls gpu0 commit=1)
    lab_stop_simulators
    lab_note "calls of the vCPU's thread without and with a commit of $size: $without, $with"
    lab_check "bench-commit-syscalls-$size" test $((with - without)) -ge 1 -a $((with - without)) -le 3
done
echo "BENCH commit_syscalls $((with - without))"

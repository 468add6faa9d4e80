# SPDX-License-Identifier: Apache-2.0
# virtio-blk in cxvm beside QEMU's virtio-blk-pci with io_uring: 4 KiB random reads at depth 32 and sequential reads, in turns. Medians of nine.
# lab: timeout=1200
# shellcheck shell=bash
source "$LAB/lib.sh"
lab_need_cxvm bench-blk
lab_scratch || { lab_skip bench-blk "no scratch disk"; exit 0; }

kernel=cloud-6.12
image=/scratch/blkbench.img
dd if=/dev/urandom of=$image bs=1M count=256 2>/dev/null
cat $image >/dev/null # into the page cache: what is measured is the path, not the disk
rounds=${BENCH_ROUNDS:-9}
tests="cxvm.test=blkbench,/dev/vda,rand,3 cxvm.test=blkbench,/dev/vda,seq,3"

run() { # run VMM: prints what the guest measured
    case $1 in
        cxvm) LAB_VMM=cxvm vm_command kernel=$kernel format=pvh cpus=1 memory=512M "$tests" --disk path=$image,readonly=on,queue_size=128 ;;
        qemu)
            LAB_VMM=qemu-q35 vm_command kernel=$kernel format=bzImage cpus=1 memory=512M "$tests" \
                -drive "file=$image,format=raw,if=none,id=d,readonly=on,aio=io_uring" -device virtio-blk-pci,drive=d
            ;;
    esac
    vm_start "blk-$1" "${vm_argv[@]}"
    vm_wait_exit "blk-$1" 90
    grep -a '^blkbench ' "blk-$1.console" | tr -d '\r'
}

for ((round = 1; round <= rounds; round++)); do
    for vmm in cxvm qemu; do
        run $vmm >"out.$vmm"
        for mode in rand seq; do
            value=$(awk -v mode=$mode '$2 == mode { print $5 }' "out.$vmm")
            lab_note "raw blk $vmm $mode round $round: ${value:-none} bytes/s"
            [[ -z $value ]] || echo "$value" >>"$vmm.$mode"
        done
    done
done
for mode in rand seq; do
    if [[ ! -s cxvm.$mode || ! -s qemu.$mode ]]; then
        lab_fail "bench-blk-$mode" "nothing was measured"
        continue
    fi
    echo "BENCH blk_${mode}_vs_qemu $(awk -v a="$(lab_median <"cxvm.$mode")" -v b="$(lab_median <"qemu.$mode")" 'BEGIN { printf "%.3f", a / b }')"
    lab_pass "bench-blk-$mode"
done

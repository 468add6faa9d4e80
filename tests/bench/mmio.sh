# SPDX-License-Identifier: Apache-2.0
# The round trip of one trapped MMIO read, against a bare KVM_RUN loop on the same /dev/kvm in the same minute.
# lab: timeout=240
# shellcheck shell=bash
source "$LAB/lib.sh"
lab_need_cxvm bench-mmio
bench=$(command -v bench-mmio-bare || echo /payload/tests/bin/bench-mmio-bare)
if [[ ! -x $bench ]]; then
    lab_skip bench-mmio "bench-mmio-bare was not built"
    exit 0
fi
rounds=${BENCH_ROUNDS:-31}
((rounds >= 9)) || rounds=9
if ! result=$("$bench" "$rounds" 21); then
    lab_fail bench-mmio "bench-mmio-bare failed"
    exit 0
fi
lab_note "$result"
value=$(sed -n 's/.*"mmio_vs_bare": \([0-9.]*\).*/\1/p' <<<"$result")
echo "BENCH mmio_vs_bare $value"
lab_check bench-mmio-vs-bare awk -v v="$value" 'BEGIN { exit !(v > 0 && v <= 1.10) }'

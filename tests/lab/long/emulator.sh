# SPDX-License-Identifier: Apache-2.0
# The emulator itself: guests on L1's first CPU while the second does nothing but load x87 state, which in a QEMU that is not mended spoils
# the first CPU's SVM flags (tests/lab/README.md, "The emulator"): there L1 itself stops within seconds.
# lab: timeout=240
# shellcheck shell=bash
source "$LAB/lib.sh"
lab_need_cxvm emulator
taskset -c 1 x87-load &
load=$!
# shellcheck disable=SC2034
vm_prefix=(taskset -c 0)
for try in 1 2 3; do vm_case "emulator-x87-load-$try" seconds=60 status=0 kernel=cloud-6.12 format=pvh cpus=1 memory=256M "cxvm.modules=off"; done
lab_check emulator-x87-load-ran kill -0 "$load"
kill "$load"

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The example programs with tiny guests. Usage: examples.sh BUILD-DIR
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
build_dir=$1 guests=$1/tests/kvm
if [[ ! -r /dev/kvm || ! -w /dev/kvm ]]; then
    skip "examples" "no usable /dev/kvm"
    finish
fi
expect() { # expect STATUS TEXT COMMAND...
    local status=$1 text=$2 got
    shift 2
    timeout 60 "$@" >"$work/output" 2>&1 </dev/null
    got=$?
    cat "$work/output"
    ((got == status)) && grep -q "$text" "$work/output"
}
check "boot: a guest powers off" expect 0 'powered off' "$build_dir/examples/example-boot" "$guests/guest-end" "" how=4
check "boot: a guest crashes" expect 1 'reason 4' "$build_dir/examples/example-boot" "$guests/guest-end" "" how=1
check "boot: the serial port is standard output" expect 1 'from the interrupt handler' "$build_dir/examples/example-boot" "$guests/guest-serial" "" ""
check "boot: no kernel there" expect 1 'not run: No such file' "$build_dir/examples/example-boot" "$work/nothing"
check "pause: counters stand still and go on" expect 0 'still paused:' "$build_dir/examples/example-pause" "$guests/guest-spin"
check "pause: no kernel there" expect 1 'not run: No such file' "$build_dir/examples/example-pause" "$work/nothing"
finish

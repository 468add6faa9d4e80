# SPDX-License-Identifier: Apache-2.0
# For the shell tests of this folder: each check is one "PASS name", "FAIL name" or "SKIP name: why" line.
# shellcheck shell=bash
set -u
work=$(mktemp -d)
trap '[[ $BASHPID != "$$" ]] || rm -rf "$work"' EXIT
failures=0

# check NAME COMMAND...: passes when the command does; shows its output when not.
check() {
    local name=$1
    shift
    if "$@" >"$work/check.log" 2>&1 </dev/null; then
        echo "PASS $name"
    else
        echo "FAIL $name (status $?): $*"
        sed 's/^/    /' "$work/check.log" | tail -n 30
        failures=$((failures + 1))
    fi
}
skip() { echo "SKIP $1: $2"; }
finish() { exit $((failures > 0)); }

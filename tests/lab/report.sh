# SPDX-License-Identifier: Apache-2.0
# What the report lines of all boots come to. Sourced by tests/lab/run; tests/lab/test-plan looks at it.
# shellcheck shell=bash

# report_count FILE WORD: how many different lines begin with WORD. A test that ran twice, because its machine stopped after it,
# counts once.
report_count() { grep "^$2 " "$1" | sort -u | wc -l || true; }

# report_summary FILE: the last line of a run; status 1 unless something passed or was skipped, and nothing failed
report_summary() {
    local passed failed skipped
    passed=$(report_count "$1" PASS) failed=$(report_count "$1" FAIL) skipped=$(report_count "$1" SKIP)
    printf 'lab: %d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
    ((failed == 0 && passed + skipped > 0))
}

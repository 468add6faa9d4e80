# SPDX-License-Identifier: Apache-2.0
# What the debug kernel knows, besides what it prints into its log; for long/driver-debug-*.sh.
# shellcheck shell=bash
leaks=/sys/kernel/debug/kmemleak

# debug_begin: what is lost already is not the driver's.
debug_begin() {
    source "$LAB/lib.sh"
    lab_check "debug: kmemleak is on" bash -c "echo scan >$leaks && echo clear >$leaks"
}

# debug_lockdep: it has had no complaint, and its tables are not full; else it checks nothing any more. A case that goes on with what the
# kernel itself does wrong (aer_inject takes a spinlock under a raw one) calls this before; else debug_end does.
debug_lockdep() {
    [[ -z ${debug_lockdep_seen-} ]] || return 0
    debug_lockdep_seen=1
    lab_check "debug: lockdep is still awake" grep -qE '^ *debug_locks: *1' /proc/lockdep_stats
}

# debug_end: nothing may be lost of what was allocated since.
debug_end() {
    echo scan >$leaks
    sleep 6 # kmemleak says nothing of objects younger than five seconds
    echo scan >$leaks && echo scan >$leaks
    lab_equal "debug: kmemleak finds nothing" "" "$(head -n 40 $leaks)"
    debug_lockdep
    lab_check "debug: KASAN is in the kernel" bash -c 'zcat /proc/config.gz | grep -qx CONFIG_KASAN=y'
}

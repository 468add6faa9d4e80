#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The command: arguments, where output goes, every exit status, the terminal. Usage: cli.sh BUILD-DIR
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
build_dir=$1 guests=$1/tests/kvm cxvm=$1/vmm/cxvm pty=$1/tests/kvm/api/pty

# status STATUS COMMAND...: the exit status; leaves $work/out and $work/err.
status() {
    local want=$1 got
    shift
    timeout 60 "$@" >"$work/out" 2>"$work/err" </dev/null
    got=$?
    echo "status $got, not $want"; head -n 20 "$work/out" "$work/err"
    ((got == want))
}
out_has() { grep -q -- "$1" "$work/out"; }
err_has() { grep -q -- "$1" "$work/err"; }
out_empty() { [[ ! -s $work/out ]]; }
err_empty() { [[ ! -s $work/err ]]; }
# refused NAME STATUS TEXT ARGUMENTS...: nothing on standard output, TEXT on standard error.
refused() {
    local name=$1 want=$2 text=$3
    shift 3
    check "$name: status $want" status "$want" "$cxvm" "$@"
    check "$name: said on standard error" err_has "$text"
    check "$name: nothing on standard output" out_empty
}
export -f status 2>/dev/null

# --- arguments
check "no argument: status 2" status 2 "$cxvm"
check "no argument: help on standard error" err_has 'Usage:'
check "--help: status 0" status 0 "$cxvm" --help
check "--help: on standard output" out_has 'Usage:'
check "--version: status 0" status 0 "$cxvm" --version
check "--version: a version" out_has '^cxvm [0-9]*\.[0-9]*\.[0-9]*$'
check "run --help: status 0" status 0 "$cxvm" run --help
check "run --help: has examples" out_has '^Examples:'
refused "unknown command" 2 "unknown command 'walk'" walk
refused "unknown option" 2 "no option --teapot" run --teapot
refused "unknown option with a value" 2 "no option --teapot" run --teapot=green
refused "stray argument" 2 "unexpected argument 'vmlinuz'" run vmlinuz
refused "two values for one kernel" 2 "unexpected argument 'b'" run --kernel a b
refused "option without its value" 2 "--kernel needs a value" run --kernel --debug-exit
refused "bad log level" 2 "--log-level takes" run --log-level loud
refused "bad log format" 2 "--log-format takes" run --log-format=xml
refused "bad format" 2 "--format takes" inspect --format png
refused "log file that cannot be opened" 2 "cannot open the log file" run --log-file /nonexistent/log

# --- configuration
refused "unknown key" 3 "unknown key 'colour'" run --disk colour=red
refused "bad value" 3 "use on or off" run --disk path=/x,readonly=maybe
refused "no configuration file" 3 "cannot open the configuration" run --config /nonexistent
: >"$work/empty.json"
refused "empty configuration file" 3 "cannot read the configuration" run --config "$work/empty.json"
echo '{"cpus":{"boot":1},' >"$work/cut.json"
refused "truncated configuration" 3 "line 2" run --config "$work/cut.json"
echo '{"cpus":{"boot":"x"},"moon":{},"disks":[{"path":7,"pth":"/a"}]}' >"$work/bad.json"
refused "configuration with several problems" 3 "moon: there is no such section" run --config "$work/bad.json"
check "configuration with several problems: all are told" test "$(wc -l <"$work/err")" = 3
echo '{"payload":{"kernel":"/nonexistent/kernel"},"memory":{"size":"3M"},"vsock":{"cid":1}}' >"$work/check.json"
check "check: status 3" status 3 "$cxvm" check "$work/check.json"
check "check: problems are the result, on standard output" out_has '^vsock: cid=1'
check "check: counts them" out_has '^[45] problems$'
check "check: nothing on standard error" err_empty

# --- output that cannot be written
full() { # full ARGUMENTS...: status 1 and a message when standard output has no room
    local got
    timeout 60 "$cxvm" "$@" >/dev/full 2>"$work/err" </dev/null
    got=$?
    echo "status $got, not 1"; cat "$work/err"
    ((got == 1)) && grep -q 'cannot write to standard output: No space left on device' "$work/err"
}
check "full output: check" full check "$work/check.json"
check "full output: --help" full --help
check "full output: --version" full --version
check "full output: run --help" full run --help
check "full output: host list --json" full host list --json
check "full output: host check" full host check

# --- JSON log lines
status 3 "$cxvm" run --log-format=json --disk $'path="a\t\\"' --kernel $'/no\x01where\\"' >/dev/null
"$cxvm" run --log-format=json --config "$work/bad.json" 2>"$work/err"
"$cxvm" run --log-format=json --payload $'kernel=/no\twhere\\é' 2>>"$work/err"
"$cxvm" run --log-format=json --payload $'kernel=/no\xff\xc3(\xed\xa0\x80\xf0\x9f\x98\x80where\xe2\x82' 2>>"$work/err"
check "log lines are JSON objects with time, level, object and message" "$build_dir/tests/kvm/api/json-lines" "$work/err" 5
check "log file is appended to: first" status 3 "$cxvm" run --log-file "$work/log" --config "$work/bad.json"
check "log file is appended to: second" status 3 "$cxvm" run --log-file "$work/log" --config "$work/bad.json"
check "log file has the lines of both" test "$(wc -l <"$work/log")" = 6

if [[ ! -r /dev/kvm || ! -w /dev/kvm ]]; then
    skip "command with guests" "no usable /dev/kvm"
    finish
fi
guest() { local name=$1; shift; printf '%s\n' run --kernel "$guests/guest-$name" --memory 64M "$@"; }
ends() { # ends NAME STATUS GUEST ARGUMENTS...
    local name=$1 want=$2 arguments
    shift 2
    mapfile -t arguments < <(guest "$@")
    check "$name: status $want" status "$want" "$cxvm" "${arguments[@]}"
}

# --- exit statuses
ends "power off" 0 end --cmdline how=4
check "power off: silent" err_empty
ends "reboot by the keyboard controller" 32 end --cmdline how=2
ends "reboot by ACPI" 32 end --cmdline how=3
ends "crash" 33 end --cmdline how=1
check "crash: said" err_has 'warn *machine: '
ends "panic" 34 end --cmdline how=5
ends "debug exit 42" 42 exit_code --cmdline 'width=1 code=0x2a' --debug-exit
ends "debug exit 0" 0 exit_code --cmdline 'width=1 code=0' --debug-exit
ends "power off under seccomp" 0 end --cmdline how=4 --seccomp=on
ends "power off without seccomp" 0 end --cmdline how=4 --seccomp=off
ends "serial port on standard output" 13 serial --serial tty --debug-exit
check "serial port on standard output: there" out_has 'from the interrupt handler'
ends "configuration from JSON, refined" 0 end --config <(echo '{"payload":{"cmdline":"how=2"},"cpus":{"boot":2}}') --cmdline how=4
echo '{"payload":{"kernel":"'"$guests"'/guest-end","cmdline":"how=2"},"memory":{"size":"64M"}}' >"$work/vm.json"
check "configuration from a file: status 32" status 32 "$cxvm" run --config "$work/vm.json"
check "configuration from a file, one key changed: status 0" status 0 "$cxvm" run --config "$work/vm.json" --cmdline how=4
check "check: nothing wrong" status 0 "$cxvm" check "$work/vm.json"
check "check: says so" out_has '^0 problems$'
check "--dry-run: status 0" status 0 "$cxvm" run --config "$work/vm.json" --dry-run
check "--dry-run: the map" out_has '64 MiB  RAM'
# 256 buses in the MCFG would cost Linux 16,000 exits for functions that are not there.
check "--dry-run: ECAM of one bus only" out_has ' 1 MiB  trapped  *PCI ECAM'
check "inspect --format json: status 0" status 0 "$cxvm" inspect --config "$work/vm.json" --format json
check "inspect --format json: an object" "$build_dir/tests/kvm/api/json-lines" --whole "$work/out"
check "full output: inspect --format json" full inspect --config "$work/vm.json" --format json
check "inspect --format svg: status 0" status 0 "$cxvm" inspect --config "$work/vm.json" --format svg
check "inspect --format svg: closed" out_has '^</svg>$'
printf 'MZ this is no kernel' >"$work/kernel"
refused "kernel that is none" 4 "$work/kernel" run --kernel "$work/kernel"
head -c 4500 "$guests/guest-end" >"$work/short"
refused "truncated kernel" 4 "$work/short" run --kernel "$work/short"
mkfifo "$work/fifo"
refused "FIFO as kernel" 3 "is not a regular file" run --kernel "$work/fifo"
refused "FIFO as initramfs" 3 "is not a regular file" run --kernel "$guests/guest-end" --initrd "$work/fifo"
refused "kernel that is not there" 3 "/nonexistent" run --kernel /nonexistent
refused "device that is not there" 3 "/nonexistent" run --kernel "$guests/guest-end" --device vfio-user=/nonexistent

# --- signals
signalled() { # signalled SIGNAL WANT ARGUMENTS...
    local signal=$1 want=$2 pid got arguments
    shift 2
    mapfile -t arguments < <(guest spin "$@")
    timeout 60 "$cxvm" "${arguments[@]}" --serial tty >"$work/out" 2>"$work/err" </dev/null &
    pid=$!
    for ((i = 0; i < 1000; i++)); do
        grep -q spinning "$work/out" && break
        sleep 0.02 # a look now and then; the loop is bounded
    done
    kill "-$signal" "$pid"
    wait "$pid"
    got=$?
    echo "status $got, not $want"; cat "$work/err"
    ((got == want))
}
check "SIGINT: status 130" signalled INT 130
check "SIGTERM and a deaf guest: status 143" signalled TERM 143 --power-off-grace-ms 300

# --- standard files that are closed, and files that may not grow
closed() { # closed WANT ARGUMENTS...: with standard input closed
    local want=$1 got
    shift
    timeout 60 "$cxvm" "$@" >"$work/out" 2>"$work/err" <&-
    got=$?
    echo "status $got, not $want"; cat "$work/err"
    ((got == want))
}
mapfile -t arguments < <(guest serial --serial tty --debug-exit)
check "closed standard input: status 13" closed 13 "${arguments[@]}"
check "closed standard input: the output is there" out_has 'from the interrupt handler'
closed_output() { # guest output must not land in a file of ours
    local got
    timeout 60 "$cxvm" "${arguments[@]}" --log-file "$work/log-closed" 2>"$work/err" </dev/null >&-
    got=$?
    echo "status $got, not 13"; cat "$work/err" "$work/log-closed"
    ((got == 13)) && ! grep -q 'from the interrupt handler' "$work/log-closed"
}
check "closed standard output: not in the log file" closed_output
limited() { # a log file that may not grow: its lines are lost, the guest goes on
    local got
    head -c 65536 /dev/zero >"$work/limited"
    (ulimit -f 64; exec timeout 60 "$cxvm" "${arguments[@]}" -v -v --log-file "$work/limited" </dev/null >/dev/null 2>/dev/null)
    got=$?
    echo "status $got, not 13"
    ((got == 13))
}
check "file size limit: no end by SIGXFSZ" limited

# --- the terminal
terminal() { # terminal SIGNAL WANT-RAW WANT-STATUS ARGUMENTS...
    local signal=$1 raw=$2 want=$3 arguments
    shift 3
    mapfile -t arguments < <(guest "$@")
    timeout 60 "$pty" "$signal" "$cxvm" "${arguments[@]}" | tee "$work/out"
    grep -q "^raw=$raw restored=1 status=$want" "$work/out"
}
check "terminal: restored after power off" terminal 0 '[01]' 0 end --cmdline how=4 --serial tty
check "terminal: restored after a crash of the guest" terminal 0 '[01]' 33 end --cmdline how=1 --serial tty
check "terminal: restored when the start fails" terminal 0 '[01]' 3 end --serial tty --disk /nonexistent
check "terminal: restored after SIGINT" terminal 2 1 130 spin --serial tty
check "terminal: restored after SIGTERM" terminal 15 1 143 spin --serial tty --power-off-grace-ms 200
for signal in 1 3 6 11 10 12 14 24 26; do # HUP QUIT ABRT SEGV USR1 USR2 ALRM XCPU VTALRM
    check "terminal: restored after signal $signal" terminal $signal 1 $((128 + signal)) spin --serial tty
done
check "terminal: the console makes it raw too" terminal 2 1 130 spin --console tty
check "terminal: left alone when the guest does not use it" terminal 0 0 0 end --cmdline how=4
finish

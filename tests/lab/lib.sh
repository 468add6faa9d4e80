# SPDX-License-Identifier: Apache-2.0
# Helpers for lab cases; a case starts with: source "$LAB/lib.sh". See tests/lab/README.md.
# shellcheck shell=bash
set -u

lab_pass() { printf 'PASS %s\n' "$1"; }
lab_fail() { printf 'FAIL %s: %s\n' "$1" "${*:2}"; }
lab_skip() { printf 'SKIP %s: %s\n' "$1" "${*:2}"; }
lab_note() { printf 'NOTE %s\n' "$*"; }
# lab_check NAME COMMAND...: passes when the command succeeds.
lab_check() {
    local name=$1
    shift
    if "$@"; then lab_pass "$name"; else lab_fail "$name" "\"$*\" failed"; fi
}
# lab_equal NAME EXPECTED ACTUAL
lab_equal() {
    if [[ $2 == "$3" ]]; then lab_pass "$1"; else lab_fail "$1" "expected '$2', found '$3'"; fi
}
# lab_need_cxvm NAME: skips the whole case when cxvm was not built.
lab_need_cxvm() {
    command -v cxvm >/dev/null && return
    lab_skip "$1" "cxvm was not built"
    exit 0
}
# All time limits, here and below, are stretched by LAB_FACTOR (1 to 3) when the machine is slow.
# lab_until SECONDS COMMAND...: polls until the command succeeds; fails when the time is over.
lab_until() {
    local end=$((${EPOCHREALTIME/./} + $1 * ${LAB_FACTOR:-1} * 1000000))
    shift
    until "$@" >/dev/null 2>&1; do
        ((${EPOCHREALTIME/./} < end)) || return 1
        sleep 0.1
    done
}
# lab_wait_text FILE REGEX SECONDS [PID]: waits for text in a file; gives up early when PID has ended.
lab_wait_text() {
    local end=$((${EPOCHREALTIME/./} + $3 * ${LAB_FACTOR:-1} * 1000000)) alive=1
    while :; do
        [[ -z ${4:-} ]] || kill -0 "$4" 2>/dev/null || alive=0
        grep -aqE -- "$2" "$1" 2>/dev/null && return 0
        ((alive)) || return 1
        ((${EPOCHREALTIME/./} < end)) || return 1
        sleep 0.1
    done
}
# lab_simulate NAME ARGUMENT...: a simulated accelerator of 256 MiB on ./NAME.sock, with its control socket ./NAME.ctl; its pid is in
# lab_simulator[NAME]. lab_stop_simulators: ends all of them. lab_device NAME: cxvm's arguments for it.
declare -A lab_simulator=()
lab_simulate() {
    local name=$1
    shift
    rm -f "$name.sock" "$name.ctl" # of one that was killed
    cxvm-accel-sim --socket "$PWD/$name.sock" --control "$PWD/$name.ctl" --dpa 256M "$@" >"$name.sim" 2>&1 &
    lab_simulator[$name]=$!
    lab_until 5 test -S "$name.sock" || lab_note "the simulator $name did not start: $(tail -n 1 "$name.sim")"
}
lab_stop_simulators() {
    ((${#lab_simulator[@]})) || return 0
    kill "${lab_simulator[@]}" 2>/dev/null
    wait "${lab_simulator[@]}" 2>/dev/null
    lab_simulator=()
}
lab_device() { echo "--device vfio-user=$PWD/$1.sock,id=$1${2:+,$2}"; }
# lab_median: of the numbers on standard input, one a line.
lab_median() { sort -n | awk '{ v[NR] = $1 } END { if (NR) print v[int((NR + 1) / 2)] }'; }
# lab_scratch: mounts the 16 GiB scratch disk at /scratch (fresh at the first call of a boot).
lab_scratch() {
    local block
    mountpoint -q /scratch && return
    for block in /sys/block/vd*; do
        [[ $(<"$block/serial") == scratch ]] || continue
        mkdir -p /scratch
        mke2fs -q -F -O ^has_journal -E lazy_itable_init=1,nodiscard "/dev/${block##*/}" && mount "/dev/${block##*/}" /scratch
        return
    done
    return 1
}
# lab_kernel NAME FORMAT: path of a guest kernel. NAME: cloud-6.1 cloud-6.12 cloud-7 amd64-6.12 amd64-7; FORMAT: bzImage or pvh.
lab_kernel() {
    case $2 in
        bzImage) echo "${LAB_KERNELS:-/lab/kernels}/$1/bzImage" ;;
        pvh) echo "${LAB_KERNELS:-/lab/kernels}/$1/vmlinux" ;;
    esac
}
# lab_initrd NAME [tools]: path of the initrd of a guest kernel; with "tools" it has lspci, cxl, daxctl, strace, ip and iasl too.
lab_initrd() {
    if [[ ${2:-} == tools ]]; then
        local path=${TMPDIR:-/run}/initrd-$1-tools folder=${LAB_INITRDS:-/payload/initrd}
        [[ -f $path ]] || cat "$folder/$1.cpio" "$folder/tools.cpio" >"$path"
        echo "$path"
    else
        echo "${LAB_INITRDS:-/payload/initrd}/$1.cpio"
    fi
}

# --- a guest ---------------------------------------------------------------------------------------------------------------------
# Every guest has a tag; its files are TAG.console (what the guest printed), TAG.log (the VMM's own output).
declare -A vm_pid=() vm_status=() vm_started=()

# vm_start TAG COMMAND...: starts a VMM in the background. The command must send the guest's console to its standard output
# (cxvm: --serial tty) or to TAG.console by itself.
vm_start() {
    local tag=$1
    shift
    printf '%s\n' "$*" >"$tag.command"
    : >"$tag.console"
    "$@" </dev/null >>"$tag.console" 2>"$tag.log" &
    vm_pid[$tag]=$!
    vm_status[$tag]=
    vm_started[$tag]=${EPOCHREALTIME/./}
}
# vm_wait_text TAG REGEX SECONDS
vm_wait_text() { lab_wait_text "$1.console" "$2" "$3" "${vm_pid[$1]}"; }
# vm_wait_exit TAG SECONDS: waits for the end; the status is in vm_status[TAG]. Kills the VMM (status "timeout") when time is over.
vm_wait_exit() {
    local tag=$1 pid=${vm_pid[$1]} end=$((${EPOCHREALTIME/./} + $2 * ${LAB_FACTOR:-1} * 1000000))
    while kill -0 "$pid" 2>/dev/null; do
        if ((${EPOCHREALTIME/./} > end)); then
            kill -KILL "$pid" 2>/dev/null
            wait "$pid" 2>/dev/null
            vm_status[$tag]=timeout
            return 1
        fi
        sleep 0.05
    done
    wait "$pid"
    vm_status[$tag]=$?
}
# vm_retry TAG: whether the guest ended by what an emulator does that is not mended (tests/lab/README.md, "The emulator") and should be started
# once more. Says so as RETRY, which is counted.
vm_retry() {
    [[ -n ${LAB_RETRY:-} ]] || return 1
    [[ ${vm_status[$1]} == @(33|timeout) ]] || grep -q 'KVM internal error 3' "$1.log" || return 1
    printf 'RETRY %s: status %s: %s\n' "$1" "${vm_status[$1]}" "$(tail -n 1 "$1.log" | cut -c1-160)"
    cp "$1.console" "$1.first.console"
}
# vm_kill TAG [SIGNAL]
vm_kill() { kill -"${2:-KILL}" "${vm_pid[$1]}" 2>/dev/null; }

# vm_take NAME WORD: WORD is NAME=VALUE; sets the variable NAME of the caller to VALUE.
vm_take() {
    [[ $2 == "$1="* ]] || { lab_fail "$1=" "the argument '$2' stands where $1= belongs"; return 1; }
    printf -v "$1" '%s' "${2#*=}"
}

# vm_command kernel=K format=F cpus=N memory=SIZE APPEND [ARG...]: fills the array vm_argv with the command that boots a lab guest with
# the VMM LAB_VMM (cxvm, qemu-microvm, qemu-q35). KERNEL as for lab_kernel; MEMORY like 512M; ARGs are added as they are. What the
# array vm_prefix holds stands in front of the command (setpriv ...).
vm_prefix=()
vm_command() {
    local kernel format cpus memory append=$5 initrd
    vm_take kernel "$1" && vm_take format "$2" && vm_take cpus "$3" && vm_take memory "$4" || return
    shift 5
    initrd=$(lab_initrd "$kernel" "${LAB_TOOLS:-}")
    append="console=ttyS0 quiet panic=-1 mitigations=off $append"
    case $LAB_VMM in
        cxvm) vm_argv=("${vm_prefix[@]}" cxvm run --kernel "$(lab_kernel "$kernel" "$format")" --initrd "$initrd" --cmdline "$append"
            --cpus "$cpus" --memory "size=$memory" --serial tty "$@") ;;
        qemu-*)
            vm_argv=(qemu-system-x86_64 -M "${LAB_VMM#qemu-}" -accel kvm -cpu host -smp "$cpus" -m "$memory" -nodefaults
                -display none -no-reboot -serial stdio -kernel "$(lab_kernel "$kernel" "$format")" -initrd "$initrd"
                -append "$append" "$@") ;;
    esac
}

# The kernel's warnings that say nothing about us: expression, tab, reason.
vm_log_allowed=$LAB/guest-log-allowed.txt
# vm_log_bad TAG: prints the kernel warnings and errors of a guest that are not on the list.
vm_log_bad() {
    grep -aoE '^KLOG <[0-4]>.*' "$1.console" | tr -d '\r' | sed -E 's/^KLOG <[0-9]>\[ *[0-9.]+\] *//' |
        grep -vEf <(sed -e '/^#/d' -e '/^$/d' -e 's/\t.*//' "$vm_log_allowed") || true
}

# vm_case NAME seconds=N status=N kernel=K format=F cpus=N memory=SIZE APPEND [ARG...]: boots a guest with the lab's init, waits for its
# end and passes when it reached init, no guest test failed, the VMM's exit status is as expected ("any": not looked at) and the
# guest's kernel log is clean.
vm_case() {
    local name=$1 seconds status try bad why
    vm_take seconds "$2" && vm_take status "$3" || return
    shift 3
    vm_command "$@" || return
    for try in 1 2; do
        vm_start "$name" "${vm_argv[@]}"
        vm_wait_exit "$name" "$seconds"
        ((try == 1)) && [[ ${vm_status[$name]} != "$status" ]] && vm_retry "$name" || break
    done
    vm_seconds=$(awk -v a="${vm_started[$name]}" -v b="${EPOCHREALTIME/./}" 'BEGIN { printf "%.1f", (b - a) / 1e6 }')
    why=
    if [[ ${vm_status[$name]} == timeout ]]; then
        why="no end after $seconds s; last line: $(tail -n 1 "$name.console" | tr -d '\r' | cut -c1-100)"
    elif ! grep -aq '^INIT-REACHED' "$name.console"; then
        why="init was not reached (status ${vm_status[$name]}): $(tail -n 1 "$name.log" | cut -c1-200)"
    elif grep -aq '^TEST-FAIL' "$name.console"; then
        why="$(grep -a -B2 '^TEST-FAIL' "$name.console" | tr -d '\r' | tr '\n' ';' | cut -c1-300)"
    elif [[ $status != any && ${vm_status[$name]} != "$status" ]]; then
        why="exit status ${vm_status[$name]} instead of $status: $(tail -n 1 "$name.log" | cut -c1-200)"
    else
        bad=
        [[ $LAB_VMM != cxvm ]] || bad=$(vm_log_bad "$name")
        [[ -z $bad ]] || why="the guest's kernel says: $(head -n 3 <<<"$bad" | tr '\n' ';' | cut -c1-300)"
    fi
    if [[ -z $why ]]; then lab_pass "$name"; else lab_fail "$name" "$why"; fi
    [[ -z $why ]]
}

# vm_way_case NAME WAY ARG...: a guest that only waits; passes when cxvm has its kernel VFIO devices open by WAY (vfio-group, vfio-cdev).
vm_way_case() {
    local name=$1 expected=$2 way=none files
    shift 2
    vm_command kernel=cloud-6.12 format=pvh cpus=1 memory=256M "cxvm.modules=off cxvm.end=wait" "$@"
    vm_start "$name" "${vm_argv[@]}"
    vm_wait_text "$name" '^INIT-END' 60
    files=$(readlink "/proc/${vm_pid[$name]}/fd"/* 2>/dev/null)
    if grep -q '^/dev/iommu$' <<<"$files"; then way=vfio-cdev
    elif grep -q '^/dev/vfio/vfio$' <<<"$files"; then way=vfio-group; fi
    lab_equal "$name" "$expected" "$way"
    vm_kill "$name"
    vm_wait_exit "$name" 20
}

# SPDX-License-Identifier: Apache-2.0
# Boots of the lab machine; sourced by tests/lab/run, whose variables it uses.
# shellcheck shell=bash disable=SC2154

# --- one boot of the lab machine ---------------------------------------------------------------------------------------------
run_qemu() {
    local root
    root=$(realpath "$set_folder/chroot")/root
    QEMU_MODULE_DIR="$root/usr/lib/x86_64-linux-gnu/qemu" exec "$root/lib64/ld-linux-x86-64.so.2" \
        --library-path "$root/usr/lib/x86_64-linux-gnu" "$set_folder/emulator/qemu-system-x86_64" -L "$root/usr/share/qemu" \
        -L "$root/usr/share/seabios" -L "$root/usr/lib/ipxe/qemu" "$@"
}

# start_simulators NEEDS: one cxvm-accel-sim per accel-sim line; fills simulator_devices.
start_simulators() {
    local line socket number=0 pid tries bus
    local -a arguments
    simulator_devices=()
    while read -r line; do
        socket=$work/accel$number.sock
        line=${line//@RAM@/$ram_file}
        line=${line//@RUN@/$work}
        read -ra arguments <<<"$line"
        bus=pcie.0
        if [[ ${arguments[0]} == bus=* ]]; then
            bus=${arguments[0]#bus=}
            arguments=("${arguments[@]:1}")
        fi
        [[ -x $work/payload/bin/cxvm-accel-sim ]] || return 1
        "$work/payload/bin/cxvm-accel-sim" --socket "$socket" "${arguments[@]}" >"$logs/accel-sim$number.log" 2>&1 6>&- 7>&- &
        pid=$!
        children+=("$pid")
        tries=0
        until [[ -S $socket ]]; do
            kill -0 "$pid" 2>/dev/null || return 1
            ((++tries > 100)) && return 1
            sleep 0.05
        done
        simulator_devices+=(-device "{\"driver\":\"vfio-user-pci\",\"id\":\"accel$number\",\"bus\":\"$bus\",\"socket\":{\"type\":\"unix\",\"path\":\"$socket\"}}")
        number=$((number + 1))
    done < <(need "$1" accel-sim)
}

# boot NEEDS LIMIT CASE...: boots once for these cases; appends the report lines to $work/lines.
boot() {
    local needs=$1 limit=$2 kernel image initrd memory cpus machine append line pid mode=cases
    shift 2
    local -a command extra=()
    kernel=$(need "$needs" kernel) memory=$(need "$needs" memory) cpus=$(need "$needs" cpus)
    machine=$(need "$needs" machine) append=$(need "$needs" append | tr '\n' ' ')
    kernel=${kernel:-7} memory=${memory:-3G} cpus=${cpus:-2}
    image=$set_folder/kernels/amd64-$kernel/vmlinux initrd=$set_folder/l1initrd/$kernel.cpio
    # A kernel of the lab's own has all drivers in it; any initrd mounts its root.
    [[ ! -d $set_folder/kernel-$kernel ]] || image=$set_folder/kernel-$kernel/bzImage initrd=$set_folder/l1initrd/7.cpio
    [[ -n $shell ]] && mode=shell
    boots=$((boots + 1))
    logs=$logs_folder/boot$boots
    mkdir -p "$logs"
    ram_file=$(mktemp "/dev/shm/cxvm-lab-ram.XXXXXX")
    truncate -s "$memory" "$ram_file"
    while read -r line; do
        line=${line//@RUN@/$work}
        read -ra command <<<"$line"
        extra+=("${command[@]}")
    done < <(need "$needs" qemu)
    # Before the simulators, which map their part of it.
    if ! start_simulators "$needs"; then
        for line in "$@"; do printf 'FAIL %s: cxvm-accel-sim did not start outside; see %s\n' "$line" "$logs" | tee -a "$work/lines"; done
        rm -f "$ram_file"
        return
    fi
    pack_payload "$work/payload.img" "$@"
    ! grep -q '^not mended' "$set_folder/emulator/report" || append+=" lab.retry"
    rm -f "$work/results.img" "$work/scratch.img"
    truncate -s 1G "$work/results.img"
    truncate -s 16G "$work/scratch.img"
    : >"$work/report"
    command=(-M "q35,kernel-irqchip=split,memory-backend=ram${machine:+,$machine}" -accel tcg,thread=multi
        -cpu EPYC-v4,+svm,-hypervisor -smp "$cpus" -m "$memory"
        -object "memory-backend-file,id=ram,size=$memory,mem-path=$ram_file,share=on"
        -nodefaults -display none -no-reboot -monitor none -d cpu_reset -D "$logs/cpu.log"
        -kernel "$image" -initrd "$initrd"
        -append "console=ttyS0 panic=-1 quiet mitigations=off intel_iommu=on cryptomgr.notests no_timer_check lab.mode=$mode lab.vmm=$vmm ${verbose:+lab.verbose} $append"
        -drive "file=$set_folder/rootimg/root.img,format=raw,if=none,id=root,readonly=on,cache=unsafe,file.locking=off"
        -device virtio-blk-pci,drive=root,serial=root,bus=pcie.0
        -drive "file=$work/payload.img,format=raw,if=none,id=payload,readonly=on,cache=unsafe"
        -device virtio-blk-pci,drive=payload,serial=payload,bus=pcie.0
        -drive "file=$work/results.img,format=raw,if=none,id=results,cache=unsafe,discard=unmap"
        -device virtio-blk-pci,drive=results,serial=results,bus=pcie.0
        -drive "file=$work/scratch.img,format=raw,if=none,id=scratch,cache=unsafe,discard=unmap"
        -device virtio-blk-pci,drive=scratch,serial=scratch,bus=pcie.0
        -device virtio-serial-pci,bus=pcie.0 -chardev "file,id=report,path=$work/report"
        -device virtserialport,chardev=report,name=lab.report
        "${extra[@]}" "${simulator_devices[@]}" -device intel-iommu,intremap=on,caching-mode=on)
    if [[ -n $shell ]]; then
        printf 'lab: booting; leave with "exit" or Ctrl-A x\n' >&2
        (run_qemu "${command[@]}" -chardev stdio,id=tty,mux=on,signal=off -serial chardev:tty) || true
        rm -f "$ram_file"
        return
    fi
    # Ahead of compilers that run beside it, where that is allowed: the guests inside have time limits.
    run_qemu "${command[@]}" -serial "file:$logs/console.log" </dev/null >"$logs/qemu.log" 2>&1 6>&- 7>&- &
    pid=$!
    renice -n -3 -p "$pid" >/dev/null 2>&1 || true
    children+=("$pid")
    follow "$pid" "$limit" "$@"
    for line in "${children[@]}"; do kill "$line" 2>/dev/null || true; done
    line=0
    wait "$pid" 2>/dev/null || line=$?
    ((line == 0)) || printf 'qemu ended with status %s\n' "$line" >>"$logs/qemu.log"
    wait "${children[@]}" 2>/dev/null || true
    children=()
    cp "$work/report" "$logs/report"
    rm -rf "$logs/results"
    mkdir -p "$logs/results"
    tar -C "$logs/results" -xf "$work/results.img" 2>/dev/null || true
    rm -f "$ram_file"
}

# follow PID LIMIT CASE...: shows the report while the machine runs; fails what has not ended when it stops or the limit is over.
follow() {
    local pid=$1 limit=$2 line="" part name ended=" " timed_out= deadline tail_pid status try
    shift 2
    deadline=$((SECONDS + limit))
    exec 5< <(exec tail --pid="$pid" -s 0.1 -n +1 -F "$work/report" 2>/dev/null 6>&- 7>&-)
    tail_pid=$!
    while :; do
        if ((SECONDS > deadline)); then
            timed_out=1
            break
        fi
        status=0
        IFS= read -r -t 1 part <&5 || status=$?
        line+=$part
        ((status > 128)) && continue # nothing new, or the first part of a line
        ((status == 0)) || break     # the machine has ended
        case $line in
            "PASS "* | "FAIL "* | "SKIP "* | "RETRY "* | "NOTE "* | "BENCH "*)
                printf '%s\n' "$line" | tee -a "$work/lines"
                ;;
            "CASE-END "*)
                read -r _ name _ <<<"$line"
                ended+="$name "
                [[ -n $exec_command ]] || printf -- '--- %s\n' "${line#CASE-END }"
                ;;
            "LAB-END"*) break ;;
            *) printf '%s\n' "$line" ;;
        esac
        line=
    done
    if [[ -n $timed_out ]]; then kill "$pid" 2>/dev/null || true; fi
    for ((try = 0; try < 100; try++)); do # it powers itself off after LAB-END
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    exec 5<&-
    kill "$tail_pid" 2>/dev/null || true
    unfinished=()
    for name in "$@"; do
        [[ $ended == *" $name "* ]] || unfinished+=("$name")
    done
    ((${#unfinished[@]})) || return 0
    stopped="the lab machine $([[ -n $timed_out ]] && echo "was stopped after $limit s" || echo stopped) before the case ended"
}

# boot_cases NEEDS LIMIT CASE...: boots; when the machine itself stops early (an emulated machine may), what was left gets one more boot.
boot_cases() {
    local needs=$1 limit=$2 name try
    local -a left
    shift 2
    left=("$@")
    for try in 1 2; do
        unfinished=()
        boot "$needs" "$limit" "${left[@]}"
        ((${#unfinished[@]})) || return 0
        left=("${unfinished[@]}")
        for name in "${left[@]}"; do
            if ((try == 1)); then printf 'RETRY %s: %s; see %s\n' "$name" "$stopped" "${logs#"$top"/}" | tee -a "$work/lines"
            else printf 'FAIL %s: %s, twice; see %s\n' "$name" "$stopped" "${logs#"$top"/}" | tee -a "$work/lines"; fi
        done
    done
}

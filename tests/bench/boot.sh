# SPDX-License-Identifier: Apache-2.0
# Process start to the guest's init, and memory beyond guest RAM: cxvm beside QEMU's microvm and q35, the same kernel, initrd and command
# line, one after the other in every round, so that noise of the machine meets all three. Medians.
# lab: timeout=1500
# shellcheck shell=bash
source "$LAB/lib.sh"
lab_need_cxvm bench-boot

rounds=${BENCH_ROUNDS:-9}
kernel=cloud-6.12
append="console=ttyS0 quiet panic=-1 mitigations=off cxvm.modules=off cxvm.end=wait"
initrd=$(lab_initrd $kernel)
common=(-accel kvm -cpu host -smp 1 -m 512M -nodefaults -display none -no-reboot -serial stdio -initrd "$initrd" -append "$append")
declare -A command=(
    [cxvm]="cxvm run --kernel $(lab_kernel $kernel pvh) --initrd $initrd --memory size=512M --serial tty --cmdline"
)

start() { # start VMM: replaces the process
    case $1 in
        cxvm) exec ${command[cxvm]} "$append" ;;
        # Without ACPI: its usual use, quicker than with it, and its serial port has no interrupt with it (QEMU 11.1 and Linux 6.12).
        microvm) exec qemu-system-x86_64 -M microvm,acpi=off,rtc=on,isa-serial=on -kernel "$(lab_kernel $kernel pvh)" "${common[@]}" ;;
        q35) exec qemu-system-x86_64 -M q35 -kernel "$(lab_kernel $kernel bzImage)" "${common[@]}" ;;
    esac
}

# Private memory of a process without its largest mapping (guest RAM), in KiB.
private_memory() {
    awk '/^[0-9a-f]+-[0-9a-f]+ / { if (n++) { if (size > largest) { largest = size; of_largest = private } total += private }; private = 0 }
        /^Size:/ { size = $2 } /^Private_(Clean|Dirty):/ { private += $2 }
        END { if (size > largest) { largest = size; of_largest = private } total += private; print total - of_largest }' "/proc/$1/smaps"
}

# one VMM: prints "microseconds private-KiB"; nothing when it does not get there.
one() {
    local begin=${EPOCHREALTIME/./} line end='' pid
    exec 3< <(start "$1" 2>/dev/null </dev/null)
    pid=$!
    while read -r -t 90 -u 3 line; do
        [[ $line == *INIT-REACHED* ]] || continue
        end=${EPOCHREALTIME/./}
        echo "$((end - begin)) $(private_memory $pid)"
        break
    done
    kill -KILL $pid 2>/dev/null
    exec 3<&-
    wait $pid 2>/dev/null
}

vmms=(cxvm microvm q35)
for ((round = 1; round <= rounds; round++)); do
    for vmm in "${vmms[@]}"; do
        result=$(one "$vmm")
        if [[ -z $result ]]; then
            lab_note "RETRY $vmm round $round: init was not reached"
            result=$(one "$vmm")
        fi
        [[ -n $result ]] || continue
        echo "${result% *}" >>"$vmm.us"
        echo "${result#* }" >>"$vmm.kib"
        lab_note "raw boot $vmm round $round: ${result% *} us, ${result#* } KiB private beyond RAM"
    done
done
for vmm in "${vmms[@]}"; do
    count=$(wc -l <"$vmm.us" 2>/dev/null || echo 0)
    if ((count * 2 < rounds)); then
        lab_fail "bench-boot-$vmm" "only $count of $rounds boots reached init"
        exit 0
    fi
    lab_note "median boot $vmm: $(lab_median <"$vmm.us") us of $count"
done
ours=$(lab_median <cxvm.us)
echo "BENCH boot_vs_qemu_microvm $(awk -v a="$ours" -v b="$(lab_median <microvm.us)" 'BEGIN { printf "%.3f", a / b }')"
echo "BENCH boot_vs_qemu_q35 $(awk -v a="$ours" -v b="$(lab_median <q35.us)" 'BEGIN { printf "%.3f", a / b }')"
echo "BENCH boot_us $ours"
echo "BENCH private_memory_kib $(lab_median <cxvm.kib)"
echo "BENCH private_memory_kib_qemu_microvm $(lab_median <microvm.kib)"
lab_pass bench-boot

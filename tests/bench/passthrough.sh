# SPDX-License-Identifier: Apache-2.0
# Kernel VFIO: process start to the guest's init with one passed-through device, cxvm beside QEMU's q35 in turn; the DMA map of guest RAM by
# page size, from the attach timeline; page faults of touching the accelerator's memory once. Medians.
# lab: timeout=900
# lab: memory=4G
# lab: append=memmap=1G$0x40000000
# lab: accel-sim=--topology C --contract none --dpa 1G --dpa-file @RAM@,offset=1024M --firmware-committed base=0x40000000
# lab: qemu=-drive file=@RUN@/scratch.img,format=raw,if=none,id=nvme0,snapshot=on,file.locking=off -device nvme,drive=nvme0,serial=cxvm,bus=pcie.0
# shellcheck shell=bash
source "$LAB/lib.sh"
source "$LAB/driver-lib.sh"
lab_need_cxvm bench-passthrough
rounds=${BENCH_ROUNDS:-9}
driver_need_module
driver_load
accelerator=$(driver_devices)
nvme=$(lspci -Dn | awk '$2 == "0108:" { print $1; exit }')
cxvm host bind "$accelerator" "$nvme" || { lab_fail bench-passthrough "cannot bind"; exit 0; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.3f", a / b }'; }

for what in faults allocations "resets 20"; do
    # shellcheck disable=SC2086
    driver-uapi-test --device "$accelerator" --topology C --dpa 0x40000000 --name "bench-${what%% *}" $what
done

# The DMA map of 1 GiB: no guest runs for it. Pages are made while they are pinned.
declare -A backing=([4k]=thp=off [thp]=thp=on [hugetlb]=hugepages=on)
pages=/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages
for kind in 4k thp hugetlb; do
    [[ $kind != hugetlb ]] || echo 512 >$pages
    for ((round = 1; round <= rounds; round++)); do
        cxvm inspect --format json --memory "size=1G,${backing[$kind]}" --kernel "$(lab_kernel cloud-6.12 pvh)" \
            --device "path=$nvme,id=disk0" 2>"map.$kind.log" | sed -n 's/.*"dma": *\([0-9]*\).*/\1/p' >>"map.$kind"
    done
    if [[ -s map.$kind ]]; then
        lab_note "raw dma map $kind (ns per GiB): $(tr '\n' ' ' <"map.$kind")"
        echo "BENCH dma_map_ms_per_gib_$kind $(lab_median <"map.$kind" | awk '{ printf "%.1f", $1 / 1e6 }')"
    else
        lab_fail "bench-dma-map-$kind" "$(tail -n 1 "map.$kind.log")"
    fi
done
echo 0 >$pages

kernel=cloud-6.12
append="console=ttyS0 quiet panic=-1 mitigations=off cxvm.modules=off cxvm.end=wait"
initrd=$(lab_initrd $kernel)
start() { # start VMM DEVICE: replaces the process
    case $1 in
        cxvm) exec cxvm run --kernel "$(lab_kernel $kernel pvh)" --initrd "$initrd" --memory size=512M --serial tty --cmdline "$append" \
            --device "path=$2,id=dev0" ;;
        q35) exec qemu-system-x86_64 -M q35 -accel kvm -cpu host -smp 1 -m 512M -nodefaults -display none -no-reboot -serial stdio \
            -kernel "$(lab_kernel $kernel bzImage)" -initrd "$initrd" -append "$append" \
            -device pcie-root-port,id=rp1,chassis=1,slot=1 -device "vfio-pci,host=$2,bus=rp1" ;;
    esac
}
# one VMM DEVICE: prints microseconds; nothing when it does not get there.
one() {
    local begin=${EPOCHREALTIME/./} line pid
    exec 3< <(start "$1" "$2" 2>/dev/null </dev/null)
    pid=$!
    while read -r -t 90 -u 3 line; do
        [[ $line == *INIT-REACHED* ]] || continue
        echo $((${EPOCHREALTIME/./} - begin))
        break
    done
    kill -KILL $pid 2>/dev/null
    exec 3<&-
    wait $pid 2>/dev/null
}
for ((round = 1; round <= rounds; round++)); do
    for vmm in cxvm q35; do
        result=$(one $vmm "$nvme")
        if [[ -z $result ]]; then
            lab_note "RETRY $vmm round $round: init was not reached"
            result=$(one $vmm "$nvme")
        fi
        [[ -n $result ]] || continue
        echo "$result" >>$vmm.us
        lab_note "raw passthrough boot $vmm round $round: $result us"
    done
done
if [[ -s cxvm.us && -s q35.us ]]; then
    ours=$(lab_median <cxvm.us) theirs=$(lab_median <q35.us)
    lab_note "median passthrough boot: cxvm $ours us, q35 $theirs us"
    echo "BENCH passthrough_boot_us $ours"
    echo "BENCH passthrough_boot_vs_qemu $(ratio "$ours" "$theirs")"
    lab_pass bench-passthrough
else
    lab_fail bench-passthrough "no boot reached init"
fi
cxvm host unbind "$accelerator" "$nvme" >/dev/null
driver_unload

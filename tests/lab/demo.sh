# SPDX-License-Identifier: Apache-2.0
# ./dev demo: a simulated CXL Type-2 accelerator, an unmodified Debian guest, and a job of the guest on the accelerator.
# lab: timeout=200
source "$LAB/lib.sh"
lab_need_cxvm demo
kernel=cloud-7

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
say "1. A simulated CXL Type-2 accelerator: a process that speaks vfio-user"
cxvm-accel-sim --socket "$PWD/accel.sock" --dpa 256M >accel.log 2>&1 &
simulator=$!
lab_until 10 test -S "$PWD/accel.sock" || lab_note "it did not start: $(tail -n 1 accel.log)"
echo "   cxvm-accel-sim --socket accel.sock --dpa 256M"

say "2. A microVM with it: Debian's kernel, unmodified"
vm_command kernel=$kernel format=pvh cpus=2 memory=512M "cxvm.report cxvm.test=accel-job,irq=poll,jobs=20,expect=1" --device "vfio-user=$PWD/accel.sock,id=gpu0" --boot-timer
printf '   %s\n' "${vm_argv[*]}"
vm_start demo "${vm_argv[@]}"
if ! vm_wait_text demo '^INIT-END|^INIT-REACHED' 60; then echo "   the guest did not reach its init; its console and cxvm's log are in $PWD"; fi
vm_wait_exit demo 90

report() { tr -d '\r' <demo.console | sed -n "s/^report: $1 *//p"; }
say "3. What the guest sees"
report kernel | cut -c1-90 | sed 's/^/   Linux:    /'
report cpus_online | sed 's/^/   CPUs:     /'
report memory | sed -E 's/^MemTotal: */   memory:   /'
report 'pci ' | sed 's/^/   PCI:      /'
report iomem | grep -E 'CXL|ECAM|System RAM' | sed -E 's/^ */   map:      /'

say "4. A job on the accelerator, from the guest: direct windows, CXL memory, guest RAM"
tr -d '\r' <demo.console | grep -aE '^(accel-job|TEST-)' | sed 's/^/   /'

say "5. Boot timing"
grep -aiE 'boot|timer|port 0x80|init' demo.log | head -n 20 | sed 's/^/   /'
awk -v a="${vm_started[demo]}" -v b="${EPOCHREALTIME/./}" 'BEGIN { printf "   from the start of cxvm to its end: %.1f s\n", (b - a) / 1e6 }'
kill $simulator 2>/dev/null
wait $simulator 2>/dev/null
echo
if [[ ${vm_status[demo]} == 0 ]] && grep -aq '^TEST-PASS accel-job' demo.console; then
    lab_pass "demo: the guest ran its job and powered off"
else
    tail -n 5 demo.log demo.console
    lab_fail demo "status ${vm_status[demo]}; see the output above"
fi

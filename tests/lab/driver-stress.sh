# SPDX-License-Identifier: Apache-2.0
# The host driver under load; sourced by cases/driver-stress*.sh and long/driver-*.sh, which set cycles, resets and kills
# (and dpa, when the device has not 1 GiB of memory).
# shellcheck shell=bash
source "$LAB/lib.sh"
source "$LAB/driver-lib.sh"

driver_need_module
device=$(driver_devices)
test=(driver-uapi-test --device "$device" --topology C --dpa "${dpa:-0x40000000}")

# Clearing 1 GiB a thousand times would be all that is measured; driver-bind has its tests.
driver_load scrub=0
driver_bind "$device"
"${test[@]}" --name driver-faults faults
"${test[@]}" --name driver-resets resets "$resets"
"${test[@]}" --name driver-cycles cycles "$cycles"

# Killed while threads touch the memory, read the regions, reset the device and switch memory decoding, and the host resets it too.
killed=0
for ((i = 0; i < kills; i++)); do
    "${test[@]}" --name driver-hold hold >hold.out 2>&1 &
    pid=$!
    lab_wait_text hold.out holding 20 $pid || break
    # Not earlier: opening needs the device's lock and would be refused with EAGAIN.
    (while :; do echo 1 >"/sys/bus/pci/devices/$device/reset"; done) 2>/dev/null &
    storm=$!
    # A random point of what goes on.
    sleep "0.$((RANDOM % 4))$((RANDOM % 10))"
    kill -KILL $pid
    wait $pid 2>/dev/null
    kill $storm
    wait $storm 2>/dev/null
    killed=$((killed + 1))
done
lab_equal "driver: $kills users killed at random points" "$kills" $killed
lab_equal "driver: the binding's claim is the only one left of them" 1 "$(grep -c cxl-vfio-pci /proc/iomem)"
"${test[@]}" --name driver-after-kill --summary statements

# While a user is there the module cannot be unloaded, and unbinding waits for the user to leave.
"${test[@]}" --name driver-hold hold >hold.out 2>&1 &
pid=$!
lab_wait_text hold.out holding 20 $pid
if rmmod cxl_vfio_pci 2>/dev/null; then lab_fail "driver: the module stays while it is used" "unloaded"; else lab_pass "driver: the module stays while it is used"; fi
driver_unbind "$device" &
unbind=$!
lab_check "driver: unbind asks the user to leave" lab_until 20 bash -c 'dmesg | grep -q "No device request channel registered"'
kill -KILL $pid
lab_check "driver: unbind ends when the user is gone" wait $unbind
driver_unload

# slab_kib: memory of the kernel's objects that cannot be reclaimed
slab_kib() { awk '$1 == "SUnreclaim:" { print $2 }' /proc/meminfo; }

begun=${EPOCHREALTIME/./}
done=0
driver_load scrub=0
driver_bind "$device" && "${test[@]}" --name driver-bind cycles 1 >/dev/null && driver_unbind "$device"
slab=$(slab_kib)
for ((i = 0; i < cycles; i++)); do
    driver_bind "$device" || break
    "${test[@]}" --name driver-bind cycles 1 >/dev/null || break
    driver_unbind "$device" || break
    done=$((done + 1))
done
lab_equal "driver: $cycles times bind, open, close, unbind" "$cycles" $done
lab_note "bind, open, touch, close, unbind: $(((${EPOCHREALTIME/./} - begun) / 1000 / cycles)) ms"
lab_equal "driver: nobody holds the module" 0 "$(</sys/module/cxl_vfio_pci/refcnt)"
driver_unload
# Coarse, for the stock kernels: noise is a few MiB, and a leak of 4 KiB in each of 1,000 cycles is more. The debug kernel keeps freed memory
# for a while, and knows exactly.
grown=$(($(slab_kib) - slab))
lab_note "unreclaimable slab after $cycles cycles: $grown KiB more"
[[ -e /sys/kernel/debug/kmemleak ]] || lab_check "driver: the kernel's memory has not grown by 3 MiB" test "$grown" -lt 3072
lab_equal "driver: nothing is left claimed" 0 "$(grep -c cxl-vfio-pci /proc/iomem)"

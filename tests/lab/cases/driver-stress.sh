# SPDX-License-Identifier: Apache-2.0
# The host driver under load: page faults of touching the whole memory, cycles, resets under access, users killed at random points.
# lab: timeout=300
# lab: memory=4G
# lab: append=memmap=1G$0x40000000
# lab: accel-sim=--topology C --contract none --dpa 1G --dpa-file @RAM@,offset=1024M --firmware-committed base=0x40000000
# shellcheck shell=bash
source "$LAB/lib.sh"
source "$LAB/driver-lib.sh"

driver_need_module
device=$(driver_devices)
test=(driver-uapi-test --device "$device" --topology C --dpa 0x40000000)
# 1,000 cycles are for a run by hand (CYCLES=1000 RESETS=200 tests/lab/run driver-stress would need them in L1: lab.append).
cycles=$(sed -n 's/.*driver\.cycles=\([0-9]*\).*/\1/p' /proc/cmdline)
cycles=${cycles:-50}

driver_load
driver_bind "$device"
"${test[@]}" --name driver-faults faults
"${test[@]}" --name driver-resets resets 200
"${test[@]}" --name driver-cycles cycles "$cycles"

# Killed while threads touch the memory, read the regions, reset the device and switch memory decoding.
killed=0
for ((i = 0; i < 20; i++)); do
    "${test[@]}" --name driver-hold hold >hold.out 2>&1 &
    pid=$!
    lab_wait_text hold.out holding 20 $pid || break
    sleep "0.0$((RANDOM % 10))$((RANDOM % 10))"
    kill -KILL $pid
    wait $pid 2>/dev/null
    killed=$((killed + 1))
done
lab_equal "driver: 20 users killed at random points" 20 $killed
lab_equal "driver: no claim is left of them" 0 "$(grep -c cxl-vfio-pci /proc/iomem)"
"${test[@]}" --name driver-after-kill --summary statements

# unbind while open waits for the user, who is asked to leave (no request eventfd: the log says so) and is killed here
"${test[@]}" --name driver-hold hold >hold.out 2>&1 &
pid=$!
lab_wait_text hold.out holding 20 $pid
driver_unbind "$device" &
unbind=$!
lab_until 10 bash -c 'dmesg | grep -q "No device request channel registered"' || lab_fail "driver: unbind asks the user to leave" "nothing in the log"
kill -KILL $pid
lab_check "driver: unbind ends when the user is gone" wait $unbind
driver_unload

begun=${EPOCHREALTIME/./}
done=0
driver_load
for ((i = 0; i < cycles; i++)); do
    driver_bind "$device" || break
    "${test[@]}" --name driver-bind cycles 1 >/dev/null || break
    driver_unbind "$device" || break
    done=$((done + 1))
done
lab_equal "driver: $cycles times bind, open, close, unbind" "$cycles" $done
lab_note "bind, open, touch, close, unbind: $(((${EPOCHREALTIME/./} - begun) / 1000 / cycles)) ms"
driver_unload
lab_equal "driver: nothing is left claimed" 0 "$(grep -c cxl-vfio-pci /proc/iomem)"

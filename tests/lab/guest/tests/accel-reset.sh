# SPDX-License-Identifier: Apache-2.0
# accel-reset function|cxl COUNT [accel-job's arguments]: every accelerator is reset COUNT times while its engine works, by its function level reset or by the CXL
# reset of its DVSEC. The jobs of that moment are lost; the next ones must be right.
kind=$1 count=$2
shift 2

# word FILE OFFSET BYTES: a little-endian number of the device's configuration space, in hexadecimal
word() { od -An -v -t "x$3" -j "$2" -N "$3" "$1" | tr -d ' '; }

# dvsec CONFIG: where the CXL device DVSEC (CXL 8.1.3) is
dvsec() {
    at=256
    while [ "$at" -ge 256 ]; do
        header=$((0x$(word "$1" "$at" 4)))
        if [ $((header & 0xffff)) = 35 ] && [ "$(word "$1" $((at + 4)) 2)$(word "$1" $((at + 8)) 2)" = 1e980000 ]; then
            echo "$at"
            return
        fi
        at=$((header >> 20))
    done
    return 1
}

reset_once() {
    if [ "$kind" = function ]; then
        echo 1 >"/sys/bus/pci/devices/$1/reset"
        return
    fi
    config=/sys/bus/pci/devices/$1/config
    at=$(dvsec "$config") || return 1
    # Control2, Initiate CXL Reset; then Status2: complete, and no error.
    printf '\004\000' | dd of="$config" bs=2 seek=$(((at + 16) / 2)) conv=notrunc 2>/dev/null
    tries=0
    until [ $((0x$(word "$config" $((at + 18)) 2) & 6)) = 2 ]; do
        tries=$((tries + 1))
        [ $tries -lt 50 ] || return 1
        usleep 100000
    done
}

round=0 resets=0 caught=0
while [ $round -lt "$count" ]; do
    for device in $(grep -l 0xcc58 /sys/bus/pci/devices/*/vendor); do
        device=$(basename "$(dirname "$device")")
        accel-job irq=auto jobs=1000000 "device=$device" "$@" >/tmp/running &
        job=$!
        tries=0
        until grep -q 'jobs of' /tmp/running || [ $tries -ge 100 ]; do
            tries=$((tries + 1))
            usleep 50000
        done
        usleep 200000
        if kill -0 $job 2>/dev/null; then caught=$((caught + 1)); else echo "accel-reset: no jobs to reset:" && cat /tmp/running; fi
        reset_once "$device" || { echo "accel-reset: $kind reset of $device failed" && exit 1; }
        kill -KILL $job 2>/dev/null
        wait $job 2>/dev/null
        resets=$((resets + 1))
        accel-job irq=auto jobs=30 "device=$device" "$@" || exit 1
    done
    round=$((round + 1))
done
echo "accel-reset: $resets resets ($kind), $caught of them while jobs ran"
[ $resets -gt 0 ] && [ $caught = $resets ]

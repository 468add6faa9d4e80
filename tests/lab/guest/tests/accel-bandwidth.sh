#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# membench on the first simulated accelerator: its component BAR behind the component block, and its CXL memory.
for device in /sys/bus/pci/devices/*; do
    [ "$(cat "$device/vendor")" = 0xcc58 ] || continue
    echo 1 >"$device/enable" 2>/dev/null
    # The largest BAR is the component BAR; 16 MiB into it is plain window in every topology with a 64 MiB BAR.
    bar=$(ls -S "$device" | grep -m1 '^resource[0-5]$')
    size=$(wc -c <"$device/$bar" 2>/dev/null || stat -c %s "$device/$bar")
    window=$(grep -i 'CXL Window 0' /proc/iomem | sed 's/^ *\([0-9a-f]*\)-.*/0x\1/')
    echo "accel-bandwidth: $bar of $size bytes, CXL window ${window:--}"
    membench "$device/$bar" $((16 * 1024 * 1024 + 1024 * 1024)) "${window:-${CXL_ADDRESS:-0x100000000}}"
    exit
done
echo "no accelerator"
exit 1

#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# What the guest's kernel made of the CXL topology; for people and for the checks of the lab cases.
lspci -vvv 2>/dev/null | sed 's/^/lspci: /'
for device in /sys/bus/cxl/devices/*; do
    [ -e "$device" ] || continue
    echo "cxl: ${device##*/} $(readlink -f "$device" | sed 's,/sys/devices/,,') driver=$(basename "$(readlink "$device/driver" 2>/dev/null)")"
    for file in start size target_list target_type locked interleave_ways cap_type2 cap_type3 cap_ram mode state resource ram/size; do
        [ -r "$device/$file" ] && echo "cxl: ${device##*/}.$file=$(cat "$device/$file" 2>/dev/null)"
    done
done
grep -i cxl /proc/iomem | sed 's/^/iomem: /'
command -v cxl >/dev/null && cxl list -BEMDPRTu 2>/dev/null | sed 's/^/cxl-list: /'
exit 0

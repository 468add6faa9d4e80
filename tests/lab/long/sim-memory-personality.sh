# SPDX-License-Identifier: Apache-2.0
# The memory expander personality, judged by L1's stock cxl_pci: identify, logs, timestamp, events, media state.
# lab: accel-sim=--class memory --contract none --uncommitted --dpa 512M --serial 0x1234
# shellcheck shell=bash
source "$LAB/lib.sh"

device=$(lspci -Dnd cc58:0002 | awk '{ print $1; exit }')
lab_check sim-memory-is-there test -n "$device"
[[ -n $device ]] || exit 0
dmesg --clear
modprobe cxl_pci
lab_check sim-memory-binds-cxl-pci lab_until 5 test -e "/sys/bus/pci/devices/$device/driver/module"
lab_equal sim-memory-driver cxl_pci "$(basename "$(readlink "/sys/bus/pci/devices/$device/driver")")"
memdev=$(ls "/sys/bus/pci/devices/$device" | grep -m1 '^mem[0-9]')
lab_check sim-memory-has-a-memdev test -n "$memdev"
cxl list -M -i -H -m "$memdev" | tee list.json
lab_equal sim-memory-ram-size 536870912 "$(cat "/sys/bus/cxl/devices/$memdev/ram/size" | xargs printf '%d')"
lab_equal sim-memory-serial 0x1234 "$(cat "/sys/bus/cxl/devices/$memdev/serial")"
lab_equal sim-memory-firmware cxvm-accel-sim "$(cat "/sys/bus/cxl/devices/$memdev/firmware_version" | tr -d '\0')"
lab_check sim-memory-health grep -q '"health"' list.json
dmesg --kernel --level=emerg,alert,crit,err,warn | grep -i cxl |
    grep -v 'CXL port topology not found' >bad.log # L1's root complex has no CXL host bridge here
lab_equal sim-memory-no-warnings "" "$(head -n 3 bad.log)"
dmesg | grep -i cxl
lspci -vvv -s "$device"
echo "$device" >/sys/bus/pci/drivers/cxl_pci/unbind
echo "$device" >/sys/bus/pci/drivers/cxl_pci/bind
lab_equal sim-memory-binds-again cxl_pci "$(basename "$(readlink "/sys/bus/pci/devices/$device/driver")")"

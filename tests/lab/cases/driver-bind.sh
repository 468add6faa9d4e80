# SPDX-License-Identifier: Apache-2.0
# Devices that the host driver must not bind, or binds as ordinary PCI devices, and claims that are taken.
# lab: timeout=120
# lab: memory=4G
# lab: append=memmap=1G$0x40000000
# lab: accel-sim=--contract none --dpa 256M --uncommitted
# lab: accel-sim=--contract none --dpa 256M --dpa-file @RAM@,offset=512M --firmware-committed base=0x20000000
# lab: accel-sim=--contract none --dpa 256M --dpa-file @RAM@,offset=1024M --firmware-committed base=0x40000000 --cache-capable
# lab: accel-sim=--contract none --dpa 256M --dpa-file @RAM@,offset=1024M --firmware-committed base=0x40000000 --config-lock
# lab: accel-sim=--contract none --class memory --dpa 256M --dpa-file @RAM@,offset=1536M --firmware-committed base=0x60000000
# lab: accel-sim=--contract none --dpa 256M --broken block-outside
# lab: accel-sim=--contract none --dpa 256M --broken hdm-count
# lab: qemu=-device pcie-root-port,id=rp0,bus=pcie.0,chassis=1,slot=1,x-speed=5
# lab: accel-sim=bus=rp0 --contract none --dpa 256M --topology B --dpa-file @RAM@,offset=1792M --firmware-committed base=0x70000000
# shellcheck shell=bash
source "$LAB/lib.sh"
source "$LAB/driver-lib.sh"

driver_need_module
mapfile -t devices < <(driver_devices)
lab_equal "bind: eight devices" 8 "${#devices[@]}"

# refused NAME BDF TEXT: not bound, and the log says TEXT once.
refused() {
    dmesg --clear
    if driver_bind "$2"; then
        lab_fail "bind: $1" "it was bound"
        driver_unbind "$2"
        return
    fi
    lab_equal "bind: $1" 1 "$(dmesg | grep -c "cxl-vfio-pci $2: .*$3")"
}

driver_load
refused "nothing committed" "${devices[0]}" "firmware committed no memory in HDM decoder 0"
refused "system RAM" "${devices[1]}" "is system RAM or in use by another driver"
refused "a component block behind the end of its BAR" "${devices[5]}" "does not fit in BAR"
refused "a decoder count that is reserved" "${devices[6]}" "no valid HDM decoder capability"

# Two devices over one range: it is claimed as long as the first is bound, also while nobody has it open: what resets and unbinds
# it would turn decoding off under whoever had taken the range meanwhile.
lab_check "bind: a cache-capable device binds" driver_bind "${devices[2]}"
lab_equal "bind: the range is claimed while nobody has it open" 1 "$(grep -c '40000000-4fffffff : cxl-vfio-pci' /proc/iomem)"
refused "a range that is in use" "${devices[3]}" "is system RAM or in use by another driver"
driver-uapi-test --device "${devices[2]}" --topology A --dpa 0x10000000 --name bind hold >hold.out 2>&1 &
pid=$!
lab_wait_text hold.out holding 20 $pid
lab_equal "bind: the range is claimed while open" 1 "$(grep -c '40000000-4fffffff : cxl-vfio-pci' /proc/iomem)"
refused "a range that somebody has open" "${devices[3]}" "is system RAM or in use by another driver"
kill -KILL $pid
wait $pid 2>/dev/null
driver_unbind "${devices[2]}"
lab_equal "bind: the claim ends with the binding" 0 "$(grep -c cxl-vfio-pci /proc/iomem)"
lab_check "bind: a device with CONFIG_LOCK binds" driver_bind "${devices[3]}"
driver-uapi-test --device "${devices[3]}" --name bind-locked --topology A --dpa 0x10000000 cycles 3
driver_unbind "${devices[3]}"
lab_check "bind: the first one binds again" driver_bind "${devices[2]}"
driver-uapi-test --device "${devices[2]}" --name bind-cache --topology A --dpa 0x10000000 cache

# A memory expander is an ordinary PCI device, unless the parameter says otherwise.
lab_check "bind: a memory expander binds" driver_bind "${devices[4]}"
driver-uapi-test --device "${devices[4]}" --name bind-expander disabled
driver_unload
driver_load allow_memory_class=1
driver_bind "${devices[4]}"
driver-uapi-test --device "${devices[4]}" --name bind-expander-allowed cycles 2

# What one user leaves the next does not find: over close, SIGKILL, unbind; nor what the host left before the first.
tenant=(driver-uapi-test --device "${devices[2]}" --topology A --dpa 0x10000000)
scrubs() { dmesg | grep -c "cxl-vfio-pci ${devices[2]}: cleared 256 MiB"; }
hold_pattern() {
    "${tenant[@]}" --name bind-pattern pattern >pattern.out 2>&1 &
    pid=$!
    lab_wait_text pattern.out holding 60 $pid
}
dmesg --clear
driver_bind "${devices[2]}"
"${tenant[@]}" --name bind-scrub scrub | tee scrub.out
driver_wait_clear "${devices[2]}"
lab_equal "bind: the memory is clean in the end" clean "$(driver_state "${devices[2]}")"
lab_equal "bind: progress is whole" "268435456 268435456" "$(cat "/sys/bus/pci/devices/${devices[2]}/cxl_vfio/scrub_progress")"
lab_equal "bind: cleared at bind and after each of two users" 3 "$(scrubs)"
hold_pattern
lab_equal "bind: a device in use says so" used "$(driver_state "${devices[2]}")"
kill -KILL $pid
wait $pid 2>/dev/null
"${tenant[@]}" --name bind-after-kill zero
hold_pattern
driver_unbind "${devices[2]}" &
unbind=$!
lab_check "bind: unbind asks the user to leave" lab_until 20 bash -c 'dmesg | grep -q "No device request channel registered"'
kill -KILL $pid
wait $pid 2>/dev/null
lab_check "bind: unbind ends when the user is gone" wait $unbind
driver_bind "${devices[2]}"
"${tenant[@]}" --name bind-after-unbind zero
lab_note "scrub against memset of a mapping: $(dmesg | grep "${devices[2]}: cleared" | tail -n 1 | grep -o 'in [0-9]* ms'), memset $(grep -o 'MEMSET.*' scrub.out)"

printf 'BENCH scrub_vs_memset %s\n' "$(dmesg | sed -n "s/.*${devices[2]}: cleared .* in \\([0-9]*\\) ms.*/\\1/p" | sort -n | head -n 1 |
    awk -v memset="$(grep -o 'MEMSET [0-9]*' scrub.out | cut -d' ' -f2)" '{ printf "%.2f", memset / 1000 / $1 }')"

# Turned off for one device, for whoever needs no such thing.
driver_wait_clear "${devices[2]}"
echo 0 >"/sys/bus/pci/devices/${devices[2]}/cxl_vfio/scrub"
before=$(scrubs)
"${tenant[@]}" --name bind-scrub-off cycles 2
lab_equal "bind: a device whose clearing is off says so" off "$(driver_state "${devices[2]}")"
lab_equal "bind: and is not cleared" "$before" "$(scrubs)"
echo 1 >"/sys/bus/pci/devices/${devices[2]}/cxl_vfio/scrub"
"${tenant[@]}" --name bind-scrub-on zero
lab_equal "bind: turned on again, it is cleared before anybody gets it" $((before + 1)) "$(scrubs)"

# Behind a root port: hot reset.
driver_bind "${devices[7]}"
driver-uapi-test --device "${devices[7]}" --name bind-root-port --topology B --dpa 0x10000000 --summary statements | tee root-port.out
lab_check "bind: hot reset was tried" grep -q 's41n the mapping after the hot reset' root-port.out
# And PCIe errors, which the port reports: recovered by the kernel and the driver while a user has the device.
if declare -F debug_lockdep >/dev/null; then debug_lockdep; fi
modprobe aer_inject
driver-uapi-test --device "${devices[7]}" --name bind-errors --topology B --dpa 0x10000000 errors
lab_equal "bind: the kernel saw both errors recovered" 2 "$(dmesg | grep -c 'device recovery successful')"
driver_unload

# As it is loaded by users: the memory is for mapping, the kernel itself does not load from it on somebody's behalf.
insmod "$driver_module"
driver_bind "${devices[2]}"
driver-uapi-test --device "${devices[2]}" --name bind-mapping-only --topology A --dpa 0x10000000 mapping-only
driver_unload
driver_load layout=4
refused "an unknown layout" "${devices[2]}" "layout=4 is neither 2 nor 3"
driver_unload

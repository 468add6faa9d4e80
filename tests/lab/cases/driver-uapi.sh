# SPDX-License-Identifier: Apache-2.0
# The host driver's user interface, on a stock kernel: contract §8 for topologies A, B, C and D and both layouts.
# lab: timeout=240
# lab: memory=4G
# lab: append=memmap=1G$0x40000000
# lab: accel-sim=--topology A --contract none --dpa 256M --dpa-file @RAM@,offset=1024M --firmware-committed base=0x40000000
# lab: accel-sim=--topology B --decoders 4 --contract none --dpa 256M --dpa-file @RAM@,offset=1280M --firmware-committed base=0x50000000
# lab: accel-sim=--topology C --contract none --dpa 256M --dpa-file @RAM@,offset=1536M --firmware-committed base=0x60000000
# lab: accel-sim=--topology D --decoders 10 --contract none --dpa 256M --dpa-file @RAM@,offset=1792M --firmware-committed base=0x70000000
# shellcheck shell=bash
source "$LAB/lib.sh"
source "$LAB/driver-lib.sh"

driver_need_module
devices=($(driver_devices))
lab_equal "driver: four devices" 4 "${#devices[@]}"
topologies=(A B C D)

for layout in 2 3; do
    driver_load layout=$layout
    for i in "${!devices[@]}"; do
        driver_bind "${devices[i]}" || { lab_fail "driver: layout $layout topology ${topologies[i]} binds" "$(dmesg | tail -n 1)"; continue; }
        driver-uapi-test --device "${devices[i]}" --layout "$layout" --topology "${topologies[i]}" --dpa 0x10000000 \
            --name "driver-v$layout-${topologies[i]}" --summary statements
    done
    # (KASAN and kmemleak allocate by themselves.)
    [[ -e /sys/kernel/debug/kmemleak ]] ||
        driver-uapi-test --device "${devices[2]}" --layout "$layout" --topology C --dpa 0x10000000 --name "driver-v$layout-allocations" allocations
    lab_equal "driver: layout $layout claims each range once, open or not" 4 "$(grep -c cxl-vfio-pci /proc/iomem)"
    driver_unload
    lab_equal "driver: layout $layout leaves no claim" 0 "$(grep -c cxl-vfio-pci /proc/iomem)"
done

driver_load disable_cxl=1
driver_bind "${devices[2]}"
driver-uapi-test --device "${devices[2]}" --name driver-disabled disabled
driver_unload
driver_load "disable_cxl_devices=0000:ff:1f.7,${devices[1]}"
driver_bind "${devices[1]}"
driver-uapi-test --device "${devices[1]}" --name driver-disabled-device disabled
driver_bind "${devices[0]}"
lab_check "driver: another device keeps CXL" driver-uapi-test --device "${devices[0]}" --name driver-not-disabled --topology A --dpa 0x10000000 cycles 1
driver_unload

# Behind the driver's back: a CXL reset by the host takes the decoder away. The next open starts closed; with clearing on there is none.
driver_load scrub=0
driver_bind "${devices[1]}"
driver-uapi-test --device "${devices[1]}" --name driver-lost --topology B --dpa 0x10000000 lost
dmesg --clear
echo 1 >"/sys/bus/pci/devices/${devices[1]}/cxl_vfio/scrub"
driver_wait_clear "${devices[1]}"
lab_equal "driver: memory that does not decode cannot be cleared" failed "$(driver_state "${devices[1]}")"
driver-uapi-test --device "${devices[1]}" --name driver-not-cleared refused
lab_equal "driver: and one line says why it is not opened" 1 "$(dmesg | grep -c 'not opened: its CXL memory could not be cleared')"
driver_unbind "${devices[1]}"
dmesg --clear
driver_bind "${devices[1]}" && lab_fail "driver: a device without committed memory is refused" "it was bound"
lab_equal "driver: a device without committed memory is refused, in one line" 1 \
    "$(dmesg | grep -c 'firmware committed no memory in HDM decoder 0')"
driver_unload
lab_equal "driver: nothing is left claimed" 0 "$(grep -c cxl-vfio-pci /proc/iomem)"

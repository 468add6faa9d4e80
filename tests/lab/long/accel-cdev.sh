# SPDX-License-Identifier: Apache-2.0
# The same as accel-driver, by character device and iommufd; besides: the driver's user interface by that way, open descriptors handed in to a
# cxvm without privilege, device windows in the DMA map by dma-buf.
# lab: kernel=iommufd
# lab: timeout=1200
# lab: memory=4G
# lab: append=memmap=512M$0x60000000
# lab: accel-sim=--topology C --contract none --dpa 256M --dpa-file @RAM@,offset=0x60000000 --firmware-committed base=0x60000000
# lab: accel-sim=--topology B --contract none --dpa 256M --dpa-file @RAM@,offset=0x70000000 --firmware-committed base=0x70000000
# shellcheck shell=bash disable=SC2034
prefix=accel-cdev way=vfio-cdev
source "$LAB/accel-driver.sh"

# cdev_of BDF: the device's own file
cdev_of() { echo /dev/vfio/devices/"$(ls "/sys/bus/pci/devices/$1/vfio-dev")"; }

# Open descriptors, and nobody's rights: only /dev/kvm can be opened.
chmod 666 /dev/kvm
mkdir -p given && chmod 777 given
vm_command kernel=amd64-7 format=bzImage cpus=2 memory=512M "cxvm.test=accel-jobs,jobs=200,expect=2" --device "fd=8,iommufd=10,id=gpu0" --device "fd=9,iommufd=11,id=gpu1"
exec 8<>"$(cdev_of "${accelerators[0]}")" 9<>"$(cdev_of "${accelerators[1]}")" 10<>/dev/iommu 11<>/dev/iommu
vm_start accel-given setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all --bounding-set=-all "${vm_argv[@]}"
exec 8>&- 9>&- 10>&- 11>&-
vm_wait_exit accel-given 120
lab_equal accel-given-status 0 "${vm_status[accel-given]}"
lab_check accel-given-jobs grep -aq 'TEST-PASS accel-jobs' accel-given.console
lab_equal accel-given-guest-log "" "$(vm_log_bad accel-given)"
cat accel-given.log

# p2p: register windows by dma-buf and IOMMU_IOAS_MAP_FILE, as often as the guest moves or enables its BARs. Device memory cannot be exported: the core
# exports BARs only, and iommufd takes buffers of the core only.
vm_command kernel=amd64-7 format=bzImage cpus=2 memory=512M "cxvm.test=accel-reset,cxl,1 cxvm.test=accel-reset,function,1 cxvm.test=accel-jobs,jobs=50,expect=1" \
    --device "path=${accelerators[0]},id=gpu0,p2p=on"
vm_start accel-p2p strace -f -e trace=ioctl -o accel-p2p.trace "${vm_argv[@]}"
vm_wait_exit accel-p2p 240
lab_equal accel-p2p-status 0 "${vm_status[accel-p2p]}"
lab_equal accel-p2p-all-passed "" "$(grep -a '^TEST-FAIL' accel-p2p.console)"
cat accel-p2p.log
map_file='0x3b, 0x8f|IOMMU_IOAS_MAP_FILE'
lab_note "IOMMU_IOAS_MAP_FILE: $(grep -E "$map_file" accel-p2p.trace | grep -c ' = 0$') taken, $(grep -E "$map_file" accel-p2p.trace | grep -vc ' = 0$') refused"
lab_check accel-p2p-windows-are-mapped grep -qE "($map_file).* = 0\$" accel-p2p.trace
lab_equal accel-p2p-no-window-refused 0 "$(grep -c 'window at .* is not in the device' accel-p2p.log)"
lab_check accel-p2p-device-memory-is-not grep -q 'device memory at .* is not in the device' accel-p2p.log
accelerators_unbind

for layout in 2 3; do
    driver_load layout=$layout
    for i in 0 1; do
        driver_bind "${accelerators[i]}"
        topologies=(C B)
        driver-uapi-test --cdev --device "${accelerators[i]}" --layout $layout --topology "${topologies[i]}" --dpa 0x10000000 \
            --name "cdev-v$layout-${topologies[i]}" --summary statements
        driver-uapi-test --cdev --device "${accelerators[i]}" --layout $layout --topology "${topologies[i]}" --dpa 0x10000000 \
            --name "cdev-v$layout-${topologies[i]}-dma" --summary dma
    done
    driver-uapi-test --cdev --device "${accelerators[0]}" --layout $layout --topology C --dpa 0x10000000 --name "cdev-v$layout" resets 20
    driver-uapi-test --cdev --device "${accelerators[0]}" --layout $layout --topology C --dpa 0x10000000 --name "cdev-v$layout" cycles 20
    driver_unload
done
lab_equal cdev-no-claim 0 "$(grep -c cxl-vfio-pci /proc/iomem)"

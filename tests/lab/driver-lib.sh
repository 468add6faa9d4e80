# SPDX-License-Identifier: Apache-2.0
# Helpers of the host driver's lab cases; source after lib.sh.
# shellcheck shell=bash

driver_module=/payload/modules/$(uname -r)/cxl-vfio-pci.ko
PATH=/payload/tests/bin:$PATH

driver_need_module() {
    if [[ ! -f $driver_module ]]; then
        lab_skip driver "cxl-vfio-pci was not built for $(uname -r)"
        exit 0
    fi
    modprobe -a vfio_pci vfio_iommu_type1
}
# driver_devices: addresses of the simulated accelerators, in the order of the case's header.
driver_devices() { lspci -Dn -d cc58: | cut -d' ' -f1; }
# driver_load [PARAMETER...]: with read and write of the memory region, which the statements look at
driver_load() { insmod "$driver_module" region_rw=1 "$@"; }
driver_unload() { rmmod cxl_vfio_pci; }
# driver_bind BDF: true when the device is bound afterwards. Where the kernel has its CXL drivers built in, one may have it.
driver_bind() {
    [[ ! -e /sys/bus/pci/devices/$1/driver ]] || driver_unbind "$1"
    echo cxl-vfio-pci >"/sys/bus/pci/devices/$1/driver_override"
    echo "$1" >/sys/bus/pci/drivers_probe 2>/dev/null
    [[ $(basename "$(readlink "/sys/bus/pci/devices/$1/driver")") == cxl-vfio-pci ]]
}
# driver_state BDF: of its memory: needed, running, clean, used, failed, off; nothing for an ordinary PCI device
driver_state() { cat "/sys/bus/pci/devices/$1/cxl_vfio/scrub_state" 2>/dev/null || true; }
driver_is_settled() { [[ $(driver_state "$1") != needed && $(driver_state "$1") != running ]]; }
# driver_wait_clear BDF: until the memory has been cleared, or cannot be
driver_wait_clear() { lab_until 60 driver_is_settled "$1"; }
driver_unbind() { echo "$1" >"/sys/bus/pci/devices/$1/driver/unbind"; }

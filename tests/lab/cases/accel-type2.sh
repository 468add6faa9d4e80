# SPDX-License-Identifier: Apache-2.0
# The Type-2 accelerator over vfio-user in unmodified guests: topology as Linux sees it, 1,000 checked jobs with MSI-X over direct windows,
# CXL memory and guest RAM; every component block position and contract, four devices at once.
# lab: timeout=600
# lab: memory=4G
# shellcheck shell=bash
source "$LAB/lib.sh"
lab_need_cxvm accel-type2

# What lspci -vvv must make of the root port's and of the accelerator's DVSECs; nothing of them is unknown to it.
decoded=(
    'CXL Extensions DVSEC for Ports' 'GPF DVSEC for CXL Ports' 'PCIe DVSEC for CXL Devices' 'GPF DVSEC for CXL Devices'
    'PCIe DVSEC for Flex Bus Port' 'Register Locator DVSEC' 'Block1: BIR: bar0, ID: component registers, offset: 0000000000000000'
    'Block1: BIR: bar4, ID: component registers, offset: 0000000001000000' 'CXLCap:.*Mem\+' 'Valid\+ Active\+ Type=Volatile'
)
missing() { # missing CONSOLE: patterns that are not there
    local pattern
    for pattern in "${decoded[@]}"; do
        grep -aqE "^lspci:.*$pattern" "$1" || printf '%s; ' "$pattern"
    done
    [[ $(grep -acE '^lspci:.*Vendor=1e98 ID=000[034578]' "$1") == 8 ]] || printf 'eight DVSECs; '
    grep -aE '^lspci:.*Vendor=1e98' "$1" | grep -av ': CXL' # CR and all
}

for kernel in amd64-6.12 amd64-7; do
    lab_simulate gpu0 --topology C --contract v2
    # shellcheck disable=SC2046
    LAB_TOOLS=tools vm_case "accel-jobs-$kernel" seconds=90 status=0 kernel="$kernel" format=pvh cpus=2 memory=768M \
        "cxvm.test=cxl-show cxvm.test=accel-jobs,jobs=1000,expect=1" $(lab_device gpu0)
    console=accel-jobs-$kernel.console
    lab_check "accel-msix-$kernel" grep -aq 'irq=uio' "$console"
    lab_check "accel-root-decoder-$kernel" grep -aqE 'cxl: decoder0.0.size=0x10000000' "$console"
    lab_check "accel-target-$kernel" grep -aqE 'cxl: decoder0.0.target_list=1.?$' "$console"
    lab_equal "accel-lspci-$kernel" "" "$(missing "$console")"
    range=$(sed -nE 's/^lspci:.*Range1: 0*([0-9a-f]+)-0*([0-9a-f]+) .*/\1-\2/p' "$console")
    lab_check "accel-window-is-the-range-$kernel" grep -aqE "^iomem: ${range:-none} : CXL Window 0" "$console"
    lab_stop_simulators
done

lab_simulate gpu0 --topology A --contract v2
lab_simulate gpu1 --topology B --contract v3
lab_simulate gpu2 --topology C --contract regions
lab_simulate gpu3 --topology D --contract v2
# shellcheck disable=SC2046
vm_case accel-topologies-and-contracts seconds=120 status=0 kernel=cloud-6.12 format=pvh cpus=2 memory=512M \
    "cxvm.modules=off cxvm.test=accel-job,irq=poll,jobs=100,expect=4" $(lab_device gpu0) $(lab_device gpu1) $(lab_device gpu2) $(lab_device gpu3)
lab_stop_simulators


# SPDX-License-Identifier: Apache-2.0
# Two accelerators under cxl-vfio-pci in one unmodified guest; sourced by long/accel-driver.sh and long/accel-cdev.sh, which set prefix and way (vfio-group or
# vfio-cdev: what cxvm must take), and go on by themselves.
# shellcheck shell=bash
source "$LAB/lib.sh"
source "$LAB/driver-lib.sh"
lab_need_cxvm "$prefix"
driver_need_module
mapfile -t accelerators < <(driver_devices)
lab_equal "$prefix-two-accelerators" 2 "${#accelerators[@]}"
both=(--device "path=${accelerators[0]},id=gpu0" --device "path=${accelerators[1]},id=gpu1")

# accelerators_bind PARAMETER...: the module with these parameters, and both devices
accelerators_bind() {
    local device
    driver_load "$@"
    for device in "${accelerators[@]}"; do lab_check "$prefix-bind-$device" driver_bind "$device"; done
}
accelerators_unbind() {
    local device
    for device in "${accelerators[@]}"; do driver_unbind "$device"; done
    driver_unload
    lab_equal "$prefix-no-claim" 0 "$(grep -c cxl-vfio-pci /proc/iomem)"
}

for layout in 2 3; do
    accelerators_bind "layout=$layout"
    vm_case "$prefix-v$layout" seconds=200 status=0 kernel=amd64-7 format=bzImage cpus=2 memory=768M "cxvm.test=accel-jobs,jobs=1000,expect=2 cxvm.test=irq-kind,cxvm_accel,PCI-MSIX" "${both[@]}"
    lab_check "$prefix-v$layout-msi-x" grep -aq 'interrupts by MSI-X' "$prefix-v$layout.console"
    cat "$prefix-v$layout.log"

    # Resets of both kinds while the engines work. (The guest's kernel names each reset in its log.)
    vm_command kernel=amd64-7 format=bzImage cpus=2 memory=768M "cxvm.test=accel-jobs,jobs=20,expect=2 cxvm.test=accel-reset,function,20 cxvm.test=accel-reset,cxl,20 \
cxvm.test=accel-job,jobs=50,expect=2,irq=uio" "${both[@]}"
    vm_start "$prefix-reset-v$layout" "${vm_argv[@]}"
    vm_wait_exit "$prefix-reset-v$layout" 150
    lab_equal "$prefix-reset-v$layout-status" 0 "${vm_status[$prefix-reset-v$layout]}"
    lab_equal "$prefix-reset-v$layout-passed" 4 "$(grep -ac '^TEST-PASS accel' "$prefix-reset-v$layout.console")"
    lab_equal "$prefix-reset-v$layout-none-failed" 0 "$(grep -c 'reset failed' "$prefix-reset-v$layout.log")"
    lab_note "v$layout: $(grep -a '^accel-reset:' "$prefix-reset-v$layout.console" | tr -d '\r' | tr '\n' ' ')"
    ((layout == 3)) || accelerators_unbind
done
vm_way_case "$prefix-way" "$way" "${both[@]}"

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# cxvm host on a copied sysfs tree: what it prints, as text and JSON, and every exit status. Usage: host.sh BUILD-DIR
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cxvm=$1/vmm/cxvm json_lines=$1/tests/kvm/api/json-lines root=$work/root
pci=$root/sys/bus/pci

# device BDF VENDOR DEVICE CLASS GROUP [DRIVER]
device() {
    local folder=$pci/devices/$1
    mkdir -p "$folder" "$root/sys/kernel/iommu_groups/$5"
    echo "0x$2" >"$folder/vendor"
    echo "0x$3" >"$folder/device"
    echo "0x$4" >"$folder/class"
    echo '(null)' >"$folder/driver_override"
    head -c 256 /dev/zero >"$folder/config"
    ln -s "../../../../kernel/iommu_groups/$5" "$folder/iommu_group"
    [[ -z ${6:-} ]] || { mkdir -p "$pci/drivers/$6" && ln -s "../../drivers/$6" "$folder/driver"; }
}
# cxl_config: 4096 bytes with a CXL device DVSEC (16 GiB) and a Register Locator, as of CXL 8.1.3 and 8.1.9.
cxl_config() {
    local bytes=(0x100:23000114 0x104:981ec003 0x108:00001700 0x10c:04000000 0x118:04000000 0x11c:03000000
        0x140:23000100 0x144:981e4001 0x148:08000000 0x14c:02010100) entry
    head -c 4096 /dev/zero >"$1"
    for entry in "${bytes[@]}"; do
        printf '%b' "$(sed 's/../\\x&/g' <<<"${entry#*:}")" |
            dd of="$1" bs=1 seek=$((${entry%:*})) conv=notrunc status=none
    done
}
mkdir -p "$pci/drivers/vfio-pci" "$root/proc/self" "$root/sys/class/net"
: >"$root/proc/self/mountinfo"
device 0000:17:00.0 cc58 0001 120000 5
cxl_config "$pci/devices/0000:17:00.0/config"
device 0000:18:00.0 10de 2330 030200 6 vfio-pci
device 0000:19:00.0 8086 10d3 020000 7 e1000e
device 0000:00:00.0 8086 29c0 060000 0

status() {
    local want=$1 got
    shift
    timeout 60 "$cxvm" host "$@" --root "$root" >"$work/out" 2>"$work/err" </dev/null
    got=$?
    echo "status $got, not $want"
    head -n 20 "$work/out" "$work/err"
    ((got == want))
}
out_has() { grep -qF -- "$1" "$work/out"; }
out_lacks() { ! out_has "$1"; }
err_has() { grep -qF -- "$1" "$work/err"; }
empty() { [[ ! -s $work/$1 ]]; }
nowhere() { "$cxvm" host list --root="$work/nowhere"; (($? == 3)); }

check "list: status 0" status 0 list
check "list: the accelerator, its group and why it is not usable" out_has \
    '0000:17:00.0 cc58:0001 class 120000, CXL accelerator, driver none, IOMMU group 5: not usable'
check "list: CXL facts" out_has 'CXL: cache, enabled memory 16 GiB in 1 range, component registers in BAR2+0x10000'
check "list: the fix" out_has 'fix: modprobe cxl-vfio-pci'
check "list: a device that is ready" out_has '0000:18:00.0 10de:2330 class 030200, accelerator, driver vfio-pci, IOMMU group 6: ready'
check "list: no network card" out_lacks 0000:19:00.0
check "list --all: status 0" status 0 list --all
check "list --all: the network card" out_has 'driver e1000e, IOMMU group 7: usable after: cxvm host bind 0000:19:00.0'
check "list --all: no bridge" out_lacks 0000:00:00.0
check "list: nothing on standard error" empty err
check "list --json: status 0" status 0 list --json
check "list --json: valid JSON" "$json_lines" --whole "$work/out"
check "list --json: the driver it needs" out_has '"vfio_driver": "cxl-vfio-pci"'
check "list --json: the size" out_has '"size": 17179869184'
check "list --json: the class" out_has '"class": "0x120000"'
mkdir "$pci/drivers/cxl-vfio-pci"
check "list with the driver: status 0" status 0 list
check "list with the driver: usable" out_has 'usable after: cxvm host bind 0000:17:00.0'

scrub=$pci/devices/0000:17:00.0/cxl_vfio
mkdir "$scrub"
for state in "clean:its memory is cleared, for the next user" "used:its memory is in use; it is cleared when it is given back" \
    "needed:its memory is to be cleared before its next user" "off:its memory is not cleared between users (scrub=0)" \
    "failed:could not be cleared after its last user" "running:its memory is being cleared: 3 GiB of 16 GiB"; do
    echo "${state%%:*}" >"$scrub/scrub_state"
    echo 3221225472 17179869184 >"$scrub/scrub_progress"
    check "list: memory, ${state%%:*}: status 0" status 0 list
    check "list: memory, ${state%%:*}" out_has "${state#*:}"
done
check "list --json: memory: status 0" status 0 list --json
check "list --json: memory" out_has '"state": "running"'
rm -r "$scrub"

check "check: status 3 with problems" status 3 check
check "check: KVM" out_has 'kvm        problem'
check "check: the driver" out_has 'cxl-vfio-pci is loaded; 1 CXL accelerator'
check "check --json: status 3" status 3 check --json
check "check --json: valid JSON" "$json_lines" --whole "$work/out"

check "bind: no device: status 3" status 3 bind 0000:99:00.0
check "bind: no device: said on standard error" err_has 'there is no PCI device 0000:99:00.0'
check "bind: no device: nothing on standard output" empty out
check "bind --json: no device: status 3" status 3 bind 0000:99:00.0 --json
check "bind --json: refusals are results" out_has '"outcome": "refused"'
check "bind --json: valid JSON" "$json_lines" --whole "$work/out"
check "bind: already bound: status 0" status 0 bind 0000:18:00.0
check "bind: already bound: said so" out_has 'nothing to do, it has vfio-pci'
check "bind: a driver that is not loaded: status 5" status 5 bind --driver none-vfio 0000:17:00.0
check "bind: a driver that is not loaded: the fix" err_has 'fix: modprobe none-vfio'
rm -f "$pci/devices/0000:19:00.0/iommu_group"
check "bind: no IOMMU group: status 5" status 5 bind 0000:19:00.0
check "unbind: nothing bound: status 0" status 0 unbind 0000:17:00.0
check "no sysfs: status 3" nowhere

check "no verb: status 2" test "$("$cxvm" host 2>/dev/null; echo $?)" = 2
check "unknown verb: status 2" status 2 destroy
check "unknown option: status 2" status 2 list --teapot
check "bind without a device: status 2" status 2 bind
check "list with a device: status 2" status 2 list 0000:17:00.0
check "--driver without bind: status 2" status 2 unbind 0000:17:00.0 --driver vfio-pci
check "--help: status 0" status 0 bind --help
check "--help: on standard output" out_has 'Usage: cxvm host'
finish

# SPDX-License-Identifier: Apache-2.0
# pci-reset DRIVER|ADDRESS COUNT COMMAND ARG...: resets of the device, or of the driver's only one, by sysfs, while a labtool command runs
# (and after it, when it is done sooner).
driver=$1 count=$2
shift 2
device=$driver
[ -e "/sys/bus/pci/devices/$device" ] || device=$(basename "$(ls -d "/sys/bus/pci/drivers/$driver"/0* | head -n 1)")
cat "/sys/bus/pci/devices/$device/reset_method"
labtool "$@" &
job=$!
done=0
while [ $done -lt "$count" ]; do
    echo 1 >"/sys/bus/pci/devices/$device/reset" || exit 1
    done=$((done + 1))
    usleep 200000
done
wait $job || exit 1
echo "pci-reset: $done resets of $device"

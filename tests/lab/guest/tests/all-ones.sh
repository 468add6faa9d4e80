# SPDX-License-Identifier: Apache-2.0
# all-ones DRIVER: every device of this driver is gone: its configuration space reads all-ones. (hexdump, because files of sysfs keep
# what was read when the device was found.)
found=1
for device in "/sys/bus/pci/drivers/$1"/0*; do
    [ -e "$device/config" ] || continue
    found=0
    id=$(hexdump -n 4 -e '"%08x"' "$device/config")
    echo "all-ones: ${device##*/} $id"
    [ "$id" = ffffffff ] || exit 1
done
exit $found

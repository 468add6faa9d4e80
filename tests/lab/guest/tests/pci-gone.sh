# SPDX-License-Identifier: Apache-2.0
# pci-gone ID [ATTRIBUTE]: waits until no PCI function is left whose vendor ("0xcc58"), or other attribute in sysfs, is ID.
n=0
while grep -qi "^$1$" /sys/bus/pci/devices/*/"${2:-vendor}"; do
    n=$((n + 1))
    if [ $n -gt 100 ]; then
        for device in /sys/bus/pci/devices/*; do echo "pci-gone: ${device##*/} $(cat "$device/${2:-vendor}") is still there"; done
        exit 1
    fi
    usleep 100000
done
dmesg | grep -i pciehp | tail -n 4

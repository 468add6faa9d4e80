# SPDX-License-Identifier: Apache-2.0
# irq-kind NAME KIND: some interrupt of NAME (of the driver or interface) has fired, and all that did are of KIND: a part of the
# controller's name in /proc/interrupts (PCI-MSIX, PCI-MSI-, IO-APIC).
grep -E "[ ,]$1" /proc/interrupts >/tmp/irq-lines
cat /tmp/irq-lines
awk -v kind="$2" '{ fired = 0; for (i = 2; $i ~ /^[0-9]+$/; i++) fired += $i
        if (fired) { if (index($0, kind)) good++; else bad++ } }
    END { exit !(good && !bad) }' /tmp/irq-lines

# SPDX-License-Identifier: Apache-2.0
# power-off-on-button: waits for the power key (ACPI button or input device) and then powers off as an operating system would.
labtool power-button || exit 1
sync
poweroff -f

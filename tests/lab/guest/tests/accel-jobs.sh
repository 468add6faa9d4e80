#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# accel-jobs.sh [accel-job's arguments]: the jobs with MSI-X, where the module for user space exists, else polled.
module=/guest-modules/$(uname -r)/cxvm_accel_uio.ko
interrupt=poll
if [ -f "$module" ]; then
    modprobe uio && insmod "$module" && interrupt=uio
fi
echo "accel-jobs: irq=$interrupt"
accel-job "irq=$interrupt" "$@" || exit 1
[ "$interrupt" = poll ] || grep cxvm_accel /proc/interrupts

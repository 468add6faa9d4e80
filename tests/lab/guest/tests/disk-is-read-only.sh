# SPDX-License-Identifier: Apache-2.0
# disk-is-read-only DEV: the kernel says so, and a write fails.
[ "$(cat "/sys/block/${1#/dev/}/ro")" = 1 ] || exit 1
! dd if=/dev/zero of="$1" bs=4096 count=1 conv=fsync 2>/dev/null

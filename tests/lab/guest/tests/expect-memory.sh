# SPDX-License-Identifier: Apache-2.0
# expect-memory MIB: MemTotal is this much, less at most a twentieth and 64 MiB for the kernel itself.
total=$(($(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo) / 1024))
echo "MemTotal $total MiB"
[ "$total" -le "$1" ] && [ "$total" -ge $(($1 * 19 / 20 - 64)) ]

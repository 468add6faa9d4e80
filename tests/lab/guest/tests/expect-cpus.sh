# SPDX-License-Identifier: Apache-2.0
# expect-cpus COUNT: all CPUs are online.
[ "$(grep -c '^processor' /proc/cpuinfo)" = "$1" ] || { grep -c '^processor' /proc/cpuinfo; exit 1; }

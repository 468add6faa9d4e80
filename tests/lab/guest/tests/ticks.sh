# SPDX-License-Identifier: Apache-2.0
# ticks COUNT: prints "TICK n uptime" five times a second, for cases that pause, kill or signal the VMM meanwhile.
n=0
while [ $n -lt "${1:-50}" ]; do
    n=$((n + 1))
    echo "TICK $n $(cut -d' ' -f1 /proc/uptime)"
    usleep 200000
done

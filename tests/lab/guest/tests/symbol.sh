# SPDX-License-Identifier: Apache-2.0
# symbol ADDRESS...: names the kernel functions at these addresses (boot with nokaslr), for a guest that hangs elsewhere.
sort /proc/kallsyms >/tmp/symbols
for address in "$@"; do
    awk -v a="$address" '$1 <= a { found = $0 } $1 > a { exit } END { print "SYMBOL " a " " found }' /tmp/symbols
done

# SPDX-License-Identifier: Apache-2.0
# net-link INTERFACE: waits until it has a carrier.
n=0
while [ "$(cat "/sys/class/net/$1/carrier" 2>/dev/null)" != 1 ]; do
    n=$((n + 1))
    [ $n -lt 300 ] || exit 1
    usleep 100000
done
echo "NET-UP $1"

# SPDX-License-Identifier: Apache-2.0
# The virtio console both ways: writes lines to hvc0 as they are, then answers one line that the host sends.
test -c /dev/hvc0 || exit 1
exec 3<>/dev/hvc0 # before stty: the settings go when the last descriptor is closed
stty raw -echo <&3 || exit 2
i=0
while [ $i -lt 200 ]; do
    echo "hvc line $i" >&3
    i=$((i + 1))
done
echo "hvc ready" >&3
read -r line <&3 || exit 3
echo "hvc got $line" >&3
[ "$line" = "from the host" ]

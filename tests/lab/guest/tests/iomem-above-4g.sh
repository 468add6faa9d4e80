# SPDX-License-Identifier: Apache-2.0
# iomem-above-4g: there is RAM that starts at 4 GiB and RAM that ends below 3 GiB.
grep 'System RAM' /proc/iomem
grep -qE '^100000000-[0-9a-f]+ : System RAM' /proc/iomem && grep -qE '^[0-9a-f]+-bfffffff : System RAM' /proc/iomem

# SPDX-License-Identifier: Apache-2.0
# A 4 GiB guest crosses the hole below 4 GiB: its kernel sees all of it, and memory above and below the hole holds a pattern.
# lab: timeout=120
source "$LAB/lib.sh"
lab_need_cxvm memory
vm_case memory-4g-crosses-the-hole seconds=90 status=0 kernel=cloud-7 format=pvh cpus=2 memory=4G "cxvm.test=expect-memory,4096 cxvm.test=memory,1610612736 cxvm.test=iomem-above-4g"

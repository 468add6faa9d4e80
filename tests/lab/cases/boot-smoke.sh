# SPDX-License-Identifier: Apache-2.0
# One boot of each unmodified Debian kernel, over both image formats and 1, 2 and 4 vCPUs; long/boot-matrix.sh has all combinations.
# lab: timeout=300
source "$LAB/lib.sh"
lab_need_cxvm boot-smoke
boot() { vm_case "boot-$1-$2-$3" seconds=60 status=0 kernel="$1" format="$2" cpus="$3" memory=512M "cxvm.modules=off cxvm.test=expect-cpus,$3 cxvm.test=expect-memory,512"; }
boot cloud-6.1 bzImage 1
boot cloud-6.12 pvh 2
boot cloud-7 bzImage 4

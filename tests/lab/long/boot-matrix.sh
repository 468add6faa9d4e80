# SPDX-License-Identifier: Apache-2.0
# Three unmodified Debian kernels, both image formats, 1, 2 and 4 vCPUs: each reaches init with all its CPUs and powers off with status 0.
# lab: timeout=600
source "$LAB/lib.sh"
lab_need_cxvm boot-matrix
for kernel in cloud-6.1 cloud-6.12 cloud-7; do
    for format in bzImage pvh; do
        for cpus in 1 2 4; do
            vm_case "boot-$kernel-$format-$cpus" seconds=60 status=0 kernel="$kernel" format="$format" cpus="$cpus" memory=512M \
                "cxvm.modules=off cxvm.test=expect-cpus,$cpus cxvm.test=expect-memory,512"
        done
    done
done

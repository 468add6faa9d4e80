# SPDX-License-Identifier: Apache-2.0
# What guest RAM is made of, as the host's kernel counts it: hugetlb pages of 2 MiB and 1 GiB, transparent huge pages, prefault, memory
# bound to host NUMA nodes (two, by numa=fake).
# lab: timeout=500
# lab: memory=4G
# lab: append=hugepagesz=1G hugepages=1 numa=fake=2
source "$LAB/lib.sh"
lab_need_cxvm memory-backing
LAB_VMM=cxvm

# A guest that waits at its end, so that the host can look. backing NAME CPUS MEMORY CXVM-ARG...
backing() {
    local name=$1 cpus=$2 memory=$3
    shift 3
    vm_command kernel=cloud-6.12 format=pvh cpus="$cpus" memory="$memory" "cxvm.modules=off cxvm.test=memory,67108864 ${guest_test:-} cxvm.end=wait" "$@"
    vm_start "$name" "${vm_argv[@]}"
    vm_wait_text "$name" '^INIT-END' 60 || {
        lab_fail "$name" "$(tail -n 1 "$name.log" | cut -c1-200)"
        return 1
    }
    lab_check "$name-pattern" grep -aq '^TEST-PASS memory' "$name.console"
}
release() {
    vm_kill "$1"
    vm_wait_exit "$1" 10
}
smaps() { awk -v key="$2:" '$1 == key { kib += $2 } END { print int(kib / 1024) }' "/proc/${vm_pid[$1]}/smaps"; }
hugetlb() { cat "/sys/kernel/mm/hugepages/hugepages-$1kB/$2"; }

echo 300 >/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages
lab_note "hugetlb pages: $(hugetlb 2048 nr_hugepages) of 2 MiB, $(hugetlb 1048576 nr_hugepages 2>/dev/null || echo 0) of 1 GiB"
if backing hugetlb-2M 1 512M,hugepages=on,hugepage_size=2M,prefault=on,prefault_threads=2; then
    lab_equal hugetlb-2M-prefaulted 512 "$(smaps hugetlb-2M Private_Hugetlb)"
    lab_equal hugetlb-2M-free-pages $(($(hugetlb 2048 nr_hugepages) - 256)) "$(hugetlb 2048 free_hugepages)"
    release hugetlb-2M
fi
lab_equal hugetlb-2M-given-back "$(hugetlb 2048 nr_hugepages)" "$(hugetlb 2048 free_hugepages)"

# More than there is: refused before the guest starts, with the fix.
timeout 20 cxvm run --kernel "$(lab_kernel cloud-6.12 pvh)" --memory size=1G,hugepages=on,hugepage_size=2M,prefault=on 2>refused.log
lab_equal hugetlb-too-few-status 1 $?
lab_note "$(tail -n 1 refused.log)"
lab_check hugetlb-too-few-says-the-fix grep -q 'nr_hugepages' refused.log
echo 0 >/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages

if [[ $(hugetlb 1048576 nr_hugepages 2>/dev/null) == 1 ]]; then
    if backing hugetlb-1G 1 1G,hugepages=on,hugepage_size=1G; then
        lab_equal hugetlb-1G-free-pages 0 "$(hugetlb 1048576 free_hugepages)"
        release hugetlb-1G
    fi
    echo 0 >/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages
else
    lab_skip hugetlb-1G "the lab's kernel got no page of 1 GiB"
fi

if backing thp-prefault 1 512M,thp=on,prefault=on,prefault_threads=2; then
    lab_note "prefaulted: $(smaps thp-prefault Rss) MiB resident, $(smaps thp-prefault AnonHugePages) MiB in transparent huge pages"
    lab_check thp-prefault-resident test "$(smaps thp-prefault Rss)" -ge 512
    lab_check thp-prefault-huge test "$(smaps thp-prefault AnonHugePages)" -ge 448
    release thp-prefault
fi

if [[ -d /sys/devices/system/node/node1 ]]; then
    guest_test=cxvm.test=grep,-q,0-1,/sys/devices/system/node/online
    if backing numa-bound 2 512M --numa "guest_numa_id=0,size=256M,cpus=[0],host_numa_node=1" \
        --numa "guest_numa_id=1,size=256M,cpus=[1],host_numa_node=0"; then
        # The pages of each mapping of 256 MiB, by host node: "bind:1 ... N1=... kernelpagesize_kB=4".
        grep -E ' bind:[01] ' "/proc/${vm_pid[numa-bound]}/numa_maps" >numa_maps
        lab_note "$(tr '\n' ';' <numa_maps)"
        lab_check numa-bound-to-both grep -q ' bind:1 .*N1=' numa_maps
        lab_equal numa-bound-strays 0 "$(grep -cE ' bind:1 .*N0=| bind:0 .*N1=' numa_maps)"
        lab_check numa-guest-sees-two-nodes grep -aq '^TEST-PASS grep' numa-bound.console
        release numa-bound
    fi
else
    lab_skip numa-bound "the lab's kernel made no second NUMA node"
fi

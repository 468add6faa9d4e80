/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/passthrough/host/fake_host.h"

/* host_check(): a host that has all, and each thing missing alone. */
static struct host_finding findings[HOST_CHECKS];

static void remove_path(const char *path)
{
	char full[256];

	snprintf(full, sizeof(full), "%s%s", fake.folder, path);
	cr_assert(!rmdir(full) || !unlink(full), "%s", full);
}

static void begin(void)
{
	fake_begin();
	fake_driver("vfio-pci");
	fake_driver("cxl-vfio-pci");
	fake_file("/dev/kvm", "");
	fake_file("/dev/vfio/vfio", "");
	fake_folder("/sys/module/vfio_iommu_type1");
	fake_folder("/sys/class/iommu/dmar0");
	fake_device("0000:17:00.0", "cc58:0001 120000", NULL, "5");
	fake_config("0000:17:00.0", true);
	fake_file("/proc/cpuinfo", "processor : 0\nflags\t\t: fpu vme svm\n");
	fake_file("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "16\n");
	fake_file("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "12\n");
	fake_file("/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages", "1\n");
	fake_file("/sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages", "1\n");
}

TestSuite(host_check, .init = begin, .fini = fake_end);

static void expect(enum host_subject subject, enum host_state state, const char *what,
		   const char *fix)
{
	unsigned int problems = host_check(&fake.host, findings);

	cr_assert_eq(problems, state == HOST_PROBLEM ? 1 : 0);
	cr_assert_eq(findings[subject].state, state, "%s", findings[subject].what);
	cr_assert_not_null(strstr(findings[subject].what, what), "%s", findings[subject].what);
	cr_assert_not_null(strstr(findings[subject].fix, fix), "%s", findings[subject].fix);
	cr_assert_eq(state == HOST_OK, !findings[subject].fix[0]);
}

Test(host_check, all_is_well)
{
	expect(HOST_CHECK_KVM, HOST_OK, "/dev/kvm", "");
	expect(HOST_CHECK_IOMMU, HOST_OK, "1 IOMMU unit, 1 groups", "");
	expect(HOST_CHECK_VFIO, HOST_OK, "by IOMMU group", "");
	expect(HOST_CHECK_DRIVER, HOST_OK, "1 CXL accelerator", "");
	expect(HOST_CHECK_HUGEPAGES, HOST_OK, "1056 MiB reserved in huge pages, 1048 MiB", "");
	expect(HOST_CHECK_MEMLOCK, HOST_OK, "as much memory", "");
	cr_assert_str_eq(findings[HOST_CHECK_KVM].subject, "kvm");
	cr_assert_str_eq(findings[HOST_CHECK_MEMLOCK].subject, "memlock");
}

Test(host_check, kvm)
{
	fake.kvm_error = -EACCES;
	expect(HOST_CHECK_KVM, HOST_PROBLEM, "Permission denied", "group kvm");
	fake.kvm_error = -ENOENT;
	expect(HOST_CHECK_KVM, HOST_PROBLEM, "No such file", "modprobe kvm_amd");
	fake_file("/proc/cpuinfo", "flags\t\t: fpu vmx vme\n");
	expect(HOST_CHECK_KVM, HOST_PROBLEM, "No such file", "modprobe kvm_intel");
	fake_file("/proc/cpuinfo", "flags\t\t: fpu vme\n");
	expect(HOST_CHECK_KVM, HOST_PROBLEM, "No such file", "firmware");
}

Test(host_check, iommu)
{
	remove_path("/sys/kernel/iommu_groups/5");
	expect(HOST_CHECK_IOMMU, HOST_PROBLEM, "no groups", "iommu=off");
	remove_path("/sys/class/iommu/dmar0");
	expect(HOST_CHECK_IOMMU, HOST_PROBLEM, "no IOMMU", "amd_iommu=on");
	fake_file("/proc/cpuinfo", "flags\t\t: fpu vmx vme\n");
	expect(HOST_CHECK_IOMMU, HOST_PROBLEM, "no IOMMU", "intel_iommu=on");
}

Test(host_check, vfio)
{
	remove_path("/sys/module/vfio_iommu_type1");
	expect(HOST_CHECK_VFIO, HOST_PROBLEM, "no IOMMU driver", "modprobe vfio_iommu_type1");
	remove_path("/dev/vfio/vfio");
	expect(HOST_CHECK_VFIO, HOST_PROBLEM, "/dev/vfio/vfio", "modprobe");
	fake_file("/dev/iommu", "");
	fake_folder("/dev/vfio/devices");
	expect(HOST_CHECK_VFIO, HOST_OK, "iommufd", "");
	remove_path("/sys/bus/pci/drivers/vfio-pci");
	expect(HOST_CHECK_VFIO, HOST_PROBLEM, "vfio-pci is not loaded", "modprobe");
}

Test(host_check, driver)
{
	remove_path("/sys/bus/pci/drivers/cxl-vfio-pci");
	expect(HOST_CHECK_DRIVER, HOST_PROBLEM, "1 CXL accelerator", "modprobe cxl-vfio-pci");
	fake_config("0000:17:00.0", false);
	expect(HOST_CHECK_DRIVER, HOST_OK, "no device here needs it", "");
	fake_file("/sys/bus/pci/devices/0000:17:00.0/config", "short");
	expect(HOST_CHECK_DRIVER, HOST_HINT, "cannot be seen", "root");
}

Test(host_check, hugepages)
{
	fake_file("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "0\n");
	fake_file("/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages", "0\n");
	expect(HOST_CHECK_HUGEPAGES, HOST_HINT, "no huge pages", "nr_hugepages");
	fake_file("/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
	expect(HOST_CHECK_HUGEPAGES, HOST_OK, "transparent", "");
	fake_file("/sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]\n");
	expect(HOST_CHECK_HUGEPAGES, HOST_HINT, "no huge pages", "nr_hugepages");
}

Test(host_check, memory_lock)
{
	fake.memory_lock = 8192 * 1024;
	expect(HOST_CHECK_MEMLOCK, HOST_PROBLEM, "8192 KiB", "LimitMEMLOCK=infinity");
	fake.memory_lock = UINT64_C(4) << 30;
	expect(HOST_CHECK_MEMLOCK, HOST_OK, "4096 MiB", "");
}

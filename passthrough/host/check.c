/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/units.h"
#include "passthrough/host/files.h"

static void __attribute__((format(printf, 3, 4)))
found(struct host_finding *finding, enum host_state state, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	host_format_problem(finding->what, finding->fix, format, arguments);
	va_end(arguments);
	finding->state = state;
}

/* "vmx", "svm" or "": what /proc/cpuinfo says of virtualisation. */
static const char *cpu_virtualisation(const struct host *host)
{
	const char *result = "";
	char path[HOST_PATH], line[8192];
	FILE *file;

	host_path(host, path, "/proc/cpuinfo");
	file = fopen(path, "re");
	while (file && !result[0] && fgets(line, sizeof(line), file)) {
		if (strncmp(line, "flags", 5) != 0)
			continue;
		if (strstr(line, " vmx"))
			result = "vmx";
		else if (strstr(line, " svm"))
			result = "svm";
		else
			break;
	}
	if (file)
		fclose(file);
	return result;
}

static void check_kvm(const struct host *host, struct host_finding *finding)
{
	const char *cpu = cpu_virtualisation(host);
	char path[HOST_PATH];
	int result = host_path(host, path, "/dev/kvm");

	if (!result)
		result = host->ops->probe(host->opaque, path);
	if (!result)
		found(finding, HOST_OK, "/dev/kvm can be used");
	else if (result == -EACCES || result == -EPERM)
		found(finding, HOST_PROBLEM,
		      "/dev/kvm cannot be opened: %s\n"
		      "add the user to the group kvm: usermod -aG kvm USER, and log in again",
		      strerror(-result));
	else
		found(finding, HOST_PROBLEM, "/dev/kvm cannot be opened: %s\n%s", strerror(-result),
		      !strcmp(cpu, "vmx")   ? "modprobe kvm_intel"
		      : !strcmp(cpu, "svm") ? "modprobe kvm_amd"
					    : "the CPU shows neither vmx nor svm: enable "
					      "virtualisation in the firmware, or nested "
					      "virtualisation of the machine this runs in");
}

static int count_entry(void *opaque, const char *name)
{
	unsigned int *count = opaque;

	(void)name;
	++*count;
	return 0;
}

static void check_iommu(const struct host *host, struct host_finding *finding)
{
	unsigned int groups = 0, units = 0;
	char path[HOST_PATH];

	host_path(host, path, "/sys/kernel/iommu_groups");
	host_each(path, count_entry, &groups);
	host_path(host, path, "/sys/class/iommu");
	host_each(path, count_entry, &units);
	if (groups)
		found(finding, HOST_OK, "%u IOMMU unit%s, %u groups", units, units == 1 ? "" : "s",
		      groups);
	else if (units)
		found(finding, HOST_PROBLEM,
		      "%u IOMMU unit%s, but no groups\n"
		      "remove iommu=off, intel_iommu=off or amd_iommu=off from the kernel command "
		      "line",
		      units, units == 1 ? "" : "s");
	else
		found(finding, HOST_PROBLEM,
		      "no IOMMU is in use\n"
		      "enable VT-d or AMD-Vi (IOMMU) in the firmware and boot with %s on the "
		      "kernel command line",
		      !strcmp(cpu_virtualisation(host), "svm") ? "amd_iommu=on" : "intel_iommu=on");
}

static void check_vfio(const struct host *host, struct host_finding *finding)
{
	char path[HOST_PATH];
	int result;

	if (!host_exists(host, "/sys/bus/pci/drivers/" HOST_DRIVER_PLAIN)) {
		found(finding, HOST_PROBLEM,
		      "the driver " HOST_DRIVER_PLAIN " is not loaded\n"
		      "modprobe -a vfio_pci vfio_iommu_type1");
		return;
	}
	if (host_exists(host, "/dev/iommu") && host_exists(host, "/dev/vfio/devices")) {
		found(finding, HOST_OK,
		      HOST_DRIVER_PLAIN " is loaded; devices by character device and iommufd");
		return;
	}
	result = host_path(host, path, "/dev/vfio/vfio");
	if (!result)
		result = host->ops->probe(host->opaque, path);
	if (result)
		found(finding, HOST_PROBLEM, "/dev/vfio/vfio cannot be opened: %s\n%s",
		      strerror(-result),
		      result == -EACCES ? "give this user access to it and to the files "
					  "/dev/vfio/GROUP of its devices"
					: "modprobe -a vfio vfio_iommu_type1");
	else if (!host_exists(host, "/sys/module/vfio_iommu_type1"))
		found(finding, HOST_PROBLEM,
		      "VFIO has no IOMMU driver\n"
		      "modprobe vfio_iommu_type1");
	else
		found(finding, HOST_OK, HOST_DRIVER_PLAIN " is loaded; devices by IOMMU group");
}

static void check_driver(const struct host *host, struct host_finding *finding)
{
	struct host_inventory inventory;
	unsigned int accelerators = 0, unknown = 0;

	host_inventory_read(host, &inventory);
	for (size_t i = 0; i < inventory.count; i++) {
		accelerators += inventory.devices[i].kind == HOST_KIND_CXL;
		unknown += !inventory.devices[i].cxl.known;
	}
	host_inventory_free(&inventory);
	if (host_exists(host, "/sys/bus/pci/drivers/" HOST_DRIVER_CXL))
		found(finding, HOST_OK, HOST_DRIVER_CXL " is loaded; %u CXL accelerator%s",
		      accelerators, accelerators == 1 ? "" : "s");
	else if (accelerators)
		found(finding, HOST_PROBLEM,
		      "the driver " HOST_DRIVER_CXL
		      " is not loaded; %u CXL accelerator%s would need it\n"
		      "modprobe " HOST_DRIVER_CXL
		      "; to install it: sudo dkms install cxl-vfio-pci/VERSION "
		      "(docs/host-driver.md)",
		      accelerators, accelerators == 1 ? "" : "s");
	else if (unknown)
		found(finding, HOST_HINT,
		      "the driver " HOST_DRIVER_CXL " is not loaded, and whether a device needs "
		      "it cannot be seen\nrun cxvm host check as root");
	else
		found(finding, HOST_OK, HOST_DRIVER_CXL " is not loaded; no device here needs it");
}

struct hugepage_count {
	const struct host *host;
	uint64_t free_bytes, all_bytes;
};

static int count_hugepages(void *opaque, const char *name)
{
	struct hugepage_count *count = opaque;
	char path[HOST_PATH];
	uint64_t kib = 0;

	/* The default size only has /proc/meminfo; here each has a folder. */
	if (sscanf(name, "hugepages-%" SCNu64 "kB", &kib) != 1 || kib > UINT64_MAX / KIB)
		return 0;
	host_path(count->host, path, "/sys/kernel/mm/hugepages/%s/nr_hugepages", name);
	count->all_bytes += host_read_number(path, 0) * kib * KIB;
	host_path(count->host, path, "/sys/kernel/mm/hugepages/%s/free_hugepages", name);
	count->free_bytes += host_read_number(path, 0) * kib * KIB;
	return 0;
}

static void check_hugepages(const struct host *host, struct host_finding *finding)
{
	struct hugepage_count count = {.host = host};
	char path[HOST_PATH], thp[HOST_NAME];

	host_path(host, path, "/sys/kernel/mm/hugepages");
	host_each(path, count_hugepages, &count);
	host_path(host, path, "/sys/kernel/mm/transparent_hugepage/enabled");
	host_read_line(path, thp, sizeof(thp));
	if (count.all_bytes)
		found(finding, HOST_OK,
		      "%" PRIu64 " MiB reserved in huge pages, %" PRIu64 " MiB of it free",
		      count.all_bytes / MIB, count.free_bytes / MIB);
	else if (thp[0] && !strstr(thp, "[never]"))
		found(finding, HOST_OK,
		      "none reserved; guests get transparent huge pages where memory is not "
		      "fragmented");
	else
		found(finding, HOST_HINT,
		      "no huge pages: guest RAM is in pages of 4 KiB, which costs start-up time "
		      "and "
		      "IOMMU tables\n"
		      "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled, or reserve "
		      "some: "
		      "echo 2048 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages");
}

static void check_memlock(const struct host *host, struct host_finding *finding)
{
	uint64_t limit = host->ops->memory_lock(host->opaque);

	if (limit == UINT64_MAX)
		found(finding, HOST_OK, "this process may lock as much memory as it likes");
	else if (limit < 512 * MIB)
		found(finding, HOST_PROBLEM,
		      "this process may lock %" PRIu64
		      " KiB of memory; a guest with a device of the kernel's VFIO locks all its "
		      "RAM\n"
		      "ulimit -l unlimited, or LimitMEMLOCK=infinity in the systemd unit, or "
		      "memlock in /etc/security/limits.conf",
		      limit / KIB);
	else
		found(finding, HOST_OK,
		      "this process may lock %" PRIu64
		      " MiB: guests with a device of the kernel's VFIO can have so much RAM",
		      limit / MIB);
}

unsigned int host_check(const struct host *host, struct host_finding findings[HOST_CHECKS])
{
	static const struct {
		const char *subject;
		void (*check)(const struct host *host, struct host_finding *finding);
	} checks[HOST_CHECKS] = {
		[HOST_CHECK_KVM] = {"kvm", check_kvm},
		[HOST_CHECK_IOMMU] = {"iommu", check_iommu},
		[HOST_CHECK_VFIO] = {"vfio", check_vfio},
		[HOST_CHECK_DRIVER] = {"driver", check_driver},
		[HOST_CHECK_HUGEPAGES] = {"hugepages", check_hugepages},
		[HOST_CHECK_MEMLOCK] = {"memlock", check_memlock},
	};
	unsigned int problems = 0;

	for (unsigned int i = 0; i < HOST_CHECKS; i++) {
		memset(&findings[i], 0, sizeof(findings[i]));
		findings[i].subject = checks[i].subject;
		checks[i].check(host, &findings[i]);
		problems += findings[i].state == HOST_PROBLEM;
	}
	return problems;
}

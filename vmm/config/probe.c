/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/config/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arch/arch.h"
#include "core/fd.h"
#include "core/units.h"
#include "devices/virtio/blk.h"
#include "vmm/config/text.h"

/* Opens a file that must exist; -1 after the problem was told. */
static int open_file(struct problems *problems, const char *what, const char *path, int flags,
		     struct stat *status)
{
	int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0 && !fstat(fd, status))
		return fd;
	problem_add(problems, "%s: cannot open %s: %s; correct the path or its permissions", what,
		    path, strerror(errno));
	fd_close(&fd);
	return -1;
}

static void probe_kernel(const struct machine_specification *specification,
			 struct problems *problems)
{
	const struct specification_payload *payload = &specification->payload;
	const char *path = payload->kernel, *why;
	struct arch_kernel_needs needs;
	struct stat status;
	int fd, result;

	if (!path)
		return;
	fd = open_file(problems, "kernel", path, O_RDONLY, &status);
	if (fd < 0)
		return;
	if (!S_ISREG(status.st_mode) || !status.st_size) {
		problem_add(problems, "kernel: %s is empty or no regular file", path);
		close(fd);
		return;
	}
	result = arch_check_kernel(fd, (uint64_t)status.st_size, &needs, &why);
	close(fd);
	if (result) {
		problem_add(problems, "kernel: %s cannot be booted: %s", path,
			    result == -ENOEXEC ? why : strerror(-result));
		return;
	}
	if (specification->memory.bytes < needs.ram_end)
		problem_add(problems,
			    "memory: %" PRIu64 " MiB, but the kernel needs RAM up to %" PRIu64
			    " MiB; use a larger size",
			    specification->memory.bytes / MIB, needs.ram_end / MIB + 1);
	if (payload->cmdline && strlen(payload->cmdline) > needs.cmdline_max)
		problem_add(problems, "payload: cmdline has %zu bytes, but the kernel takes %zu",
			    strlen(payload->cmdline), needs.cmdline_max);
}

static void probe_initramfs(const struct machine_specification *specification,
			    struct problems *problems)
{
	const char *path = specification->payload.initramfs;
	struct stat status;
	int fd;

	if (!path)
		return;
	fd = open_file(problems, "initramfs", path, O_RDONLY, &status);
	if (fd < 0)
		return;
	close(fd);
	if (!S_ISREG(status.st_mode) || !status.st_size)
		problem_add(problems, "initramfs: %s is empty or no regular file", path);
	else if ((uint64_t)status.st_size > specification->memory.bytes)
		problem_add(problems, "initramfs: %s is larger than guest RAM", path);
}

/* A list of numbers in sysfs; false when there is none that can be read. */
static bool read_list(const char *path, cpu_set_t *numbers)
{
	char text[4096];
	const char *why;
	ssize_t got;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	got = read(fd, text, sizeof(text));
	close(fd);
	return got > 0 && !text_list(text, (size_t)got, numbers, &why);
}

/* As the kernel has it: one CPU that is there is enough. */
static void probe_affinity(const struct specification_cpus *cpus, struct problems *problems)
{
	cpu_set_t online, both;

	if (!cpus->pinned || !read_list("/sys/devices/system/cpu/online", &online))
		return;
	for (uint32_t i = 0; i < MACHINE_MAX_VCPUS; i++) {
		if (!(cpus->pinned >> i & 1))
			continue;
		CPU_AND(&both, &online, &cpus->host_cpus[i]);
		if (!CPU_COUNT(&both))
			problem_add(problems,
				    "cpus: affinity of vCPU %u: none of its host CPUs is online",
				    i);
	}
}

static void probe_huge_pages(const struct specification_memory *memory, struct problems *problems)
{
	unsigned long long free_pages = 0;
	char path[96];
	FILE *file;

	if (!memory->page_size)
		return;
	snprintf(path, sizeof(path),
		 "/sys/kernel/mm/hugepages/hugepages-%" PRIu64 "kB/free_hugepages",
		 memory->page_size / KIB);
	file = fopen(path, "re");
	if (file && fscanf(file, "%llu", &free_pages) != 1)
		free_pages = 0;
	if (file)
		fclose(file);
	if (free_pages < memory->bytes / memory->page_size)
		problem_add(problems,
			    "memory: needs %" PRIu64 " huge pages of %" PRIu64
			    " MiB, but the host has %llu free; reserve them in nr_hugepages beside "
			    "%s",
			    memory->bytes / memory->page_size, memory->page_size / MIB, free_pages,
			    path);
}

static void probe_host_nodes(const struct machine_specification *specification,
			     struct problems *problems)
{
	cpu_set_t nodes;

	if (!read_list("/sys/devices/system/node/online", &nodes)) {
		CPU_ZERO(&nodes);
		CPU_SET(0, &nodes);
	}
	for (size_t i = 0; i < specification->node_count; i++) {
		int node = specification->nodes[i].host_node;

		if (node >= CPU_SETSIZE || (node >= 0 && !CPU_ISSET((size_t)node, &nodes)))
			problem_add(problems, "numa[%zu]: host_numa_node=%d does not exist", i,
				    node);
	}
}

static void probe_disk(const struct machine_specification *specification, size_t index,
		       struct problems *problems)
{
	const struct specification_disk *disk = &specification->disks[index];
	struct stat status, other;
	const char *format;
	int fd;

	if (!disk->path)
		return;
	fd = open_file(problems, disk->id, disk->path, disk->readonly ? O_RDONLY : O_RDWR, &status);
	if (fd < 0)
		return;
	format = S_ISREG(status.st_mode) ? virtio_blk_foreign_format(fd, 0) : NULL;
	close(fd);
	if (format)
		problem_add(problems,
			    "%s: %s is a %s image; a raw one is needed: qemu-img convert "
			    "-O raw makes it",
			    disk->id, disk->path, format);
	else if (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode))
		problem_add(problems, "%s: %s is neither a file nor a block device", disk->id,
			    disk->path);
	else if (S_ISREG(status.st_mode) && (!status.st_size || status.st_size % 512))
		problem_add(problems, "%s: the size of %s is no multiple of 512 bytes, or 0",
			    disk->id, disk->path);
	for (size_t i = 0; i < index; i++) {
		const struct specification_disk *earlier = &specification->disks[i];

		if (!earlier->path || (earlier->readonly && disk->readonly) ||
		    stat(earlier->path, &other))
			continue;
		if (other.st_dev == status.st_dev && other.st_ino == status.st_ino)
			problem_add(
				problems,
				"%s and %s are the same image %s; it can be shared read-only only",
				earlier->id, disk->id, disk->path);
	}
}

static void probe_kvm(struct problems *problems)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		problem_add(problems, "kvm: cannot open /dev/kvm: %s; %s", strerror(errno),
			    errno == EACCES ? "join the group kvm"
					    : "load kvm_amd or kvm_intel, enable virtualisation in "
					      "the firmware");
	else
		close(fd);
}

void config_probe(const struct machine_specification *specification, struct problems *problems)
{
	probe_kernel(specification, problems);
	probe_initramfs(specification, problems);
	probe_affinity(&specification->cpus, problems);
	probe_huge_pages(&specification->memory, problems);
	probe_host_nodes(specification, problems);
	for (size_t i = 0; i < specification->disk_count; i++)
		probe_disk(specification, i, problems);
	probe_devices(specification, problems);
	probe_kvm(problems);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "passthrough/host/host.h"
#include "vmm/config/check.h"
#include "arch/arch.h"
#include "vmm/machine/machine.h"

#define MIB UINT64_C(0x100000)
#define GIB UINT64_C(0x40000000)

struct checker {
	const struct machine_config *config;
	void (*problem)(void *opaque, const char *message);
	void *opaque;
	int count;
};

static void __attribute__((format(printf, 2, 3)))
problem(struct checker *checker, const char *format, ...)
{
	char text[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	log_one_line(text);
	checker->count++;
	if (checker->problem)
		checker->problem(checker->opaque, text);
}

/* Opens a file that must exist; -1 after the problem was told. */
static int open_file(struct checker *checker, const char *what, const char *path, int flags,
		     struct stat *status)
{
	int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0 && !fstat(fd, status))
		return fd;
	problem(checker, "%s: cannot open %s: %s; correct the path or its permissions", what, path,
		strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

static void check_kernel(struct checker *checker)
{
	const char *path = checker->config->payload.kernel, *why;
	uint8_t head[ARCH_KERNEL_HEAD];
	uint64_t ram_end;
	struct stat status;
	ssize_t got;
	int fd;

	if (!path) {
		problem(checker, "payload: no kernel is given; set payload.kernel (--kernel)");
		return;
	}
	fd = open_file(checker, "kernel", path, O_RDONLY, &status);
	if (fd < 0)
		return;
	got = pread(fd, head, sizeof(head), 0);
	close(fd);
	if (!S_ISREG(status.st_mode) || got <= 0) {
		problem(checker, "kernel: %s is empty or no regular file", path);
		return;
	}
	if (arch_check_kernel(head, (size_t)got, (uint64_t)status.st_size, &ram_end, &why))
		problem(checker, "kernel: %s cannot be booted: %s", path, why);
	else if (checker->config->memory.bytes < ram_end)
		problem(checker,
			"memory: %" PRIu64 " MiB, but the kernel needs RAM up to %" PRIu64
			" MiB; use a larger size",
			checker->config->memory.bytes / MIB, ram_end / MIB + 1);
}

static void check_initramfs(struct checker *checker)
{
	const char *path = checker->config->payload.initramfs;
	struct stat status;
	int fd;

	if (!path)
		return;
	fd = open_file(checker, "initramfs", path, O_RDONLY, &status);
	if (fd < 0)
		return;
	close(fd);
	if (!S_ISREG(status.st_mode) || !status.st_size)
		problem(checker, "initramfs: %s is empty or no regular file", path);
	else if ((uint64_t)status.st_size > checker->config->memory.bytes)
		problem(checker, "initramfs: %s is larger than guest RAM", path);
}

static void check_cpus(struct checker *checker)
{
	const struct cxvm_cpus *cpus = &checker->config->cpus;
	uint64_t product =
		(uint64_t)(cpus->sockets ? cpus->sockets : 1) * (cpus->threads ? cpus->threads : 1);
	char bad[ARCH_FEATURE_NAME];

	if (!cpus->boot_vcpus || cpus->boot_vcpus > MACHINE_MAX_VCPUS)
		problem(checker, "cpus: %u vCPUs; use 1 to %u", cpus->boot_vcpus,
			MACHINE_MAX_VCPUS);
	if (cpus->threads > 2)
		problem(checker, "cpus: %u threads per core; use 1 or 2", cpus->threads);
	if (cpus->cores ? product * cpus->cores != cpus->boot_vcpus : cpus->boot_vcpus % product)
		problem(checker, "cpus: sockets * cores * threads must be the number of vCPUs (%u)",
			cpus->boot_vcpus);
	if (arch_check_features(cpus->features, bad))
		problem(checker,
			"cpus: features: '%s' is not known; use +name or -name as in /proc/cpuinfo",
			bad);
	if (cpus->max_phys_bits && (cpus->max_phys_bits < 36 || cpus->max_phys_bits > 52))
		problem(checker, "cpus: max_phys_bits=%u; use 36 to 52", cpus->max_phys_bits);
}

static void check_memory(struct checker *checker)
{
	const struct cxvm_memory *memory = &checker->config->memory;
	bool huge = toggle_on(memory->hugepages, false);
	uint64_t unit = huge ? memory->hugepage_size : 2 * MIB;
	char path[96];
	unsigned long long free_pages = 0;
	FILE *file;

	if (memory->hugepage_size != 2 * MIB && memory->hugepage_size != GIB) {
		problem(checker, "memory: hugepage_size must be 2M or 1G");
		return;
	}
	if (!memory->bytes || memory->bytes % unit)
		problem(checker, "memory: size must be a multiple of %" PRIu64 " MiB", unit / MIB);
	if (!huge)
		return;
	snprintf(path, sizeof(path),
		 "/sys/kernel/mm/hugepages/hugepages-%" PRIu64 "kB/free_hugepages", unit / 1024);
	file = fopen(path, "re");
	if (file && fscanf(file, "%llu", &free_pages) != 1)
		free_pages = 0;
	if (file)
		fclose(file);
	if (free_pages < memory->bytes / unit)
		problem(checker,
			"memory: needs %" PRIu64 " huge pages of %" PRIu64
			" MiB, but the host has %llu free; reserve them in nr_hugepages beside %s",
			memory->bytes / unit, unit / MIB, free_pages, path);
}

static void check_numa(struct checker *checker)
{
	const struct machine_config *config = checker->config;
	uint64_t sum = 0;

	for (size_t i = 0; i < config->node_count; i++) {
		const struct cxvm_numa_node *node = &config->nodes[i];

		if (node->id != i)
			problem(checker,
				"numa[%zu]: guest_numa_id is %u; number the nodes 0, 1, ... in "
				"order",
				i, node->id);
		if (!node->bytes || node->bytes % (2 * MIB))
			problem(checker, "numa[%zu]: size must be a multiple of 2 MiB", i);
		sum += node->bytes;
	}
	if (config->node_count && sum != config->memory.bytes)
		problem(checker,
			"numa: the nodes have %" PRIu64 " MiB together, memory has %" PRIu64 " MiB",
			sum / MIB, config->memory.bytes / MIB);
}

static bool bad_queue_size(uint32_t size)
{
	return size < 2 || size > 1024 || (size & (size - 1));
}

static void check_disk(struct checker *checker, size_t index)
{
	const struct cxvm_disk *disk = &checker->config->disks[index];
	struct stat status, other;
	int fd;

	if (bad_queue_size(disk->queue_size))
		problem(checker, "disks[%zu]: queue_size=%u; use a power of two up to 1024", index,
			disk->queue_size);
	if (disk->num_queues > checker->config->cpus.boot_vcpus)
		problem(checker, "disks[%zu]: num_queues=%u is more than there are vCPUs", index,
			disk->num_queues);
	if (disk->serial && strlen(disk->serial) > 20)
		problem(checker, "disks[%zu]: serial is longer than 20 bytes", index);
	if (disk->rate_limit.bandwidth_size && !disk->rate_limit.bandwidth_refill_time)
		problem(checker, "disks[%zu]: bw_size needs bw_refill_time", index);
	if (disk->rate_limit.ops_size && !disk->rate_limit.ops_refill_time)
		problem(checker, "disks[%zu]: ops_size needs ops_refill_time", index);
	if (!disk->path) {
		problem(checker, "disks[%zu]: no path is given", index);
		return;
	}
	fd = open_file(checker, disk->id, disk->path, disk->readonly ? O_RDONLY : O_RDWR, &status);
	if (fd < 0)
		return;
	close(fd);
	if (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode))
		problem(checker, "%s: %s is neither a file nor a block device", disk->id,
			disk->path);
	else if (S_ISREG(status.st_mode) && (!status.st_size || status.st_size % 512))
		problem(checker, "%s: the size of %s is no multiple of 512 bytes, or 0", disk->id,
			disk->path);
	for (size_t i = 0; i < index; i++) {
		const struct cxvm_disk *earlier = &checker->config->disks[i];

		if (!earlier->path || (earlier->readonly && disk->readonly) ||
		    stat(earlier->path, &other))
			continue;
		if (other.st_dev == status.st_dev && other.st_ino == status.st_ino)
			problem(checker,
				"%s and %s are the same image %s; it can be shared read-only only",
				earlier->id, disk->id, disk->path);
	}
}

static void check_net(struct checker *checker, size_t index)
{
	const struct cxvm_net *net = &checker->config->nets[index];
	unsigned int bytes[6];
	char rest;

	if (net->tap && net->use_fd)
		problem(checker, "net[%zu]: give tap or fd, not both", index);
	if (net->tap && strlen(net->tap) > 15)
		problem(checker, "net[%zu]: tap=%s is longer than an interface name (15)", index,
			net->tap);
	if (net->mac && (sscanf(net->mac, "%2x:%2x:%2x:%2x:%2x:%2x%c", &bytes[0], &bytes[1],
				&bytes[2], &bytes[3], &bytes[4], &bytes[5], &rest) != 6 ||
			 bytes[0] & 1))
		problem(checker,
			"net[%zu]: mac=%s is not a unicast MAC address; use aa:bb:cc:dd:ee:ff",
			index, net->mac);
	if (net->mtu && net->mtu < 68)
		problem(checker, "net[%zu]: mtu=%u; use 68 to 65535", index, net->mtu);
	if (bad_queue_size(net->queue_size))
		problem(checker, "net[%zu]: queue_size=%u; use a power of two up to 1024", index,
			net->queue_size);
	for (size_t i = 0; net->mac && i < index; i++)
		if (checker->config->nets[i].mac &&
		    !strcasecmp(checker->config->nets[i].mac, net->mac))
			problem(checker, "net[%zu]: mac=%s is used twice", index, net->mac);
}

static void check_vsock(struct checker *checker)
{
	const struct cxvm_vsock *vsock = &checker->config->vsock;

	if (!checker->config->has_vsock)
		return;
	if (vsock->cid < 3 || vsock->cid > UINT32_MAX - 1)
		problem(checker, "vsock: cid=%" PRIu64 "; use 3 to 4294967294", vsock->cid);
	if (!vsock->socket && !toggle_on(vsock->vhost, false))
		problem(checker, "vsock: give socket=PATH, or vhost=on");
}

static void check_consoles(struct checker *checker)
{
	const struct cxvm_console *both[] = {&checker->config->serial, &checker->config->console};
	static const char *const names[] = {"serial", "console"};

	for (int i = 0; i < 2; i++)
		if ((both[i]->mode == CXVM_CONSOLE_FILE || both[i]->mode == CXVM_CONSOLE_SOCKET) &&
		    !both[i]->path)
			problem(checker, "%s: mode file or socket needs a path", names[i]);
	if (both[0]->mode == both[1]->mode && both[0]->path && both[1]->path &&
	    both[0]->mode != CXVM_CONSOLE_PTY && !strcmp(both[0]->path, both[1]->path))
		problem(checker, "serial and console have the same path %s; give each its own",
			both[0]->path);
	if (both[0]->mode == CXVM_CONSOLE_STDIO && both[1]->mode == CXVM_CONSOLE_STDIO)
		problem(checker, "serial and console cannot both be on the terminal");
}

static const char *id_at(const struct machine_config *config, size_t index)
{
	if (index < config->disk_count)
		return config->disks[index].id;
	index -= config->disk_count;
	if (index < config->net_count)
		return config->nets[index].id;
	index -= config->net_count;
	return index < config->device_count ? config->devices[index].id : NULL;
}

static void check_ids(struct checker *checker)
{
	const char *left, *right;

	for (size_t i = 0; (left = id_at(checker->config, i)); i++)
		for (size_t j = 0; j < i; j++) {
			right = id_at(checker->config, j);
			if (!strcmp(left, right))
				problem(checker, "id %s is used twice", left);
		}
}

/* A device of this host: is it there, and bound to VFIO, or what keeps it from that. */
static void check_host_device(struct checker *checker, const struct cxvm_device *device)
{
	const struct host host = {.root = "", .ops = &host_real_ops};
	struct host_inventory inventory;
	const struct host_device *found;
	char address[16];

	if (host_parse_address(device->path, address, sizeof(address))) {
		problem(checker, "%s: %s is neither a PCI address nor a path that ends in one",
			device->id, device->path);
		return;
	}
	found = host_inventory_read(&host, &inventory) ? NULL
						       : host_inventory_find(&inventory, address);
	if (!found)
		problem(checker,
			"%s: this host has no PCI device %s; cxvm host list shows those that it "
			"has",
			device->id, address);
	else if (!found->bound && !found->problem_count)
		problem(checker, "%s: %s is not bound to VFIO; run cxvm host bind %s", device->id,
			address, address);
	for (unsigned int i = 0; found && !found->bound && i < found->problem_count; i++)
		problem(checker, "%s: %s: %s; %s", device->id, address, found->problems[i].what,
			found->problems[i].fix);
	host_inventory_free(&inventory);
}

static void check_devices(struct checker *checker)
{
	struct stat status;

	for (size_t i = 0; i < checker->config->device_count; i++) {
		const struct cxvm_device *device = &checker->config->devices[i];
		const char *way = machine_device_problem(device);

		if (way)
			problem(checker, "devices[%zu]: %s", i, way);
		else if (device->vfio_user &&
			 (stat(device->vfio_user, &status) || !S_ISSOCK(status.st_mode)))
			problem(checker, "%s: %s is no socket; start the vfio-user server first",
				device->id, device->vfio_user);
		else if (device->path)
			check_host_device(checker, device);
	}
}

static void check_kvm(struct checker *checker)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		problem(checker, "kvm: cannot open /dev/kvm: %s; %s", strerror(errno),
			errno == EACCES ? "join the group kvm"
					: "load kvm_amd or kvm_intel, enable virtualisation in the "
					  "firmware");
	else
		close(fd);
}

int config_check(const struct machine_config *config,
		 void (*report)(void *opaque, const char *message), void *opaque)
{
	struct checker checker = {.config = config, .problem = report, .opaque = opaque};

	check_kernel(&checker);
	check_initramfs(&checker);
	check_cpus(&checker);
	check_memory(&checker);
	check_numa(&checker);
	for (size_t i = 0; i < config->disk_count; i++)
		check_disk(&checker, i);
	for (size_t i = 0; i < config->net_count; i++)
		check_net(&checker, i);
	check_vsock(&checker);
	check_consoles(&checker);
	check_ids(&checker);
	check_devices(&checker);
	check_kvm(&checker);
	return checker.count;
}

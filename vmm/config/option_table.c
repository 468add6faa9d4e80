/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/config/options.h"

#include <string.h>

#define FIELD(section, member, name, kind, text)                                                   \
	{                                                                                          \
		.key = (name), .type = (kind), .offset = offsetof(struct cxvm_##section, member),  \
		.help = (text)                                                                     \
	}
#define MODE(section, member, name, list, text)                                                    \
	{                                                                                          \
		.key = (name), .type = OPTION_MODE,                                                \
		.offset = offsetof(struct cxvm_##section, member), .names = (list), .help = (text) \
	}
#define FD(section, member, flag, name, text)                                                      \
	{                                                                                          \
		.key = (name), .type = OPTION_FD,                                                  \
		.offset = offsetof(struct cxvm_##section, member),                                 \
		.flag_offset = offsetof(struct cxvm_##section, flag), .help = (text)               \
	}
#define COUNT(list) (sizeof(list) / sizeof((list)[0]))
#define RATE_LIMIT(section)                                                                        \
	FIELD(section, rate_limit.bandwidth_size, "bw_size", OPTION_BYTES, "bytes per refill"),    \
		FIELD(section, rate_limit.bandwidth_refill_time, "bw_refill_time", OPTION_U64,     \
		      "milliseconds"),                                                             \
		FIELD(section, rate_limit.bandwidth_one_time_burst, "bw_one_time_burst",           \
		      OPTION_BYTES, "extra bytes, once"),                                          \
		FIELD(section, rate_limit.ops_size, "ops_size", OPTION_U64,                        \
		      "operations per refill"),                                                    \
		FIELD(section, rate_limit.ops_refill_time, "ops_refill_time", OPTION_U64,          \
		      "milliseconds"),                                                             \
		FIELD(section, rate_limit.ops_one_time_burst, "ops_one_time_burst", OPTION_U64,    \
		      "extra operations, once")

static const struct option_name console_modes[] = {
	{"off", CXVM_CONSOLE_OFF},       {"null", CXVM_CONSOLE_NULL},
	{"tty", CXVM_CONSOLE_STDIO},     {"stdio", CXVM_CONSOLE_STDIO},
	{"file", CXVM_CONSOLE_FILE},     {"pty", CXVM_CONSOLE_PTY},
	{"socket", CXVM_CONSOLE_SOCKET}, {NULL, 0},
};

static const struct option_name device_memories[] = {
	{"cxl", CXVM_DEVICE_MEMORY_CXL},
	{"node", CXVM_DEVICE_MEMORY_NODE},
	{NULL, 0},
};

static const struct option_name seccomp_modes[] = {
	{"on", CXVM_SECCOMP_ON},
	{"log", CXVM_SECCOMP_LOG},
	{"off", CXVM_SECCOMP_OFF},
	{NULL, 0},
};

static const struct option_field cpus_fields[] = {
	FIELD(cpus, boot_vcpus, "boot", OPTION_U32, "number of vCPUs, 1 to 64"),
	FIELD(cpus, sockets, "sockets", OPTION_U32, "sockets of the topology"),
	FIELD(cpus, cores, "cores", OPTION_U32, "cores per socket"),
	FIELD(cpus, threads, "threads", OPTION_U32, "threads per core, 1 or 2"),
	FIELD(cpus, max_phys_bits, "max_phys_bits", OPTION_U32,
	      "cap of the guest's physical address width"),
	FIELD(cpus, features, "features", OPTION_STRING,
	      "\"+name,-name\" on top of the host's CPU features"),
	FIELD(cpus, affinity, "affinity", OPTION_STRING, "0@[0,2-3],1@[4]: host CPUs of each vCPU"),
};

static const struct option_field memory_fields[] = {
	FIELD(memory, bytes, "size", OPTION_BYTES, "guest RAM, default 512M"),
	FIELD(memory, shared, "shared", OPTION_TOGGLE, "share it with device processes"),
	FIELD(memory, hugepages, "hugepages", OPTION_TOGGLE, "back it with hugetlb pages"),
	FIELD(memory, hugepage_size, "hugepage_size", OPTION_BYTES, "2M or 1G"),
	FIELD(memory, thp, "thp", OPTION_TOGGLE, "transparent huge pages"),
	FIELD(memory, prefault, "prefault", OPTION_TOGGLE, "populate it before the start"),
	FIELD(memory, prefault_threads, "prefault_threads", OPTION_U32, "threads that do so"),
};

static const struct option_field numa_fields[] = {
	FIELD(numa_node, id, "guest_numa_id", OPTION_U32, "0, 1, ... without a hole"),
	FIELD(numa_node, bytes, "size", OPTION_BYTES, "memory of the node"),
	FIELD(numa_node, cpus, "cpus", OPTION_STRING, "its vCPUs, [0-1,4]"),
	FD(numa_node, host_node, bind, "host_numa_node", "host node to bind the memory to"),
};

static const struct option_field payload_fields[] = {
	FIELD(payload, kernel, "kernel", OPTION_STRING, "bzImage or PVH ELF vmlinux"),
	FIELD(payload, initramfs, "initramfs", OPTION_STRING, "initramfs (cpio archive)"),
	FIELD(payload, cmdline, "cmdline", OPTION_STRING, "kernel command line"),
};

static const struct option_field disk_fields[] = {
	FIELD(disk, id, "id", OPTION_STRING, "name, default disk<N>"),
	FIELD(disk, path, "path", OPTION_STRING, "raw image or block device"),
	FIELD(disk, readonly, "readonly", OPTION_BOOL, "the guest may not write"),
	FIELD(disk, direct, "direct", OPTION_BOOL, "bypass the host's page cache (O_DIRECT)"),
	FIELD(disk, num_queues, "num_queues", OPTION_U32, "default 1"),
	FIELD(disk, queue_size, "queue_size", OPTION_U32, "default 128"),
	FIELD(disk, serial, "serial", OPTION_STRING, "up to 20 bytes"),
	RATE_LIMIT(disk),
};

static const struct option_field net_fields[] = {
	FIELD(net, id, "id", OPTION_STRING, "name, default net<N>"),
	FIELD(net, tap, "tap", OPTION_STRING, "tap interface"),
	FD(net, fd, use_fd, "fd", "an open tap instead"),
	FIELD(net, mac, "mac", OPTION_STRING, "aa:bb:cc:dd:ee:ff"),
	FIELD(net, mtu, "mtu", OPTION_U16, "default: the tap's"),
	FIELD(net, vhost, "vhost", OPTION_TOGGLE, "vhost-net; default: when the host has it"),
	FIELD(net, queue_size, "queue_size", OPTION_U32, "default 256"),
	RATE_LIMIT(net),
};

static const struct option_field vsock_fields[] = {
	FIELD(vsock, cid, "cid", OPTION_U64, "3 or more"),
	FIELD(vsock, socket, "socket", OPTION_STRING, "UNIX socket of the CONNECT protocol"),
	FIELD(vsock, vhost, "vhost", OPTION_TOGGLE, "vhost-vsock instead"),
};

static const struct option_field console_fields[] = {
	MODE(console, mode, "mode", console_modes, "off, null, tty, pty, file or socket"),
	FIELD(console, path, "path", OPTION_STRING, "of the file or socket"),
};

static const struct option_field rng_fields[] = {
	FIELD(rng, enabled, "enabled", OPTION_TOGGLE, "default on"),
};

static const struct option_field balloon_fields[] = {
	FIELD(balloon, enabled, "enabled", OPTION_TOGGLE, "default on when a balloon is given"),
	FIELD(balloon, bytes, "size", OPTION_BYTES, "taken from the guest at the start"),
	FIELD(balloon, deflate_on_oom, "deflate_on_oom", OPTION_TOGGLE, "default on"),
	FIELD(balloon, free_page_reporting, "free_page_reporting", OPTION_TOGGLE,
	      "give free pages back"),
};

static const struct option_field device_fields[] = {
	FIELD(device, id, "id", OPTION_STRING, "name, default dev<N>"),
	FIELD(device, vfio_user, "vfio-user", OPTION_STRING, "UNIX socket of a vfio-user server"),
	FIELD(device, path, "path", OPTION_STRING, "BDF or sysfs path of a host device"),
	FD(device, fd, use_fd, "fd", "an open VFIO device"),
	FD(device, iommufd, use_iommufd, "iommufd", "an open /dev/iommu"),
	FD(device, group_fd, use_group_fd, "group_fd", "an open /dev/vfio/GROUP, beside path"),
	MODE(device, memory, "memory", device_memories,
	     "cxl (the guest's driver owns it) or node (its page allocator)"),
	FIELD(device, p2p, "p2p", OPTION_TOGGLE, "map device memory for DMA too"),
	FIELD(device, noiommu, "noiommu", OPTION_TOGGLE, "accept no IOMMU: unsafe"),
};

static const struct option_field platform_fields[] = {
	MODE(platform, seccomp, "seccomp", seccomp_modes, "on, log or off"),
	FIELD(platform, boot_timer, "boot_timer", OPTION_TOGGLE, "log the codes of port 0x80"),
	FIELD(platform, debug_exit, "debug_exit", OPTION_TOGGLE, "port 0xF4 ends the machine"),
	FIELD(platform, pvpanic, "pvpanic", OPTION_TOGGLE, "report guest panics"),
	FIELD(platform, power_off_grace_ms, "power_off_grace_ms", OPTION_U32,
	      "power button to forced stop"),
};

#define SECTION(section, shown, json, many, first, apply_function, text)                           \
	{                                                                                          \
		.name = (shown), .json_name = (json), .repeated = (many), .first_key = (first),    \
		.help = (text), .fields = section##_fields,                                        \
		.field_count = COUNT(section##_fields), .apply = (apply_function)
#define ONCE(section, member)                                                                      \
	.struct_size = sizeof(struct cxvm_##section),                                              \
	.config_offset = offsetof(struct machine_config, member)

#define APPLY(section, call)                                                                       \
	static int apply_##section(struct cxvm *vm, const void *options)                           \
	{                                                                                          \
		return call(vm, options);                                                          \
	}

APPLY(cpus, cxvm_set_cpus)
APPLY(memory, cxvm_set_memory)
APPLY(numa, cxvm_add_numa_node)
APPLY(payload, cxvm_set_payload)
APPLY(disk, cxvm_add_disk)
APPLY(net, cxvm_add_net)
APPLY(vsock, cxvm_set_vsock)
APPLY(serial, cxvm_set_serial)
APPLY(console, cxvm_set_console)
APPLY(rng, cxvm_set_rng)
APPLY(balloon, cxvm_set_balloon)
APPLY(device, cxvm_add_device)
APPLY(platform, cxvm_set_platform)

/* clang-format off */
const struct option_section option_sections[] = {
	SECTION(cpus, "cpus", "cpus", false, "boot", apply_cpus, "vCPUs"),
		ONCE(cpus, cpus) },
	SECTION(memory, "memory", "memory", false, "size", apply_memory, "guest RAM"),
		ONCE(memory, memory) },
	SECTION(numa, "numa", "numa", true, NULL, apply_numa, "a NUMA node"),
		.struct_size = sizeof(struct cxvm_numa_node) },
	SECTION(payload, "payload", "payload", false, "kernel", apply_payload, "what to boot"),
		ONCE(payload, payload) },
	SECTION(disk, "disk", "disks", true, "path", apply_disk, "a virtio-blk disk"),
		.struct_size = sizeof(struct cxvm_disk) },
	SECTION(net, "net", "net", true, "tap", apply_net, "a virtio-net card"),
		.struct_size = sizeof(struct cxvm_net) },
	SECTION(vsock, "vsock", "vsock", false, NULL, apply_vsock, "the virtio-vsock device"),
		ONCE(vsock, vsock) },
	SECTION(console, "serial", "serial", false, "mode", apply_serial, "the 16550 serial port, ttyS0"),
		ONCE(console, serial) },
	SECTION(console, "console", "console", false, "mode", apply_console, "the virtio console, hvc0"),
		ONCE(console, console) },
	SECTION(rng, "rng", "rng", false, "enabled", apply_rng, "the virtio entropy device"),
		ONCE(rng, rng) },
	SECTION(balloon, "balloon", "balloon", false, "size", apply_balloon, "the virtio balloon"),
		ONCE(balloon, balloon) },
	SECTION(device, "device", "devices", true, NULL, apply_device, "a passed-through device"),
		.struct_size = sizeof(struct cxvm_device) },
	SECTION(platform, "platform", "platform", false, NULL, apply_platform, "switches of the machine and of cxvm"),
		ONCE(platform, platform) },
};
/* clang-format on */

const size_t option_section_count = COUNT(option_sections);

const struct option_section *option_section_find(const char *name)
{
	for (size_t i = 0; i < option_section_count; i++)
		if (!strcmp(option_sections[i].name, name))
			return &option_sections[i];
	return NULL;
}

const struct option_field *option_field_find(const struct option_section *section, const char *key,
					     size_t length)
{
	for (size_t i = 0; i < section->field_count; i++)
		if (strlen(section->fields[i].key) == length &&
		    !memcmp(section->fields[i].key, key, length))
			return &section->fields[i];
	return NULL;
}

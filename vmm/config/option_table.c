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
/* A number that is absent unless given: its bool says so. */
#define OPTIONAL(section, member, flag, name, text)                                                \
	{                                                                                          \
		.key = (name), .type = OPTION_INT_WITH_FLAG,                                       \
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
	OPTIONAL(numa_node, host_node, bind, "host_numa_node", "host node to bind the memory to"),
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
	FIELD(disk, queue_size, "queue_size", OPTION_U32, "default 128; a power of two, 4 to 1024"),
	FIELD(disk, serial, "serial", OPTION_STRING, "up to 20 bytes"),
	RATE_LIMIT(disk),
};

static const struct option_field net_fields[] = {
	FIELD(net, id, "id", OPTION_STRING, "name, default net<N>"),
	FIELD(net, tap, "tap", OPTION_STRING, "tap interface"),
	OPTIONAL(net, fd, use_fd, "fd", "an open tap instead"),
	FIELD(net, mac, "mac", OPTION_STRING, "aa:bb:cc:dd:ee:ff"),
	FIELD(net, mtu, "mtu", OPTION_U16, "default: the tap's"),
	FIELD(net, vhost, "vhost", OPTION_TOGGLE, "vhost-net; default: when the host has it"),
	FIELD(net, queue_size, "queue_size", OPTION_U32, "default 256; a power of two, 16 to 1024"),
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
	OPTIONAL(device, fd, use_fd, "fd", "an open VFIO device"),
	OPTIONAL(device, iommufd, use_iommufd, "iommufd", "an open /dev/iommu"),
	OPTIONAL(device, group_fd, use_group_fd, "group_fd",
		 "an open /dev/vfio/GROUP, beside path"),
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

static void take_vsock(struct machine_config *config)
{
	config->has_vsock = true;
}

/* Who configures a balloon wants one. */
static void take_balloon(struct machine_config *config)
{
	if (config->balloon.enabled == CXVM_DEFAULT)
		config->balloon.enabled = CXVM_ON;
}

/* What all sections have; the struct's name without "cxvm_", and its fields. */
#define SECTION(section, field_list, shown, json, first, text)                                     \
	.name = (shown), .json_name = (json), .first_key = (first), .help = (text),                \
	.fields = (field_list), .field_count = COUNT(field_list),                                  \
	.struct_size = sizeof(struct cxvm_##section)
#define ONCE(member) .config_offset = offsetof(struct machine_config, member)
#define LIST(member, count, most)                                                                  \
	.config_offset = offsetof(struct machine_config, member),                                  \
	.count_offset = offsetof(struct machine_config, count), .limit = (most)

/* clang-format off */
const struct option_section option_sections[] = {
	{ SECTION(cpus, cpus_fields, "cpus", "cpus", "boot", "vCPUs"), ONCE(cpus) },
	{ SECTION(memory, memory_fields, "memory", "memory", "size", "guest RAM"), ONCE(memory) },
	{ SECTION(numa_node, numa_fields, "numa", "numa", NULL, "a NUMA node"),
	  LIST(nodes, node_count, MACHINE_MAX_NODES) },
	{ SECTION(payload, payload_fields, "payload", "payload", "kernel", "what to boot"), ONCE(payload) },
	{ SECTION(disk, disk_fields, "disk", "disks", "path", "a virtio-blk disk"),
	  LIST(disks, disk_count, MACHINE_MAX_DISKS) },
	{ SECTION(net, net_fields, "net", "net", "tap", "a virtio-net card"), LIST(nets, net_count, MACHINE_MAX_NETS) },
	{ SECTION(vsock, vsock_fields, "vsock", "vsock", NULL, "the virtio-vsock device"), ONCE(vsock), .taken = take_vsock },
	{ SECTION(console, console_fields, "serial", "serial", "mode", "the 16550 serial port, ttyS0"), ONCE(serial) },
	{ SECTION(console, console_fields, "console", "console", "mode", "the virtio console, hvc0"), ONCE(console) },
	{ SECTION(rng, rng_fields, "rng", "rng", "enabled", "the virtio entropy device"), ONCE(rng) },
	{ SECTION(balloon, balloon_fields, "balloon", "balloon", "size", "the virtio balloon"),
	  ONCE(balloon), .taken = take_balloon },
	{ SECTION(device, device_fields, "device", "devices", NULL, "a passed-through device"),
	  LIST(devices, device_count, MACHINE_MAX_DEVICES) },
	{ SECTION(platform, platform_fields, "platform", "platform", NULL, "switches of the machine and of cxvm"),
	  ONCE(platform) },
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

/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "core/units.h"
#include "vmm/config/specify.h"
#include "vmm/config/text.h"

#define DEFAULT_DISK_QUEUE 128u
#define DEFAULT_NET_QUEUE  256u
#define DISK_QUEUE_MIN     4u
#define NET_QUEUE_MIN      16u
#define QUEUE_MAX          1024u
#define SERIAL_MAX         20u /* VIRTIO_BLK_ID_BYTES */
#define TAP_NAME_MAX       15u /* IFNAMSIZ without the NUL */
#define MTU_MIN            68u
#define BALLOON_PAGE       4096u
#define RATE_LIMIT_MAX     (UINT64_C(1) << 62)
#define SOCKET_PATH_MAX    (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)
#define VSOCK_PORT_MAX     11u /* "_4294967295": what a connection to the host adds */

/* The given one, or one made of kind and number. */
static const char *name_of(const char *given, char own[SPECIFICATION_NAME], const char *kind,
			   size_t index)
{
	snprintf(own, SPECIFICATION_NAME, "%s%zu", kind, index);
	return given ? given : own;
}

/* Of a disk or a network card; 0 was replaced by the default. */
static uint16_t queue_size(uint32_t size, uint32_t least, const char *what, size_t index,
			   struct problems *problems)
{
	if (size < least || size > QUEUE_MAX || (size & (size - 1)))
		problem_add(problems, "%s[%zu]: queue_size=%u; use a power of two from %u to %u",
			    what, index, size, least, QUEUE_MAX);
	return (uint16_t)size;
}

static struct token_bucket_options bucket_of(uint64_t size, uint64_t burst, uint64_t refill_time,
					     const char *key, const char *what, size_t index,
					     struct problems *problems)
{
	if (size && !refill_time)
		problem_add(problems, "%s[%zu]: %s_size needs %s_refill_time", what, index, key,
			    key);
	if (size > RATE_LIMIT_MAX || burst > RATE_LIMIT_MAX || refill_time > RATE_LIMIT_MAX)
		problem_add(problems, "%s[%zu]: the numbers of %s_ are too large", what, index,
			    key);
	return (struct token_bucket_options){
		.size = size, .one_time_burst = burst, .refill_time = refill_time};
}

static struct rate_limiter_options rate_limit_of(const struct cxvm_rate_limit *limit,
						 const char *what, size_t index,
						 struct problems *problems)
{
	return (struct rate_limiter_options){
		.bandwidth = bucket_of(limit->bandwidth_size, limit->bandwidth_one_time_burst,
				       limit->bandwidth_refill_time, "bw", what, index, problems),
		.ops = bucket_of(limit->ops_size, limit->ops_one_time_burst, limit->ops_refill_time,
				 "ops", what, index, problems),
	};
}

static void specify_disk(const struct cxvm_disk *from, size_t index, uint32_t vcpus,
			 struct specification_disk *disk, struct problems *problems)
{
	uint32_t size = from->queue_size ? from->queue_size : DEFAULT_DISK_QUEUE;

	disk->id = name_of(from->id, disk->own_id, "disk", index);
	disk->path = from->path;
	disk->readonly = from->readonly;
	disk->direct = from->direct;
	disk->serial = from->serial;
	disk->num_queues = (uint16_t)(from->num_queues ? from->num_queues : 1);
	disk->queue_size = queue_size(size, DISK_QUEUE_MIN, "disks", index, problems);
	disk->rate_limit = rate_limit_of(&from->rate_limit, "disks", index, problems);
	if (from->num_queues > vcpus)
		problem_add(problems, "disks[%zu]: num_queues=%u is more than there are vCPUs",
			    index, from->num_queues);
	if (from->serial && strlen(from->serial) > SERIAL_MAX)
		problem_add(problems, "disks[%zu]: serial is longer than %u bytes", index,
			    SERIAL_MAX);
	if (!from->path)
		problem_add(problems, "disks[%zu]: no path is given", index);
}

static void specify_mac(const char *text, size_t index, struct machine_specification *specification,
			struct problems *problems)
{
	struct specification_net *net = &specification->nets[index];
	const char *why;

	if (!text)
		return;
	if (text_mac(text, net->mac, &why)) {
		problem_add(problems,
			    "net[%zu]: mac=%.40s is not a unicast MAC address: %s; use "
			    "aa:bb:cc:dd:ee:ff",
			    index, text, why);
		return;
	}
	net->has_mac = true;
	for (size_t i = 0; i < index; i++)
		if (specification->nets[i].has_mac &&
		    !memcmp(specification->nets[i].mac, net->mac, sizeof(net->mac)))
			problem_add(problems, "net[%zu]: mac=%s is used twice", index, text);
}

static void specify_net(const struct cxvm_net *from, size_t index,
			struct machine_specification *specification, struct problems *problems)
{
	struct specification_net *net = &specification->nets[index];
	uint32_t size = from->queue_size ? from->queue_size : DEFAULT_NET_QUEUE;

	net->id = name_of(from->id, net->own_id, "net", index);
	net->tap = from->tap;
	net->fd = from->use_fd ? from->fd : -1;
	net->mtu = from->mtu;
	net->vhost = from->vhost;
	net->queue_size = queue_size(size, NET_QUEUE_MIN, "net", index, problems);
	net->rate_limit = rate_limit_of(&from->rate_limit, "net", index, problems);
	specify_mac(from->mac, index, specification, problems);
	if (from->tap && from->use_fd)
		problem_add(problems, "net[%zu]: give tap or fd, not both", index);
	if (from->use_fd && from->fd < 0)
		problem_add(problems, "net[%zu]: fd=%d is no open descriptor", index, from->fd);
	if (from->tap && (!*from->tap || strpbrk(from->tap, "/: \t\n") || !strcmp(from->tap, ".") ||
			  !strcmp(from->tap, "..")))
		problem_add(problems, "net[%zu]: tap=%s is no name of an interface", index,
			    from->tap);
	else if (from->tap && strlen(from->tap) > TAP_NAME_MAX)
		problem_add(problems, "net[%zu]: tap=%s is longer than an interface name (%u)",
			    index, from->tap, TAP_NAME_MAX);
	if (from->mtu && from->mtu < MTU_MIN)
		problem_add(problems, "net[%zu]: mtu=%u; use %u to 65535", index, from->mtu,
			    MTU_MIN);
}

static void specify_vsock(const struct cxvm_vsock *from, struct specification_vsock *vsock,
			  struct problems *problems)
{
	*vsock = (struct specification_vsock){
		.cid = from->cid, .socket = from->socket, .vhost = toggle_on(from->vhost, false)};
	if (from->cid < 3 || from->cid > UINT32_MAX - 1)
		problem_add(problems, "vsock: cid=%" PRIu64 "; use 3 to 4294967294", from->cid);
	if (vsock->vhost)
		return;
	if (!from->socket || !*from->socket)
		problem_add(problems, "vsock: give socket=PATH, or vhost=on");
	else if (strlen(from->socket) > SOCKET_PATH_MAX - VSOCK_PORT_MAX)
		problem_add(problems, "vsock: the path of the socket is longer than %zu bytes",
			    SOCKET_PATH_MAX - VSOCK_PORT_MAX);
}

static void specify_console(const struct cxvm_console *from, enum cxvm_console_mode fallback,
			    const char *what, struct specification_console *console,
			    struct problems *problems)
{
	console->mode = from->mode == CXVM_CONSOLE_DEFAULT ? fallback : from->mode;
	console->path = from->path;
	if (console->mode != CXVM_CONSOLE_FILE && console->mode != CXVM_CONSOLE_SOCKET)
		return;
	if (!from->path || !*from->path)
		problem_add(problems, "%s: mode file or socket needs a path", what);
	else if (console->mode == CXVM_CONSOLE_SOCKET && strlen(from->path) > SOCKET_PATH_MAX)
		problem_add(problems, "%s: the path of the socket is longer than %zu bytes", what,
			    SOCKET_PATH_MAX);
}

static void specify_consoles(const struct machine_config *config,
			     struct machine_specification *specification, struct problems *problems)
{
	const struct specification_console *serial = &specification->serial;
	const struct specification_console *console = &specification->console;

	specify_console(&config->serial, CXVM_CONSOLE_NULL, "serial", &specification->serial,
			problems);
	specify_console(&config->console, CXVM_CONSOLE_OFF, "console", &specification->console,
			problems);
	if (serial->mode != console->mode)
		return;
	if (serial->mode == CXVM_CONSOLE_STDIO)
		problem_add(
			problems,
			"serial and console cannot both be on the terminal; the serial port is on "
			"the terminal already");
	if ((serial->mode == CXVM_CONSOLE_FILE || serial->mode == CXVM_CONSOLE_SOCKET) &&
	    serial->path && console->path && !strcmp(serial->path, console->path))
		problem_add(problems, "serial and console have the same path %s; give each its own",
			    serial->path);
}

static void specify_balloon(const struct cxvm_balloon *from,
			    struct machine_specification *specification, struct problems *problems)
{
	specification->has_balloon = toggle_on(from->enabled, false);
	specification->balloon = (struct specification_balloon){
		.bytes = from->bytes,
		.deflate_on_oom = toggle_on(from->deflate_on_oom, true),
		.free_page_reporting = toggle_on(from->free_page_reporting, false),
	};
	if (!specification->has_balloon)
		return;
	if (from->bytes % BALLOON_PAGE)
		problem_add(problems, "balloon: size must be a multiple of 4 KiB");
	if (from->bytes > specification->memory.bytes)
		problem_add(problems,
			    "balloon: %" PRIu64 " MiB, but guest RAM has only %" PRIu64 " MiB",
			    from->bytes / MIB, specification->memory.bytes / MIB);
}

/* What is wrong with the way that was named, and what to give instead; NULL: nothing. */
static const char *way_problem(const struct cxvm_device *device)
{
	if (!!device->vfio_user + !!device->path + !!device->use_fd != 1)
		return "give exactly one of vfio-user=SOCKET, path=DEVICE and fd=N";
	if (device->use_group_fd && (!device->path || device->use_iommufd))
		return "group_fd goes with path, which says which device of the group, and without "
		       "iommufd";
	if (device->vfio_user && strlen(device->vfio_user) > SOCKET_PATH_MAX)
		return "the path of the vfio-user socket is too long";
	return NULL;
}

static struct passthrough_way way_of(const struct cxvm_device *device)
{
	struct passthrough_way way = {.name = device->path,
				      .fd = -1,
				      .iommufd = device->use_iommufd ? device->iommufd : -1};

	if (device->vfio_user) {
		way.kind = PASSTHROUGH_WAY_VFIO_USER_SOCKET;
		way.name = device->vfio_user;
	} else if (device->use_group_fd) {
		way.kind = PASSTHROUGH_WAY_VFIO_GROUP_FD;
		way.fd = device->group_fd;
	} else if (device->use_fd) {
		way.kind = PASSTHROUGH_WAY_VFIO_CDEV_FD;
		way.fd = device->fd;
	} else {
		way.kind = PASSTHROUGH_WAY_VFIO_NAME;
	}
	return way;
}

static void specify_device(const struct cxvm_device *from, size_t index,
			   struct specification_device *device, struct problems *problems)
{
	struct passthrough_options *options = &device->options;
	const char *problem = way_problem(from);

	options->id = name_of(from->id, device->own_id, "dev", index);
	options->way = way_of(from);
	options->allow_no_iommu = toggle_on(from->noiommu, false);
	options->memory = from->memory == CXVM_DEVICE_MEMORY_NODE ? PASSTHROUGH_MEMORY_NODE
								  : PASSTHROUGH_MEMORY_CXL;
	options->dma_windows =
		toggle_on(from->p2p, true) ? PASSTHROUGH_DMA_TRY : PASSTHROUGH_DMA_OFF;
	options->dma_dpa = options->dma_windows;
	if (problem)
		problem_add(problems, "devices[%zu]: %s", index, problem);
}

static const char *id_at(const struct machine_specification *specification, size_t index)
{
	if (index < specification->disk_count)
		return specification->disks[index].id;
	index -= specification->disk_count;
	if (index < specification->net_count)
		return specification->nets[index].id;
	index -= specification->net_count;
	return index < specification->device_count ? specification->devices[index].options.id
						   : NULL;
}

static void check_ids(const struct machine_specification *specification, struct problems *problems)
{
	const char *left;

	for (size_t i = 0; (left = id_at(specification, i)); i++)
		for (size_t j = 0; j < i; j++)
			if (!strcmp(left, id_at(specification, j)))
				problem_add(problems, "id %s is used twice", left);
}

void specify_devices(const struct machine_config *config,
		     struct machine_specification *specification, struct problems *problems)
{
	for (size_t i = 0; i < config->disk_count; i++)
		specify_disk(&config->disks[i], i, specification->cpus.topology.vcpus,
			     &specification->disks[i], problems);
	specification->disk_count = config->disk_count;
	for (size_t i = 0; i < config->net_count; i++)
		specify_net(&config->nets[i], i, specification, problems);
	specification->net_count = config->net_count;
	specification->has_vsock = config->has_vsock;
	if (config->has_vsock)
		specify_vsock(&config->vsock, &specification->vsock, problems);
	specify_consoles(config, specification, problems);
	specification->has_rng = toggle_on(config->rng.enabled, true);
	specify_balloon(&config->balloon, specification, problems);
	for (size_t i = 0; i < config->device_count; i++)
		specify_device(&config->devices[i], i, &specification->devices[i], problems);
	specification->device_count = config->device_count;
	check_ids(specification, problems);
}

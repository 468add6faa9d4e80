/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/machine/virtio.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "devices/virtio/balloon.h"
#include "devices/virtio/blk.h"
#include "devices/virtio/net.h"
#include "devices/virtio/pci.h"
#include "devices/virtio/rng.h"
#include "devices/virtio/vsock.h"
#include "vmm/machine/console.h"
#include "vmm/machine/internal.h"

/* The state of each of these parts. */
struct virtio_part {
	struct virtio_pci *transport;
	struct virtio_device *device;    /* the transport's */
	struct machine_console *console; /* the console's end on the host; else NULL */
};

static struct virtio_environment environment_of(struct machine *machine)
{
	return (struct virtio_environment){
		.loop = machine->platform.loop,
		.memory = machine->platform.memory,
		.logger = machine->logger,
		.copies = &machine->platform.copies,
	};
}

/*
 * Gives @device to a PCI function on the root bus; takes ownership of it, and with success of
 * @console, which may be NULL.
 */
static int plug(struct machine_part *part, struct virtio_device *device,
		struct machine_console *console)
{
	struct machine *machine = part->machine;
	struct virtio_part *state = calloc(1, sizeof(*state));
	int result = state ? virtio_pci_create(&state->transport, device, &machine->platform.vm)
			   : -ENOMEM;

	if (result) {
		virtio_device_destroy(device);
		free(state);
		return result;
	}
	result = pci_bus_add(machine->pci.root_bus, virtio_pci_function(state->transport), -1);
	if (result) {
		log_error(machine->logger, "pci",
			  "no free slot on bus 0 for one more virtio device: %s",
			  strerror(-result));
		virtio_pci_destroy(state->transport);
		free(state);
		return result;
	}
	state->device = device;
	state->console = console;
	part->state = state;
	return 0;
}

static int add_disk(struct machine_part *part)
{
	const struct specification_disk *disk = part->wanted;
	const struct virtio_blk_options options = {
		.environment = environment_of(part->machine),
		.name = disk->id,
		.path = disk->path,
		.fd = -1,
		.readonly = disk->readonly,
		.direct = disk->direct,
		.num_queues = disk->num_queues,
		.queue_size = disk->queue_size,
		.serial = disk->serial,
		.rate_limiter = disk->rate_limit,
	};
	struct virtio_device *device;
	int result = virtio_blk_create(&options, &device);

	return result ? result : plug(part, device, NULL);
}

static int begin_disk(struct machine_part *part)
{
	const struct virtio_part *state = part->state;

	return virtio_blk_prepare(state->device);
}

static int add_net(struct machine_part *part)
{
	const struct specification_net *net = part->wanted;
	struct virtio_net_options options = {
		.environment = environment_of(part->machine),
		.name = net->id,
		.tap = net->tap,
		.fd = -1,
		.has_mac = net->has_mac,
		.mtu = net->mtu,
		.vhost = toggle_on(net->vhost, access("/dev/vhost-net", R_OK | W_OK) == 0),
		.queue_size = net->queue_size,
		.rx_rate_limiter = net->rate_limit,
		.tx_rate_limiter = net->rate_limit,
	};
	struct virtio_device *device;
	int result;

	memcpy(options.mac, net->mac, sizeof(options.mac));
	if (net->fd >= 0) {
		/* The configuration keeps its fd: the device owns what it is given. */
		options.fd = fcntl(net->fd, F_DUPFD_CLOEXEC, 0);
		if (options.fd < 0) {
			int error = -errno;

			log_error(part->machine->logger, net->id, "fd=%d: %s; give an open tap",
				  net->fd, strerror(-error));
			return error;
		}
	}
	result = virtio_net_create(&options, &device);
	if (result && options.fd >= 0)
		close(options.fd);
	return result ? result : plug(part, device, NULL);
}

static int add_vsock(struct machine_part *part)
{
	const struct specification_vsock *vsock = part->wanted;
	const struct virtio_vsock_options options = {
		.environment = environment_of(part->machine),
		.name = "vsock0",
		.cid = vsock->cid,
		.socket = vsock->socket,
		.vhost = vsock->vhost,
	};
	struct virtio_device *device;
	int result = virtio_vsock_create(&options, &device);

	return result ? result : plug(part, device, NULL);
}

static int add_console(struct machine_part *part)
{
	const struct machine_console_options options = {
		.environment = environment_of(part->machine),
		.config = part->wanted,
		.serial_on_stdio = part->machine->specification->serial.mode == CXVM_CONSOLE_STDIO,
	};
	struct machine_console *console;
	struct virtio_device *device;
	int result = machine_console_create(&console, &options, &device);

	if (result)
		return result;
	result = plug(part, device, console);
	if (result)
		machine_console_destroy(console);
	return result;
}

static int add_rng(struct machine_part *part)
{
	const struct virtio_rng_options options = {.environment = environment_of(part->machine),
						   .name = "rng0"};
	struct virtio_device *device;
	int result = virtio_rng_create(&options, &device);

	return result ? result : plug(part, device, NULL);
}

static int add_balloon(struct machine_part *part)
{
	const struct specification_balloon *balloon = part->wanted;
	const struct virtio_balloon_options options = {
		.environment = environment_of(part->machine),
		.name = "balloon0",
		.size = balloon->bytes,
		.deflate_on_oom = balloon->deflate_on_oom,
		.free_page_reporting = balloon->free_page_reporting,
		/* Their DMA mappings pin all RAM. */
		.keep_pages = part->machine->specification->device_count > 0,
		.statistics = true,
	};
	struct virtio_device *device;
	int result = virtio_balloon_create(&options, &device);

	return result ? result : plug(part, device, NULL);
}

static void pause_virtio(struct machine_part *part)
{
	const struct virtio_part *state = part->state;

	virtio_pci_pause(state->transport);
}

static void resume_virtio(struct machine_part *part)
{
	const struct virtio_part *state = part->state;

	virtio_pci_resume(state->transport);
}

static void flush_console(struct machine_part *part)
{
	const struct virtio_part *state = part->state;

	machine_console_flush(state->console);
}

static void remove_virtio(struct machine_part *part)
{
	struct virtio_part *state = part->state;

	pci_bus_remove(virtio_pci_function(state->transport));
	virtio_pci_destroy(state->transport);
	/* After the device, which has the other end of its descriptors. */
	machine_console_destroy(state->console);
	free(state);
}

#define VIRTIO_PART(part_name, add_function)                                                       \
	{                                                                                          \
		.name = (part_name), .add = (add_function), .pause = pause_virtio,                 \
		.resume = resume_virtio, .remove = remove_virtio                                   \
	}

const struct machine_part_ops machine_disk_part = {
	.name = "disk",
	.add = add_disk,
	.begin = begin_disk,
	.pause = pause_virtio,
	.resume = resume_virtio,
	.remove = remove_virtio,
};
const struct machine_part_ops machine_net_part = VIRTIO_PART("net", add_net);
const struct machine_part_ops machine_vsock_part = VIRTIO_PART("vsock", add_vsock);
const struct machine_part_ops machine_rng_part = VIRTIO_PART("rng", add_rng);
const struct machine_part_ops machine_balloon_part = VIRTIO_PART("balloon", add_balloon);
const struct machine_part_ops machine_console_part = {
	.name = "console",
	.add = add_console,
	.pause = pause_virtio,
	.resume = resume_virtio,
	.flush = flush_console,
	.remove = remove_virtio,
};

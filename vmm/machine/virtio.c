/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "devices/virtio/balloon.h"
#include "devices/virtio/blk.h"
#include "devices/virtio/net.h"
#include "devices/virtio/rng.h"
#include "devices/virtio/vsock.h"
#include "vmm/machine/console.h"
#include "vmm/machine/internal.h"

static struct virtio_environment environment_of(const struct machine *machine)
{
	return (struct virtio_environment){
		.loop = machine->platform.loop,
		.memory = machine->platform.memory,
		.logger = machine->logger,
	};
}

/* Gives @device to a PCI function on the root bus; takes ownership, also on failure. */
static int plug(struct machine *machine, struct virtio_device *device)
{
	struct virtio_pci *transport;
	int result = virtio_pci_create(&transport, device, &machine->platform.vm);

	if (result) {
		virtio_device_destroy(device);
		return result;
	}
	result = pci_bus_add(machine->pci.root_bus, virtio_pci_function(transport), -1);
	if (result) {
		log_error(machine->logger, "pci",
			  "no free slot on bus 0 for one more virtio device: %s",
			  strerror(-result));
		virtio_pci_destroy(transport);
		return result;
	}
	machine->parts.virtio[machine->parts.virtio_count++] = transport;
	return 0;
}

static int add_disk(struct machine *machine, const struct specification_disk *disk)
{
	const struct virtio_blk_options options = {
		.environment = environment_of(machine),
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

	return result ? result : plug(machine, device);
}

static int add_net(struct machine *machine, const struct specification_net *net)
{
	struct virtio_net_options options = {
		.environment = environment_of(machine),
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
		if (options.fd < 0)
			return -errno;
	}
	result = virtio_net_create(&options, &device);
	if (result && options.fd >= 0)
		close(options.fd);
	return result ? result : plug(machine, device);
}

static int add_vsock(struct machine *machine)
{
	const struct virtio_vsock_options options = {
		.environment = environment_of(machine),
		.name = "vsock0",
		.cid = machine->config->vsock.cid,
		.socket = machine->config->vsock.socket,
		.vhost = machine->config->vsock.vhost,
	};
	struct virtio_device *device;
	int result = virtio_vsock_create(&options, &device);

	return result ? result : plug(machine, device);
}

static int add_console(struct machine *machine)
{
	const struct machine_console_options options = {
		.environment = environment_of(machine),
		.config = &machine->config->console,
		.serial_on_stdio = machine->config->serial.mode == CXVM_CONSOLE_STDIO,
	};
	struct virtio_device *device;
	int result = machine_console_create(&machine->parts.console, &options, &device);

	return result ? result : plug(machine, device);
}

static int add_rng(struct machine *machine)
{
	const struct virtio_rng_options options = {.environment = environment_of(machine),
						   .name = "rng0"};
	struct virtio_device *device;
	int result = virtio_rng_create(&options, &device);

	return result ? result : plug(machine, device);
}

static int add_balloon(struct machine *machine)
{
	const struct specification_balloon *balloon = &machine->config->balloon;
	const struct virtio_balloon_options options = {
		.environment = environment_of(machine),
		.name = "balloon0",
		.size = balloon->bytes,
		.deflate_on_oom = balloon->deflate_on_oom,
		.free_page_reporting = balloon->free_page_reporting,
		/* Their DMA mappings pin all RAM. */
		.keep_pages = machine->config->device_count > 0,
		.statistics = true,
	};
	struct virtio_device *device;
	int result = virtio_balloon_create(&options, &device);

	return result ? result : plug(machine, device);
}

int machine_add_virtio_devices(struct machine *machine)
{
	const struct machine_specification *config = machine->config;
	int result = 0;

	for (size_t i = 0; i < config->disk_count && !result; i++)
		result = add_disk(machine, &config->disks[i]);
	for (size_t i = 0; i < config->net_count && !result; i++)
		result = add_net(machine, &config->nets[i]);
	if (!result && config->has_vsock)
		result = add_vsock(machine);
	if (!result && config->console.mode != CXVM_CONSOLE_OFF)
		result = add_console(machine);
	if (!result && config->has_rng)
		result = add_rng(machine);
	if (!result && config->has_balloon)
		result = add_balloon(machine);
	return result;
}

void machine_remove_virtio_devices(struct machine *machine)
{
	while (machine->parts.virtio_count) {
		struct virtio_pci *transport = machine->parts.virtio[--machine->parts.virtio_count];

		pci_bus_remove(virtio_pci_function(transport));
		virtio_pci_destroy(transport);
	}
	machine_console_destroy(machine->parts.console);
	machine->parts.console = NULL;
}

void machine_flush_virtio(struct machine *machine)
{
	machine_console_flush(machine->parts.console);
}

void machine_pause_virtio(struct machine *machine)
{
	for (size_t i = 0; i < machine->parts.virtio_count; i++)
		virtio_pci_pause(machine->parts.virtio[i]);
}

void machine_resume_virtio(struct machine *machine)
{
	for (size_t i = 0; i < machine->parts.virtio_count; i++)
		virtio_pci_resume(machine->parts.virtio[i]);
}

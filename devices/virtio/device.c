/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio/device.h"

#include <errno.h>
#include <stdlib.h>

int virtio_device_init(struct virtio_device *device)
{
	uint16_t size = device->queue_max_size, i;

	if (device->queue_count == 0 || size == 0 || (size & (size - 1)) ||
	    size > VIRTQUEUE_MAX_SIZE)
		return -EINVAL;
	device->queues = calloc(device->queue_count, sizeof(*device->queues));
	if (!device->queues)
		return -ENOMEM;
	for (i = 0; i < device->queue_count; i++) {
		device->queues[i].max_size = size;
		virtqueue_reset(&device->queues[i]);
	}
	device->device_features |= 1ull << VIRTIO_F_VERSION_1 |
				   1ull << VIRTIO_RING_F_INDIRECT_DESC |
				   1ull << VIRTIO_RING_F_EVENT_IDX;
	device->error_limit = (struct log_ratelimit)LOG_RATELIMIT_DEFAULT;
	return 0;
}

void virtio_device_fini(struct virtio_device *device)
{
	free(device->queues);
	device->queues = NULL;
}

void virtio_device_notify(struct virtio_device *device, uint16_t queue)
{
	if (device->transport && virtqueue_needs_interrupt(&device->queues[queue]))
		device->transport->queue_interrupt(device->transport_opaque, queue);
}

void virtio_device_kick(struct virtio_device *device, uint16_t queue)
{
	if (device->transport)
		device->transport->kick(device->transport_opaque, queue);
}

void virtio_device_config_changed(struct virtio_device *device)
{
	atomic_fetch_add(&device->config_generation, 1);
	if (device->transport)
		device->transport->config_interrupt(device->transport_opaque);
}

void virtio_device_broken(struct virtio_device *device, const char *what)
{
	log_limited(device->environment.logger, &device->error_limit, LOG_LEVEL_WARNING,
		    device->name,
		    "%s; the device stops until the guest's driver resets it (NEEDS_RESET)",
		    what ? what : "the driver broke a rule");
	if (device->transport)
		device->transport->needs_reset(device->transport_opaque);
}

void virtio_device_destroy(struct virtio_device *device)
{
	if (device)
		device->ops->destroy(device);
}

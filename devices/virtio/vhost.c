/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio/vhost.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "core/fd.h"

static int request(const struct vhost *vhost, unsigned long code, void *argument)
{
	return ioctl(vhost->fd, code, argument) < 0 ? -errno : 0;
}

int vhost_open(struct vhost *vhost, const char *path)
{
	int result = 0;

	memset(vhost, 0, sizeof(*vhost));
	vhost->fd = open(path, O_RDWR | O_CLOEXEC);
	if (vhost->fd < 0)
		return -errno;
	result = request(vhost, VHOST_SET_OWNER, NULL);
	if (!result)
		result = request(vhost, VHOST_GET_FEATURES, &vhost->features);
	if (result)
		vhost_close(vhost);
	return result;
}

void vhost_close(struct vhost *vhost)
{
	fd_close(&vhost->fd);
}

static int set_memory(struct vhost *vhost, const struct guest_memory *guest_memory)
{
	const struct guest_ram_block *blocks;
	struct vhost_memory *memory;
	size_t count, i;
	int result;

	blocks = guest_memory_blocks(guest_memory, &count);
	memory = calloc(1, sizeof(*memory) + count * sizeof(memory->regions[0]));
	if (!memory)
		return -ENOMEM;
	memory->nregions = (uint32_t)count;
	for (i = 0; i < count; i++) {
		memory->regions[i].guest_phys_addr = blocks[i].gpa;
		memory->regions[i].memory_size = blocks[i].size;
		memory->regions[i].userspace_addr = (uint64_t)(uintptr_t)blocks[i].host;
	}
	result = request(vhost, VHOST_SET_MEM_TABLE, memory);
	free(memory);
	return result;
}

static int start_queue(struct vhost *vhost, struct virtio_device *device, uint16_t index)
{
	const struct virtqueue *queue = &device->queues[index];
	struct vhost_vring_state state = {.index = index, .num = queue->size};
	struct vhost_vring_addr address = {
		.index = index,
		.desc_user_addr = (uint64_t)(uintptr_t)queue->descriptors,
		.avail_user_addr = (uint64_t)(uintptr_t)queue->available,
		.used_user_addr = (uint64_t)(uintptr_t)queue->used,
	};
	struct vhost_vring_file file = {.index = index};
	int result;

	if (!queue->running)
		return 0;
	result = request(vhost, VHOST_SET_VRING_NUM, &state);
	state.num = vhost->base[index];
	if (!result)
		result = request(vhost, VHOST_SET_VRING_BASE, &state);
	if (!result)
		result = request(vhost, VHOST_SET_VRING_ADDR, &address);
	file.fd = device->transport->call_fd(device->transport_opaque, index);
	if (!result)
		result = file.fd < 0 ? file.fd : request(vhost, VHOST_SET_VRING_CALL, &file);
	file.fd = device->transport->kick_fd(device->transport_opaque, index);
	if (!result)
		result = file.fd < 0 ? -EBADF : request(vhost, VHOST_SET_VRING_KICK, &file);
	return result;
}

int vhost_start(struct vhost *vhost, struct virtio_device *device)
{
	uint64_t features = device->driver_features & vhost->features;
	uint16_t i;
	int result;

	result = request(vhost, VHOST_SET_FEATURES, &features);
	if (!result)
		result = set_memory(vhost, device->environment.memory);
	for (i = 0; !result && i < device->kernel_queues; i++)
		result = start_queue(vhost, device, i);
	vhost->started = !result;
	return result;
}

void vhost_stop(struct vhost *vhost, struct virtio_device *device)
{
	uint16_t i;

	for (i = 0; i < device->kernel_queues; i++) {
		struct vhost_vring_state state = {.index = i};

		/* Also makes the kernel let go of the ring. */
		if (device->queues[i].running && !request(vhost, VHOST_GET_VRING_BASE, &state))
			vhost->base[i] = (uint16_t)state.num;
	}
	vhost->started = false;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "passthrough/vfio-user/internal.h"

/*
 * The address space of a vfio-user server: what it has been told of guest memory, and what it reads
 * and writes by message instead.
 */

static struct vfio_user_client *client_of(struct address_space *space)
{
	return (struct vfio_user_client *)((char *)space -
					   offsetof(struct vfio_user_client, space));
}

static int space_map(struct address_space *space, const struct address_space_range *range)
{
	struct vfio_user_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_USER_DMA_MAP_READABLE |
			 (range->readonly ? 0 : VFIO_USER_DMA_MAP_WRITEABLE),
		.offset = range->fd >= 0 ? range->fd_offset : 0,
		.address = range->address,
		.size = range->size,
	};
	struct vfio_user_call call = {
		.command = VFIO_USER_DMA_MAP,
		.fixed = &map,
		.fixed_length = sizeof(map),
		.fds = &range->fd,
		.fd_count = range->fd >= 0 ? 1 : 0,
	};

	return vfio_user_simple_call(client_of(space), &call);
}

static int space_unmap(struct address_space *space, uint64_t address, uint64_t size)
{
	struct vfio_user_dma_unmap unmap = {
		.argsz = sizeof(unmap), .address = address, .size = size};
	struct vfio_user_dma_unmap reply;
	struct vfio_user_call call = {
		.command = VFIO_USER_DMA_UNMAP,
		.fixed = &unmap,
		.fixed_length = sizeof(unmap),
		.reply = &reply,
		.reply_capacity = sizeof(reply),
	};

	return vfio_user_simple_call(client_of(space), &call);
}

/* The server maps RAM itself; the space ends with the connection. */
static const struct address_space_ops space_ops = {
	.name = "vfio-user",
	.needs_shared_ram = true,
	.map = space_map,
	.unmap = space_unmap,
};

void vfio_user_space_init(struct vfio_user_client *client)
{
	address_space_init(&client->space, &space_ops, NULL);
	client->transport.space = &client->space;
}

/* "VFIO_USER_DMA_READ", "VFIO_USER_DMA_WRITE": the server asks for guest memory. */
int vfio_user_dma_access(struct vfio_user_client *client, bool write, const uint8_t *payload,
			 uint32_t length, const void **answer, uint32_t *answer_length)
{
	struct vfio_user_dma_access access;
	uint8_t *data;
	int result;

	if (length < sizeof(access) || !client->options.events.dma)
		return -EINVAL;
	memcpy(&access, payload, sizeof(access));
	if (!access.count || access.count > VFIO_USER_DEFAULT_MAX_DATA_XFER_SIZE ||
	    length != sizeof(access) + (write ? access.count : 0))
		return -EINVAL;
	if (!client->scratch)
		client->scratch = malloc(sizeof(access) + VFIO_USER_DEFAULT_MAX_DATA_XFER_SIZE);
	if (!client->scratch)
		return -ENOMEM;
	memcpy(client->scratch, &access, sizeof(access));
	data = client->scratch + sizeof(access);
	if (write)
		memcpy(data, payload + sizeof(access), (size_t)access.count);
	result = client->options.events.dma(client->options.events.opaque, access.address, data,
					    access.count, write);
	if (result)
		return result;
	*answer = client->scratch;
	*answer_length = (uint32_t)(sizeof(access) + (write ? 0 : access.count));
	return 0;
}

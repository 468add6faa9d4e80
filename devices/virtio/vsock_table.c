/* SPDX-License-Identifier: Apache-2.0 */
/* The connections of one device: found by their ports, queued when they have something to say. */
#include <endian.h>
#include <stdlib.h>

#include "core/fd.h"
#include "devices/virtio/vsock_internal.h"

static struct vsock_connection **bucket(struct vsock *vsock, uint32_t host_port,
					uint32_t guest_port)
{
	return &vsock->buckets[(host_port * 31u + guest_port) % VSOCK_BUCKETS];
}

struct vsock_connection *vsock_find(struct vsock *vsock, uint32_t host_port, uint32_t guest_port)
{
	struct vsock_connection *c = *bucket(vsock, host_port, guest_port);

	while (c && (c->state == VSOCK_HANDSHAKING || c->host_port != host_port ||
		     c->guest_port != guest_port))
		c = c->next_in_bucket;
	return c;
}

void vsock_mark_ready(struct vsock_connection *connection)
{
	struct vsock *vsock = connection->vsock;

	if (connection->ready)
		return;
	connection->ready = true;
	connection->next_ready = NULL;
	if (vsock->ready_last)
		vsock->ready_last->next_ready = connection;
	else
		vsock->ready_first = connection;
	vsock->ready_last = connection;
}

void vsock_insert(struct vsock_connection *connection)
{
	struct vsock_connection **place =
		bucket(connection->vsock, connection->host_port, connection->guest_port);

	connection->next_in_bucket = *place;
	*place = connection;
}

void vsock_take_out(struct vsock_connection *connection)
{
	struct vsock_connection **place =
		bucket(connection->vsock, connection->host_port, connection->guest_port);

	while (*place != connection)
		place = &(*place)->next_in_bucket;
	*place = connection->next_in_bucket;
}

static void remove_ready(struct vsock_connection *connection)
{
	struct vsock *vsock = connection->vsock;
	struct vsock_connection **place = &vsock->ready_first, *last = NULL;

	if (!connection->ready)
		return;
	while (*place != connection) {
		last = *place;
		place = &(*place)->next_ready;
	}
	*place = connection->next_ready;
	if (vsock->ready_last == connection)
		vsock->ready_last = last;
	connection->ready = false;
}

void vsock_end(struct vsock_connection *connection)
{
	remove_ready(connection);
	vsock_take_out(connection);
	event_source_remove(connection->source);
	fd_close(&connection->fd);
	free(connection->buffer);
	connection->vsock->connection_count--;
	free(connection);
}

/* Tell the guest that it is over; the host's end is closed now. */
void vsock_abort(struct vsock_connection *connection)
{
	event_source_remove(connection->source);
	connection->source = NULL;
	fd_close(&connection->fd);
	connection->state = VSOCK_CLOSING;
	vsock_mark_ready(connection);
}

void vsock_refuse(struct vsock *vsock, const struct virtio_vsock_hdr *header)
{
	vsock_count(vsock, VSOCK_REFUSED, 1);
	/* Beyond the limit a guest that floods us gets no answer, which is allowed. */
	if (vsock->reset_count < VSOCK_RESETS)
		vsock->resets[vsock->reset_count++] = (struct vsock_reset){
			.host_port = le32toh(header->dst_port),
			.guest_port = le32toh(header->src_port),
			.type = le16toh(header->type),
		};
}

void vsock_close_all(struct vsock *vsock)
{
	uint32_t i;

	for (i = 0; i < VSOCK_BUCKETS; i++)
		while (vsock->buckets[i])
			vsock_end(vsock->buckets[i]);
	vsock->reset_count = 0;
}

struct vsock_connection *vsock_next_ready(struct vsock *vsock)
{
	struct vsock_connection *connection = vsock->ready_first;

	vsock->ready_first = connection->next_ready;
	if (!vsock->ready_first)
		vsock->ready_last = NULL;
	connection->next_ready = NULL;
	connection->ready = false;
	return connection;
}

void vsock_queue_broken(struct vsock *vsock, struct virtqueue *queue, const char *why)
{
	if (!queue->error)
		queue->error = why;
	queue->broken = true;
	virtio_device_broken(&vsock->device, queue->error);
}

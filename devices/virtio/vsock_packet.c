/* SPDX-License-Identifier: Apache-2.0 */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "devices/virtio/vsock_internal.h"

/* Packets before other devices of the loop get their turn. */
#define BUDGET 64u

_Static_assert(sizeof(struct virtio_vsock_hdr) == VSOCK_HEADER, "virtio 1.2, 5.10.6");

static void queue_broken(struct vsock *vsock, struct virtqueue *queue, const char *why)
{
	if (!queue->error)
		queue->error = why;
	queue->broken = true;
	virtio_device_broken(&vsock->device, queue->error);
}

/* One packet of the guest. Nothing in it is trusted: wrong ones are answered with a reset. */
static void take_packet(struct vsock *vsock, struct virtqueue_chain *chain)
{
	struct virtio_vsock_hdr header;
	struct iovec payload[VSOCK_IOVECS];
	struct vsock_connection *connection;
	uint32_t length, count;

	if (virtqueue_iov_read(chain->iov, chain->out_count, 0, &header, sizeof(header)) !=
	    sizeof(header))
		return; /* no header, so nobody to answer */
	length = le32toh(header.len);
	if (le64toh(header.src_cid) != vsock->cid || le64toh(header.dst_cid) != VSOCK_HOST_CID)
		return; /* 5.10.6.4.1: not from this guest, or not for us */
	if (le16toh(header.type) != VIRTIO_VSOCK_TYPE_STREAM) {
		vsock_refuse(vsock, &header);
		return;
	}
	if (length > chain->out_bytes - VSOCK_HEADER || length > VSOCK_BUFFER)
		length = UINT32_MAX; /* a lie about the payload */
	connection = vsock_find(vsock, le32toh(header.dst_port), le32toh(header.src_port));
	if (le16toh(header.op) == VIRTIO_VSOCK_OP_REQUEST && !connection) {
		vsock_guest_request(vsock, &header);
		return;
	}
	if (!connection) {
		if (le16toh(header.op) != VIRTIO_VSOCK_OP_RST)
			vsock_refuse(vsock, &header);
		return;
	}
	count = 0;
	if (length != UINT32_MAX && length)
		count = virtqueue_iov_slice(chain->iov, chain->out_count, VSOCK_HEADER, length,
					    payload, VSOCK_IOVECS);
	vsock_connection_packet(connection, &header, payload, count, length);
}

void vsock_transmit(struct vsock *vsock)
{
	struct virtqueue *queue = &vsock->device.queues[VSOCK_TX];
	unsigned int budget = BUDGET;
	bool again = true;

	virtqueue_disable_kicks(queue);
	while (budget && again) {
		struct virtqueue_chain chain;
		int r = virtqueue_pop(queue, &chain, vsock->tx_iov, VSOCK_IOVECS);

		if (r < 0) {
			queue_broken(vsock, queue, NULL);
			return;
		}
		if (r == 0) {
			again = virtqueue_enable_kicks(queue);
			continue;
		}
		take_packet(vsock, &chain);
		virtqueue_push(queue, chain.head, 0);
		budget--;
	}
	virtio_device_notify(&vsock->device, VSOCK_TX);
	if (!budget)
		virtio_device_kick(&vsock->device, VSOCK_TX);
}

/* Make sure that rx_chain is a buffer with room for a header. */
static bool hold_buffer(struct vsock *vsock)
{
	struct virtqueue *queue = &vsock->device.queues[VSOCK_RX];
	int r;

	if (vsock->rx_held)
		return true;
	virtqueue_disable_kicks(queue);
	do {
		r = virtqueue_pop(queue, &vsock->rx_chain, vsock->rx_iov, VSOCK_IOVECS);
	} while (r == 0 && virtqueue_enable_kicks(queue));
	if (r < 0 || (r > 0 && vsock->rx_chain.in_bytes < VSOCK_HEADER)) {
		queue_broken(vsock, queue, "receive buffer without room for a header");
		return false;
	}
	vsock->rx_held = r > 0;
	return vsock->rx_held;
}

/* Complete the header and give the held buffer to the guest. */
static void give(struct vsock *vsock, struct virtio_vsock_hdr *header)
{
	struct virtqueue_chain *chain = &vsock->rx_chain;

	header->src_cid = htole64(VSOCK_HOST_CID);
	header->dst_cid = htole64(vsock->cid);
	if (!header->type)
		header->type = htole16(VIRTIO_VSOCK_TYPE_STREAM);
	virtqueue_iov_write(chain->iov + chain->out_count, chain->in_count, 0, header,
			    sizeof(*header));
	virtqueue_push(&vsock->device.queues[VSOCK_RX], chain->head,
		       VSOCK_HEADER + le32toh(header->len));
	vsock->rx_held = false;
}

static void give_reset(struct vsock *vsock)
{
	struct virtio_vsock_hdr header = {
		.src_port = htole32(vsock->resets[0].host_port),
		.dst_port = htole32(vsock->resets[0].guest_port),
		.type = htole16(vsock->resets[0].type),
		.op = htole16(VIRTIO_VSOCK_OP_RST),
	};

	vsock->reset_count--;
	memmove(vsock->resets, vsock->resets + 1, vsock->reset_count * sizeof(vsock->resets[0]));
	give(vsock, &header);
}

static struct vsock_connection *next_ready(struct vsock *vsock)
{
	struct vsock_connection *connection = vsock->ready_first;

	vsock->ready_first = connection->next_ready;
	if (!vsock->ready_first)
		vsock->ready_last = NULL;
	connection->next_ready = NULL;
	connection->ready = false;
	return connection;
}

void vsock_receive(struct vsock *vsock)
{
	unsigned int budget = BUDGET;

	while (budget && (vsock->reset_count || vsock->ready_first) && hold_buffer(vsock)) {
		struct virtqueue_chain *chain = &vsock->rx_chain;
		struct virtio_vsock_hdr header = {0};
		struct iovec payload[VSOCK_IOVECS];
		struct vsock_connection *connection;
		uint32_t count;
		int r;

		budget--;
		if (vsock->reset_count) {
			give_reset(vsock);
			continue;
		}
		connection = next_ready(vsock);
		count = virtqueue_iov_slice(chain->iov + chain->out_count, chain->in_count,
					    VSOCK_HEADER, SIZE_MAX, payload, VSOCK_IOVECS);
		r = vsock_connection_next(connection, &header, payload, count);
		if (r)
			give(vsock, &header);
		/* One packet each, then the next connection. */
		if (r != 2 && vsock_connection_has_more(connection))
			vsock_mark_ready(connection);
	}
	virtio_device_notify(&vsock->device, VSOCK_RX);
	if (!budget)
		virtio_device_kick(&vsock->device, VSOCK_RX);
}

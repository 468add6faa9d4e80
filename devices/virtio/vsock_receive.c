/* SPDX-License-Identifier: Apache-2.0 */
/* What the guest gets. */
#include <endian.h>
#include <string.h>

#include "devices/virtio/vsock_internal.h"

/* Make sure that rx_chain is a buffer with room for a header. */
static bool hold_buffer(struct vsock *vsock)
{
	struct virtqueue *queue = &vsock->device.queues[VSOCK_RX];
	int result;

	if (vsock->rx_held)
		return true;
	virtqueue_disable_kicks(queue);
	do {
		result = virtqueue_pop(queue, &vsock->rx_chain, vsock->rx_iov, VSOCK_IOVECS);
	} while (result == 0 && virtqueue_enable_kicks(queue));
	if (result < 0 || (result > 0 && vsock->rx_chain.in_bytes < VSOCK_HEADER)) {
		vsock_queue_broken(vsock, queue, "receive buffer without room for a header");
		return false;
	}
	vsock->rx_held = result > 0;
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

void vsock_receive(struct vsock *vsock)
{
	unsigned int budget = VSOCK_BUDGET;

	while (budget && (vsock->reset_count || vsock->ready_first) && hold_buffer(vsock)) {
		struct virtqueue_chain *chain = &vsock->rx_chain;
		struct virtio_vsock_hdr header = {0};
		struct iovec payload[VSOCK_IOVECS];
		struct vsock_connection *connection;
		uint32_t count;
		int result;

		budget--;
		if (vsock->reset_count) {
			give_reset(vsock);
			continue;
		}
		connection = vsock_next_ready(vsock);
		count = virtqueue_iov_slice(chain->iov + chain->out_count, chain->in_count,
					    VSOCK_HEADER, SIZE_MAX, payload, VSOCK_IOVECS);
		result = vsock_connection_next(connection, &header, payload, count);
		if (result)
			give(vsock, &header);
		/* One packet each, then the next connection. */
		if (result != 2 && vsock_connection_has_more(connection))
			vsock_mark_ready(connection);
	}
	virtio_device_notify(&vsock->device, VSOCK_RX);
	if (!budget)
		virtio_device_kick(&vsock->device, VSOCK_RX);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What the guest sent. */
#include <endian.h>

#include "devices/virtio/vsock_internal.h"

_Static_assert(sizeof(struct virtio_vsock_hdr) == VSOCK_HEADER, "virtio 1.2, 5.10.6");

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
	unsigned int budget = VSOCK_BUDGET;
	bool again = true;

	virtqueue_disable_kicks(queue);
	while (budget && again) {
		struct virtqueue_chain chain;
		int result = virtqueue_pop(queue, &chain, vsock->tx_iov, VSOCK_IOVECS);

		if (result < 0) {
			vsock_queue_broken(vsock, queue, NULL);
			return;
		}
		if (result == 0) {
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

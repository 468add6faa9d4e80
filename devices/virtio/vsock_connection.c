/* SPDX-License-Identifier: Apache-2.0 */
/* The protocol of one connection (virtio 1.2, 5.10.6): what its packets do, what it sends next. */
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/virtio/vsock_internal.h"

#define BOTH_WAYS (VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND)

/* Guest to host. */

/* Write what is buffered. Returns false when the host's end is gone. */
bool vsock_flush(struct vsock_connection *connection)
{
	while (connection->buffered) {
		ssize_t n = send(connection->fd, connection->buffer + connection->buffer_start,
				 connection->buffered, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN || errno == EWOULDBLOCK;
		connection->buffer_start += (uint32_t)n;
		connection->buffered -= (uint32_t)n;
		connection->forwarded += (uint32_t)n;
	}
	connection->buffer_start = 0;
	free(connection->buffer);
	connection->buffer = NULL;
	return true;
}

/* The guest must hear of the room before it believes that there is none. */
void vsock_consider_credit(struct vsock_connection *connection)
{
	if (connection->forwarded - connection->told >= VSOCK_BUFFER / 2) {
		connection->send_credit = true;
		vsock_mark_ready(connection);
	}
}

/* After everything was written: do what the guest's SHUTDOWN asked for. */
void vsock_follow_shutdown(struct vsock_connection *connection)
{
	if (connection->buffered || connection->state != VSOCK_OPEN)
		return;
	if ((connection->guest_shutdown & BOTH_WAYS) == BOTH_WAYS) {
		vsock_abort(connection);
	} else if ((connection->guest_shutdown & VIRTIO_VSOCK_SHUTDOWN_SEND) &&
		   !connection->write_shut) {
		shutdown(connection->fd, SHUT_WR);
		connection->write_shut = true;
	}
}

/* Keep @length bytes of @iov from @offset on until the host's end takes them. */
static bool keep(struct vsock_connection *connection, const struct iovec *iov, uint32_t count,
		 uint32_t offset, uint32_t length)
{
	if (!connection->buffer)
		connection->buffer = malloc(VSOCK_BUFFER);
	if (!connection->buffer)
		return false;
	if (connection->buffer_start) {
		memmove(connection->buffer, connection->buffer + connection->buffer_start,
			connection->buffered);
		connection->buffer_start = 0;
	}
	virtqueue_iov_read(iov, count, offset, connection->buffer + connection->buffered, length);
	connection->buffered += length;
	return true;
}

static void take_data(struct vsock_connection *connection, struct iovec *iov, uint32_t count,
		      uint32_t length)
{
	struct msghdr message = {.msg_iov = iov, .msg_iovlen = count};
	ssize_t n = 0;

	/* More than the window that we announced (5.10.6.3.1), or data after "no more". */
	if (length > VSOCK_BUFFER - connection->buffered ||
	    (connection->guest_shutdown & VIRTIO_VSOCK_SHUTDOWN_SEND)) {
		vsock_abort(connection);
		return;
	}
	vsock_count(connection->vsock, VSOCK_TX_BYTES, length);
	if (connection->buffered == 0 && length) {
		do {
			n = sendmsg(connection->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
		} while (n < 0 && errno == EINTR);
		if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
			vsock_abort(connection);
			return;
		}
		if (n < 0)
			n = 0;
		connection->forwarded += (uint32_t)n;
	}
	if ((uint32_t)n < length &&
	    !keep(connection, iov, count, (uint32_t)n, length - (uint32_t)n)) {
		vsock_abort(connection);
		return;
	}
	vsock_consider_credit(connection);
}

static void established(struct vsock_connection *connection)
{
	char line[32];
	int length = snprintf(line, sizeof(line), "OK %u\n", connection->host_port);

	if (send(connection->fd, line, (size_t)length, MSG_NOSIGNAL | MSG_DONTWAIT) != length) {
		vsock_abort(connection);
		return;
	}
	connection->state = VSOCK_OPEN;
	vsock_count(connection->vsock, VSOCK_CONNECTIONS, 1);
}

void vsock_connection_packet(struct vsock_connection *connection,
			     const struct virtio_vsock_hdr *header, struct iovec *iov,
			     uint32_t count, uint32_t length)
{
	uint16_t op = le16toh(header->op);

	if (op == VIRTIO_VSOCK_OP_RST) {
		if (connection->fd >= 0)
			vsock_flush(connection); /* what fits; nobody waits for more */
		vsock_end(connection);
		return;
	}
	if (connection->state == VSOCK_CLOSING)
		return; /* its RST is under way */
	connection->guest_buf_alloc = le32toh(header->buf_alloc);
	connection->guest_fwd_cnt = le32toh(header->fwd_cnt);
	if (length == UINT32_MAX ||
	    (connection->state == VSOCK_REQUESTED) != (op == VIRTIO_VSOCK_OP_RESPONSE)) {
		vsock_abort(connection);
		return;
	}
	switch (op) {
	case VIRTIO_VSOCK_OP_RESPONSE:
		established(connection);
		break;
	case VIRTIO_VSOCK_OP_RW:
		take_data(connection, iov, count, length);
		break;
	case VIRTIO_VSOCK_OP_SHUTDOWN:
		connection->guest_shutdown |= le32toh(header->flags) & BOTH_WAYS;
		vsock_follow_shutdown(connection);
		break;
	case VIRTIO_VSOCK_OP_CREDIT_REQUEST:
		connection->send_credit = true;
		break;
	case VIRTIO_VSOCK_OP_CREDIT_UPDATE:
		break;
	default: /* a second REQUEST, or nothing that exists */
		vsock_abort(connection);
		return;
	}
	if (vsock_connection_has_more(connection))
		vsock_mark_ready(connection);
}

/* Host to guest. */

static uint32_t credit(const struct vsock_connection *connection)
{
	uint32_t under_way = connection->sent - connection->guest_fwd_cnt;

	return under_way < connection->guest_buf_alloc ? connection->guest_buf_alloc - under_way
						       : 0;
}

static bool may_read(const struct vsock_connection *connection)
{
	return connection->state == VSOCK_OPEN && connection->readable && !connection->eof &&
	       !(connection->guest_shutdown & VIRTIO_VSOCK_SHUTDOWN_RCV) && credit(connection) > 0;
}

bool vsock_connection_has_more(const struct vsock_connection *connection)
{
	return connection->state == VSOCK_CLOSING || connection->send_request ||
	       connection->send_response || connection->send_credit || connection->send_shutdown ||
	       may_read(connection);
}

/* Read from the host's end into the guest's buffer. Returns the bytes, 0 when there are none. */
static uint32_t read_data(struct vsock_connection *connection, const struct iovec *iov,
			  uint32_t count)
{
	struct iovec limited[VSOCK_IOVECS];
	uint32_t room = credit(connection);
	struct msghdr message = {.msg_iov = limited};
	ssize_t n;

	message.msg_iovlen = virtqueue_iov_slice(iov, count, 0, room, limited, VSOCK_IOVECS);
	if (message.msg_iovlen == 0) {
		vsock_abort(connection); /* a receive buffer without room for data */
		return 0;
	}
	do {
		n = recvmsg(connection->fd, &message, MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n > 0) {
		connection->sent += (uint32_t)n;
		vsock_count(connection->vsock, VSOCK_RX_BYTES, (uint64_t)n);
		return (uint32_t)n;
	}
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
		connection->readable = false;
		return 0;
	}
	connection->eof = true;
	connection->send_shutdown = true;
	connection->shutdown_flags |= VIRTIO_VSOCK_SHUTDOWN_SEND;
	if (n < 0)
		connection->shutdown_flags |= BOTH_WAYS;
	return 0;
}

int vsock_connection_next(struct vsock_connection *connection, struct virtio_vsock_hdr *header,
			  const struct iovec *iov, uint32_t count)
{
	uint16_t op;

	header->src_port = htole32(connection->host_port);
	header->dst_port = htole32(connection->guest_port);
	if (connection->state == VSOCK_CLOSING) {
		header->op = htole16(VIRTIO_VSOCK_OP_RST);
		vsock_end(connection);
		return 2;
	}
	if (connection->send_request) {
		op = VIRTIO_VSOCK_OP_REQUEST;
		connection->send_request = false;
	} else if (connection->send_response) {
		op = VIRTIO_VSOCK_OP_RESPONSE;
		connection->send_response = false;
	} else if (may_read(connection) &&
		   (header->len = htole32(read_data(connection, iov, count)))) {
		op = VIRTIO_VSOCK_OP_RW;
	} else if (connection->state == VSOCK_CLOSING) {
		return 0;
	} else if (connection->send_shutdown) {
		op = VIRTIO_VSOCK_OP_SHUTDOWN;
		header->flags = htole32(connection->shutdown_flags);
		connection->send_shutdown = false;
	} else if (connection->send_credit) {
		op = VIRTIO_VSOCK_OP_CREDIT_UPDATE;
	} else {
		return 0;
	}
	header->op = htole16(op);
	header->buf_alloc = htole32(VSOCK_BUFFER);
	header->fwd_cnt = htole32(connection->forwarded);
	connection->told = connection->forwarded;
	connection->send_credit = false;
	return 1;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "devices/virtio/vsock_internal.h"

#define BOTH_WAYS    (VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND)
#define ACCEPT_BATCH 16u

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

static void insert(struct vsock_connection *connection)
{
	struct vsock_connection **place =
		bucket(connection->vsock, connection->host_port, connection->guest_port);

	connection->next_in_bucket = *place;
	*place = connection;
}

static void take_out(struct vsock_connection *connection)
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

static void destroy(struct vsock_connection *connection)
{
	remove_ready(connection);
	take_out(connection);
	event_source_remove(connection->source);
	if (connection->fd >= 0)
		close(connection->fd);
	free(connection->buffer);
	connection->vsock->connection_count--;
	free(connection);
}

/* Tell the guest that it is over; the host's end is closed now. */
static void abort_connection(struct vsock_connection *connection)
{
	event_source_remove(connection->source);
	connection->source = NULL;
	if (connection->fd >= 0)
		close(connection->fd);
	connection->fd = -1;
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

/* Guest to host. */

/* Write what is buffered. Returns false when the host's end is gone. */
static bool flush_buffer(struct vsock_connection *connection)
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
static void consider_credit(struct vsock_connection *connection)
{
	if (connection->forwarded - connection->told >= VSOCK_BUFFER / 2) {
		connection->send_credit = true;
		vsock_mark_ready(connection);
	}
}

/* After everything was written: do what the guest's SHUTDOWN asked for. */
static void follow_shutdown(struct vsock_connection *connection)
{
	if (connection->buffered || connection->state != VSOCK_OPEN)
		return;
	if ((connection->guest_shutdown & BOTH_WAYS) == BOTH_WAYS) {
		abort_connection(connection);
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
		abort_connection(connection);
		return;
	}
	vsock_count(connection->vsock, VSOCK_TX_BYTES, length);
	if (connection->buffered == 0 && length) {
		do {
			n = sendmsg(connection->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
		} while (n < 0 && errno == EINTR);
		if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
			abort_connection(connection);
			return;
		}
		if (n < 0)
			n = 0;
		connection->forwarded += (uint32_t)n;
	}
	if ((uint32_t)n < length &&
	    !keep(connection, iov, count, (uint32_t)n, length - (uint32_t)n)) {
		abort_connection(connection);
		return;
	}
	consider_credit(connection);
}

static void established(struct vsock_connection *connection)
{
	char line[32];
	int length = snprintf(line, sizeof(line), "OK %u\n", connection->host_port);

	if (send(connection->fd, line, (size_t)length, MSG_NOSIGNAL | MSG_DONTWAIT) != length) {
		abort_connection(connection);
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
			flush_buffer(connection); /* what fits; nobody waits for more */
		destroy(connection);
		return;
	}
	if (connection->state == VSOCK_CLOSING)
		return; /* its RST is under way */
	connection->guest_buf_alloc = le32toh(header->buf_alloc);
	connection->guest_fwd_cnt = le32toh(header->fwd_cnt);
	if (length == UINT32_MAX ||
	    (connection->state == VSOCK_REQUESTED) != (op == VIRTIO_VSOCK_OP_RESPONSE)) {
		abort_connection(connection);
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
		follow_shutdown(connection);
		break;
	case VIRTIO_VSOCK_OP_CREDIT_REQUEST:
		connection->send_credit = true;
		break;
	case VIRTIO_VSOCK_OP_CREDIT_UPDATE:
		break;
	default: /* a second REQUEST, or nothing that exists */
		abort_connection(connection);
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
		abort_connection(connection); /* a receive buffer without room for data */
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
		destroy(connection);
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

/* The host's ends. */

static void start_request(struct vsock_connection *connection, uint32_t guest_port)
{
	struct vsock *vsock = connection->vsock;

	take_out(connection);
	do {
		if (vsock->next_port < VSOCK_FIRST_HOST_PORT || vsock->next_port == UINT32_MAX)
			vsock->next_port = VSOCK_FIRST_HOST_PORT;
		connection->host_port = vsock->next_port++;
	} while (vsock_find(vsock, connection->host_port, guest_port));
	connection->guest_port = guest_port;
	connection->state = VSOCK_REQUESTED;
	connection->send_request = true;
	insert(connection);
	vsock_mark_ready(connection);
}

/* "CONNECT <port>\n". Returns false when the connection is gone. */
static bool read_handshake(struct vsock_connection *connection)
{
	char *text = connection->handshake, *end;
	unsigned long port;

	for (;;) {
		/* Byte by byte: what follows the line is data for the guest. */
		ssize_t n =
			recv(connection->fd, text + connection->handshake_length, 1, MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			connection->readable = false;
			return true;
		}
		if (n <= 0)
			break;
		if (text[connection->handshake_length] != '\n') {
			if (++connection->handshake_length == VSOCK_HANDSHAKE)
				break;
			continue;
		}
		text[connection->handshake_length] = '\0';
		if (strncmp(text, "CONNECT ", 8) || text[8] < '0' || text[8] > '9')
			break;
		errno = 0;
		port = strtoul(text + 8, &end, 10);
		if (*end || errno || port > UINT32_MAX)
			break;
		start_request(connection, (uint32_t)port);
		return true;
	}
	destroy(connection);
	return false;
}

static void socket_event(void *opaque, uint32_t events)
{
	struct vsock_connection *connection = opaque;
	struct vsock *vsock = connection->vsock;

	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		connection->readable = true;
	if (connection->state == VSOCK_HANDSHAKING) {
		if (!read_handshake(connection))
			return;
	} else if (connection->state == VSOCK_REQUESTED && (events & (EPOLLHUP | EPOLLERR))) {
		abort_connection(connection); /* the host lost its patience */
	}
	if (connection->state == VSOCK_OPEN) {
		if (connection->buffered && !flush_buffer(connection)) {
			abort_connection(connection);
		} else {
			consider_credit(connection);
			if ((events & EPOLLHUP) &&
			    !(connection->shutdown_flags & VIRTIO_VSOCK_SHUTDOWN_RCV)) {
				/* Both directions are closed: the guest need not send. What is
				 * left to read is only worth it when the guest wants it. */
				connection->shutdown_flags |= VIRTIO_VSOCK_SHUTDOWN_RCV;
				if (connection->guest_shutdown & VIRTIO_VSOCK_SHUTDOWN_RCV) {
					connection->shutdown_flags |= VIRTIO_VSOCK_SHUTDOWN_SEND;
					connection->eof = true;
				}
				connection->send_shutdown = connection->eof;
			}
			follow_shutdown(connection);
		}
	}
	if (vsock_connection_has_more(connection))
		vsock_mark_ready(connection);
	vsock_receive(vsock);
}

static int watch(struct vsock_connection *connection)
{
	return event_loop_add(connection->vsock->device.environment.loop, connection->fd,
			      EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, socket_event, connection,
			      &connection->source);
}

/* Takes @fd over, also when it fails. */
static struct vsock_connection *add_connection(struct vsock *vsock, int fd, enum vsock_state state,
					       uint32_t host_port, uint32_t guest_port)
{
	struct vsock_connection *connection = NULL;

	if (vsock->connection_count < vsock->max_connections)
		connection = calloc(1, sizeof(*connection));
	else
		log_limited(vsock->device.environment.logger, &vsock->limit, LOG_LEVEL_WARNING,
			    vsock->name, "vsock: a connection is refused: %u are open already",
			    vsock->connection_count);
	if (!connection) {
		close(fd);
		return NULL;
	}
	connection->vsock = vsock;
	connection->fd = fd;
	connection->state = state;
	connection->host_port = host_port;
	connection->guest_port = guest_port;
	vsock->connection_count++;
	insert(connection);
	if (watch(connection)) {
		destroy(connection);
		return NULL;
	}
	return connection;
}

void vsock_accept(struct vsock *vsock)
{
	unsigned int i;

	for (i = 0; i < ACCEPT_BATCH; i++) {
		int fd = accept4(vsock->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0)
			return;
		add_connection(vsock, fd, VSOCK_HANDSHAKING, 0, 0);
	}
}

void vsock_guest_request(struct vsock *vsock, const struct virtio_vsock_hdr *header)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	uint32_t port = le32toh(header->dst_port);
	struct vsock_connection *connection = NULL;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int length =
		snprintf(address.sun_path, sizeof(address.sun_path), "%s_%u", vsock->path, port);

	if (fd >= 0 && length > 0 && (size_t)length < sizeof(address.sun_path) &&
	    connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		connection = add_connection(vsock, fd, VSOCK_OPEN, port, le32toh(header->src_port));
	else if (fd >= 0)
		close(fd);
	if (!connection) {
		vsock_refuse(vsock, header);
		return;
	}
	connection->guest_buf_alloc = le32toh(header->buf_alloc);
	connection->guest_fwd_cnt = le32toh(header->fwd_cnt);
	connection->send_response = true;
	vsock_count(vsock, VSOCK_CONNECTIONS, 1);
	vsock_mark_ready(connection);
}

void vsock_close_all(struct vsock *vsock)
{
	uint32_t i;

	for (i = 0; i < VSOCK_BUCKETS; i++)
		while (vsock->buckets[i])
			destroy(vsock->buckets[i]);
	vsock->reset_count = 0;
}

void vsock_unwatch_all(struct vsock *vsock)
{
	struct vsock_connection *connection;
	uint32_t i;

	for (i = 0; i < VSOCK_BUCKETS; i++)
		for (connection = vsock->buckets[i]; connection;
		     connection = connection->next_in_bucket) {
			event_source_remove(connection->source);
			connection->source = NULL;
		}
}

int vsock_watch_all(struct vsock *vsock)
{
	struct vsock_connection *connection;
	uint32_t i;
	int r;

	for (i = 0; i < VSOCK_BUCKETS; i++)
		for (connection = vsock->buckets[i]; connection;
		     connection = connection->next_in_bucket) {
			if (connection->fd < 0)
				continue;
			r = watch(connection);
			if (r)
				return r;
		}
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The host's ends: UNIX sockets that connect to the guest, or that the guest connects to. */
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/fd.h"
#include "devices/virtio/vsock_internal.h"

#define ACCEPT_BATCH 16u

static void start_request(struct vsock_connection *connection, uint32_t guest_port)
{
	struct vsock *vsock = connection->vsock;

	vsock_take_out(connection);
	do {
		if (vsock->next_port < VSOCK_FIRST_HOST_PORT || vsock->next_port == UINT32_MAX)
			vsock->next_port = VSOCK_FIRST_HOST_PORT;
		connection->host_port = vsock->next_port++;
	} while (vsock_find(vsock, connection->host_port, guest_port));
	connection->guest_port = guest_port;
	connection->state = VSOCK_REQUESTED;
	connection->send_request = true;
	vsock_insert(connection);
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
	vsock_end(connection);
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
		vsock_abort(connection); /* the host lost its patience */
	}
	if (connection->state == VSOCK_OPEN) {
		if (connection->buffered && !vsock_flush(connection)) {
			vsock_abort(connection);
		} else {
			vsock_consider_credit(connection);
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
			vsock_follow_shutdown(connection);
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
	vsock_insert(connection);
	if (watch(connection)) {
		vsock_end(connection);
		return NULL;
	}
	return connection;
}

/* An expiry that comes sooner than asked does no harm. */
static void arm_timer(struct vsock *vsock, uint32_t ms)
{
	if (vsock->timer_armed && ms >= VSOCK_SWEEP_MS)
		return;
	vsock->timer_armed = !event_timer_set(vsock->timer, ms * 1000000ull, 0);
}

/* They stay in the backlog meanwhile, and the loop does not spin. */
static void accept_later(struct vsock *vsock, int error)
{
	log_limited(vsock->device.environment.logger, &vsock->limit, LOG_LEVEL_WARNING, vsock->name,
		    "vsock socket %s: cannot take a connection: %s; it is tried again every %u ms",
		    vsock->path, strerror(error), VSOCK_ACCEPT_RETRY_MS);
	vsock->listener_silent = true;
	event_source_modify(vsock->listen_source, 0);
	arm_timer(vsock, VSOCK_ACCEPT_RETRY_MS);
}

void vsock_accept(struct vsock *vsock)
{
	unsigned int i;

	for (i = 0; i < ACCEPT_BATCH; i++) {
		int fd = accept4(vsock->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		struct vsock_connection *connection;

		if (fd < 0 && (errno == EAGAIN || errno == ECONNABORTED || errno == EINTR))
			return;
		if (fd < 0) {
			accept_later(vsock, errno);
			return;
		}
		connection = add_connection(vsock, fd, VSOCK_HANDSHAKING, 0, 0);
		if (!connection)
			continue;
		connection->since_ms = clock_now_ms();
		arm_timer(vsock, VSOCK_SWEEP_MS);
	}
}

/* Connections without ports are in one bucket. Returns how many shake hands still. */
static unsigned int end_late_handshakes(struct vsock *vsock)
{
	struct vsock_connection *connection = vsock->buckets[0], *next;
	uint64_t now = clock_now_ms();
	unsigned int left = 0;

	for (; connection; connection = next) {
		next = connection->next_in_bucket;
		if (connection->state != VSOCK_HANDSHAKING)
			continue;
		if (now - connection->since_ms < VSOCK_HANDSHAKE_MS) {
			left++;
			continue;
		}
		log_limited(vsock->device.environment.logger, &vsock->limit, LOG_LEVEL_WARNING,
			    vsock->name,
			    "vsock socket %s: a connection is closed: it did not send \"CONNECT "
			    "PORT\" within %u s",
			    vsock->path, VSOCK_HANDSHAKE_MS / 1000);
		vsock_end(connection);
	}
	return left;
}

void vsock_timer_expired(struct vsock *vsock)
{
	vsock->timer_armed = false;
	if (vsock->listener_silent)
		event_source_modify(vsock->listen_source, EPOLLIN);
	vsock->listener_silent = false;
	if (end_late_handshakes(vsock))
		arm_timer(vsock, VSOCK_SWEEP_MS);
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
	else
		fd_close(&fd);
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
	int result;

	for (i = 0; i < VSOCK_BUCKETS; i++)
		for (connection = vsock->buckets[i]; connection;
		     connection = connection->next_in_bucket) {
			if (connection->fd < 0)
				continue;
			result = watch(connection);
			if (result)
				return result;
		}
	return 0;
}

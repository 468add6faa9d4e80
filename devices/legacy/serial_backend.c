/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/legacy/serial_backend.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/fd.h"
#include "devices/legacy/serial_open.h"

#define OUTPUT_SIZE     65536u
#define OUTPUT_HIGH     4096u    /* written at once instead of by the timer */
#define OUTPUT_DELAY_NS 1000000u /* how long bytes are collected */
#define INPUT_SIZE      4096u
#define ACCEPT_RETRY_NS 1000000000u

struct byte_ring {
	uint8_t *bytes;
	size_t size;
	size_t start;
	size_t count;
};

struct serial_backend {
	const char *name;
	const struct logger *logger;
	struct event_loop *loop;
	pthread_mutex_t lock; /* for everything below */
	struct serial_channel channel;
	void (*ready)(void *opaque);
	void *ready_opaque;

	struct byte_ring input;
	bool input_ended; /* end of file: watch it no more */
	struct byte_ring output;
	bool timer_armed;
	bool output_blocked; /* wait for EPOLLOUT */
	uint64_t dropped;
	uint64_t finish_ms; /* when serial_backend_finish() gives up; 0: it was not called */
	struct log_ratelimit dropped_limit;
	struct log_ratelimit client_limit; /* clients come and go as they like */

	struct event_source *timer;
	struct event_source *listen_source;
	struct event_source *input_source;
	struct event_source *output_source; /* when it is not the input's descriptor */
};

static size_t ring_room(const struct byte_ring *ring)
{
	return ring->size - ring->count;
}

/* The longest piece that can be filled / taken in one go. */
static uint8_t *ring_free_piece(const struct byte_ring *ring, size_t *count)
{
	size_t end = (ring->start + ring->count) % ring->size;

	*count = ring->size - end < ring_room(ring) ? ring->size - end : ring_room(ring);
	return ring->bytes + end;
}

static const uint8_t *ring_used_piece(const struct byte_ring *ring, size_t *count)
{
	*count = ring->size - ring->start < ring->count ? ring->size - ring->start : ring->count;
	return ring->bytes + ring->start;
}

static void ring_discard(struct byte_ring *ring, size_t count)
{
	ring->start = (ring->start + count) % ring->size;
	ring->count -= count;
}

/* @count is at most the room. */
static void ring_put(struct byte_ring *ring, const uint8_t *bytes, size_t count)
{
	while (count > 0) {
		size_t piece;
		uint8_t *place = ring_free_piece(ring, &piece);

		if (piece > count)
			piece = count;
		memcpy(place, bytes, piece);
		ring->count += piece;
		bytes += piece;
		count -= piece;
	}
}

/* One write that does not wait. Returns the bytes taken or -errno. Caller holds the lock. */
static ssize_t channel_write(struct serial_channel *channel, const uint8_t *bytes, size_t count)
{
	ssize_t written;

	if (channel->output_is_socket) {
		written = send(channel->output_fd, bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL);
	} else if (channel->output_may_block) {
		struct pollfd wait = {.fd = channel->output_fd, .events = POLLOUT};

		if (poll(&wait, 1, 0) <= 0)
			return -EAGAIN;
		written = write(channel->output_fd, bytes, 1);
	} else {
		written = write(channel->output_fd, bytes, count);
	}
	return written < 0 ? -errno : written;
}

/* The events that the descriptor of the input is watched for. Caller holds the lock. */
static uint32_t backend_input_events(const struct serial_backend *backend)
{
	uint32_t events = 0;

	if (!backend->input_ended && ring_room(&backend->input) > 0)
		events |= EPOLLIN;
	if (backend->output_blocked && backend->channel.output_fd == backend->channel.input_fd)
		events |= EPOLLOUT;
	/* A client may leave at any time; other descriptors are left alone when not needed. */
	if (backend->channel.listen_fd >= 0)
		events |= EPOLLHUP;
	return events;
}

/* Caller holds the lock. */
static void backend_watch(struct serial_backend *backend)
{
	if (backend->input_source)
		event_source_modify(backend->input_source, backend_input_events(backend));
	if (backend->output_source)
		event_source_modify(backend->output_source, backend->output_blocked ? EPOLLOUT : 0);
}

static void backend_count_dropped(struct serial_backend *backend, size_t count)
{
	backend->dropped += count;
	/* That a socket has no client at the moment is no news. */
	if (backend->channel.output_fd >= 0)
		log_limited(backend->logger, &backend->dropped_limit, LOG_LEVEL_WARNING,
			    backend->name,
			    "nobody takes the output: %" PRIu64 " bytes dropped so far",
			    backend->dropped);
}

/* Writes as much as goes without waiting. Caller holds the lock. */
static void backend_drain(struct serial_backend *backend)
{
	bool was_blocked = backend->output_blocked;

	backend->output_blocked = false;
	while (backend->output.count > 0 && backend->channel.output_fd >= 0) {
		size_t piece;
		const uint8_t *bytes = ring_used_piece(&backend->output, &piece);
		ssize_t written = channel_write(&backend->channel, bytes, piece);

		if (written == -EINTR)
			continue;
		if (written == -EAGAIN) {
			backend->output_blocked = true;
			break;
		}
		if (written <= 0) {
			/* A client that left is noticed by the event loop; a full disk or a closed
			 * pipe must not fill the buffer for ever. */
			backend_count_dropped(backend, backend->output.count);
			ring_discard(&backend->output, backend->output.count);
			break;
		}
		ring_discard(&backend->output, (size_t)written);
	}
	if (backend->output_blocked != was_blocked)
		backend_watch(backend);
}

void serial_backend_write(struct serial_backend *backend, const uint8_t *bytes, size_t count)
{
	pthread_mutex_lock(&backend->lock);
	/* Nobody will ever read it. That there is no client now is not the same: one may come. */
	if (backend->channel.output_fd < 0 && backend->channel.listen_fd < 0)
		goto unlock;
	if (count > OUTPUT_SIZE) {
		backend_count_dropped(backend, count - OUTPUT_SIZE);
		bytes += count - OUTPUT_SIZE;
		count = OUTPUT_SIZE;
	}
	if (count > ring_room(&backend->output)) {
		size_t excess = count - ring_room(&backend->output);

		ring_discard(&backend->output, excess);
		backend_count_dropped(backend, excess);
	}
	ring_put(&backend->output, bytes, count);

	if (backend->output_blocked || backend->channel.output_fd < 0)
		goto unlock;
	if (!backend->timer || backend->output.count >= OUTPUT_HIGH) {
		backend_drain(backend);
	} else if (!backend->timer_armed) {
		backend->timer_armed = event_timer_set(backend->timer, OUTPUT_DELAY_NS, 0) == 0;
		if (!backend->timer_armed)
			backend_drain(backend);
	}
unlock:
	pthread_mutex_unlock(&backend->lock);
}

void serial_backend_flush(struct serial_backend *backend)
{
	pthread_mutex_lock(&backend->lock);
	backend_drain(backend);
	pthread_mutex_unlock(&backend->lock);
}

void serial_backend_finish(struct serial_backend *backend)
{
	uint64_t now = clock_now_ms();

	pthread_mutex_lock(&backend->lock);
	if (!backend->finish_ms)
		backend->finish_ms = now + SERIAL_BACKEND_FINISH_MS;
	backend_drain(backend);
	/* A pseudo terminal takes its first pages whether somebody reads them or not. */
	while (backend->output_blocked && !backend->channel.pty_path[0] &&
	       (now = clock_now_ms()) < backend->finish_ms) {
		struct pollfd wait = {.fd = backend->channel.output_fd, .events = POLLOUT};

		poll(&wait, 1, (int)(backend->finish_ms - now));
		backend_drain(backend);
	}
	pthread_mutex_unlock(&backend->lock);
}

/* After the last write: nothing comes of what is still queued. */
static void backend_tell_lost(struct serial_backend *backend)
{
	bool somebody = backend->channel.output_fd >= 0;

	backend->dropped += backend->output.count;
	ring_discard(&backend->output, backend->output.count);
	if (!backend->dropped)
		return;
	if (somebody)
		log_warning(backend->logger, backend->name,
			    "%" PRIu64 " bytes of the output are lost: nobody took them in time",
			    backend->dropped);
	else
		log_info(backend->logger, backend->name,
			 "%" PRIu64 " bytes of the output are lost: nobody was connected",
			 backend->dropped);
}

static void backend_timer(void *opaque, uint32_t epoll_events)
{
	struct serial_backend *backend = opaque;

	(void)epoll_events;
	pthread_mutex_lock(&backend->lock);
	backend->timer_armed = false;
	backend_drain(backend);
	if (backend->listen_source && backend->channel.output_fd < 0)
		event_source_modify(backend->listen_source, EPOLLIN);
	pthread_mutex_unlock(&backend->lock);
}

static void backend_output_ready(void *opaque, uint32_t epoll_events)
{
	(void)epoll_events;
	serial_backend_flush(opaque);
}

/* Fills the input buffer without waiting. Caller holds the lock. */
static void backend_fill(struct serial_backend *backend)
{
	bool had_room = ring_room(&backend->input) > 0;
	ssize_t length = 1;

	while (!backend->input_ended && backend->channel.input_fd >= 0) {
		size_t piece;
		uint8_t *place = ring_free_piece(&backend->input, &piece);

		if (piece == 0)
			break;
		length = read(backend->channel.input_fd, place, piece);
		if (length < 0 && errno == EINTR)
			continue;
		if (length > 0)
			backend->input.count += (size_t)length;
		/* 0 is the end; EIO is the end of a terminal. */
		if (length == 0 || (length < 0 && errno != EAGAIN))
			backend->input_ended = true;
		/* A descriptor of the caller may block: only what epoll promised. */
		break;
	}
	if (backend->input_ended || (had_room && ring_room(&backend->input) == 0))
		backend_watch(backend);
}

size_t serial_backend_read(struct serial_backend *backend, uint8_t *bytes, size_t count)
{
	size_t taken = 0;
	bool was_full;

	pthread_mutex_lock(&backend->lock);
	was_full = ring_room(&backend->input) == 0;
	if (backend->channel.input_is_file && backend->input.count == 0)
		backend_fill(backend);
	while (taken < count && backend->input.count > 0) {
		size_t piece;
		const uint8_t *source = ring_used_piece(&backend->input, &piece);

		if (piece > count - taken)
			piece = count - taken;
		memcpy(bytes + taken, source, piece);
		ring_discard(&backend->input, piece);
		taken += piece;
	}
	if (was_full && taken > 0)
		backend_watch(backend);
	pthread_mutex_unlock(&backend->lock);
	return taken;
}

/* The client of the socket is gone: the next one may come. In the loop's thread. */
static void backend_drop_client(struct serial_backend *backend)
{
	struct event_source *source;

	pthread_mutex_lock(&backend->lock);
	source = backend->input_source;
	backend->input_source = NULL;
	pthread_mutex_unlock(&backend->lock);
	event_source_remove(source);

	pthread_mutex_lock(&backend->lock);
	backend->output_blocked = false;
	fd_close(&backend->channel.output_fd);
	backend->channel.input_fd = -1;
	event_source_modify(backend->listen_source, EPOLLIN);
	pthread_mutex_unlock(&backend->lock);
	log_limited(backend->logger, &backend->client_limit, LOG_LEVEL_INFO, backend->name,
		    "client disconnected");
}

static void backend_input(void *opaque, uint32_t epoll_events)
{
	struct serial_backend *backend = opaque;
	void (*ready)(void *opaque);
	void *ready_opaque;
	bool gone;

	pthread_mutex_lock(&backend->lock);
	if (epoll_events & EPOLLOUT)
		backend_drain(backend);
	if (epoll_events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		backend_fill(backend);
	gone = backend->channel.listen_fd >= 0 && (epoll_events & (EPOLLHUP | EPOLLERR));
	ready = backend->ready;
	ready_opaque = backend->ready_opaque;
	pthread_mutex_unlock(&backend->lock);

	if (ready)
		ready(ready_opaque);
	if (gone)
		backend_drop_client(backend);
}

static void backend_accept(void *opaque, uint32_t epoll_events)
{
	struct serial_backend *backend = opaque;
	int fd = accept4(backend->channel.listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	int result = fd < 0 ? -errno : 0;

	(void)epoll_events;
	/* It left before we came. */
	if (result == -EAGAIN || result == -ECONNABORTED || result == -EINTR)
		return;
	pthread_mutex_lock(&backend->lock);
	if (result == 0) {
		backend->channel.output_fd = fd;
		backend->channel.input_fd = fd;
		backend->channel.own_output = true;
		backend->channel.output_is_socket = true;
		backend->input_ended = false;
		result = event_loop_add(backend->loop, fd, backend_input_events(backend),
					backend_input, backend, &backend->input_source);
	}
	/* One at a time; others wait in the backlog. */
	event_source_modify(backend->listen_source, 0);
	if (result == 0) {
		log_limited(backend->logger, &backend->client_limit, LOG_LEVEL_INFO, backend->name,
			    "client connected");
		backend_drain(backend);
	} else {
		log_limited(backend->logger, &backend->client_limit, LOG_LEVEL_ERROR, backend->name,
			    "cannot take a client: %s", strerror(-result));
		fd_close(&backend->channel.output_fd);
		backend->channel.input_fd = -1;
		event_timer_set(backend->timer, ACCEPT_RETRY_NS, 0);
	}
	pthread_mutex_unlock(&backend->lock);
}

void serial_backend_set_receiver(struct serial_backend *backend, void (*ready)(void *opaque),
				 void *opaque)
{
	pthread_mutex_lock(&backend->lock);
	backend->ready = ready;
	backend->ready_opaque = opaque;
	pthread_mutex_unlock(&backend->lock);
}

static int backend_add_sources(struct serial_backend *backend)
{
	const struct serial_channel *channel = &backend->channel;
	int result = 0;

	if (!backend->loop)
		return 0;
	if (channel->output_fd >= 0 || channel->listen_fd >= 0)
		result = event_loop_add_timer(backend->loop, backend_timer, backend,
					      &backend->timer);
	if (result == 0 && channel->listen_fd >= 0)
		result = event_loop_add(backend->loop, channel->listen_fd, EPOLLIN, backend_accept,
					backend, &backend->listen_source);
	if (result == 0 && channel->input_fd >= 0 && !channel->input_is_file) {
		result = event_loop_add(backend->loop, channel->input_fd,
					backend_input_events(backend), backend_input, backend,
					&backend->input_source);
		/* /dev/null and its like: there is never any input. */
		if (result == -EPERM)
			result = 0;
	}
	if (result == 0 && channel->output_fd >= 0 && channel->output_fd != channel->input_fd) {
		result = event_loop_add(backend->loop, channel->output_fd, 0, backend_output_ready,
					backend, &backend->output_source);
		/* A regular file never makes us wait. */
		if (result == -EPERM)
			result = 0;
	}
	if (result < 0)
		log_error(backend->logger, backend->name, "cannot watch its descriptors: %s",
			  strerror(-result));
	return result;
}

int serial_backend_create(struct serial_backend **backend,
			  const struct serial_backend_options *options)
{
	struct serial_backend *created = calloc(1, sizeof(*created));
	int result;

	if (!created)
		return -ENOMEM;
	created->name = options->name;
	created->logger = options->logger;
	created->loop = options->loop;
	created->dropped_limit = (struct log_ratelimit)LOG_RATELIMIT_DEFAULT;
	created->client_limit = (struct log_ratelimit)LOG_RATELIMIT_DEFAULT;
	created->input.size = INPUT_SIZE;
	created->input.bytes = malloc(INPUT_SIZE);
	created->output.size = OUTPUT_SIZE;
	created->output.bytes = malloc(OUTPUT_SIZE);
	if (!created->input.bytes || !created->output.bytes ||
	    pthread_mutex_init(&created->lock, NULL) != 0) {
		free(created->input.bytes);
		free(created->output.bytes);
		free(created);
		return -ENOMEM;
	}
	result = serial_channel_open(&created->channel, options);
	if (result == 0)
		result = backend_add_sources(created);
	if (result < 0) {
		serial_backend_destroy(created);
		return result;
	}
	*backend = created;
	return 0;
}

void serial_backend_destroy(struct serial_backend *backend)
{
	if (!backend)
		return;
	event_source_remove(backend->timer);
	event_source_remove(backend->listen_source);
	event_source_remove(backend->input_source);
	event_source_remove(backend->output_source);
	backend->input_source = NULL;
	backend->output_source = NULL;
	serial_backend_finish(backend);
	backend_tell_lost(backend);
	serial_channel_close(&backend->channel);
	pthread_mutex_destroy(&backend->lock);
	free(backend->input.bytes);
	free(backend->output.bytes);
	free(backend);
}

uint64_t serial_backend_dropped(struct serial_backend *backend)
{
	uint64_t dropped;

	pthread_mutex_lock(&backend->lock);
	dropped = backend->dropped;
	pthread_mutex_unlock(&backend->lock);
	return dropped;
}

const char *serial_backend_pty_path(const struct serial_backend *backend)
{
	return backend->channel.pty_path;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "passthrough/vfio-user/channel.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>

#include "core/clock.h"
#include "core/fd.h"
#include "passthrough/vfio-user/loss.h"
#include "passthrough/vfio-user/receive.h"
#include "passthrough/vfio-user/send.h"

/* How often the event loop looks again during one read, before it leaves the rest to the reader. */
#define CHANNEL_BUSY_LIMIT 256u
/* Calls may stall one and a half times as long as a single one may, and three quarters of all time
 * after that; what is shorter than a hundredth of that limit is no stall. */
#define CHANNEL_STALL_SHARE 100u
/* How often a call looks again whether answers go out, where no event loop says so. */
#define CHANNEL_ANSWER_POLL_MS 100

int vfio_user_channel_init(struct vfio_user_channel *channel, int fd, const char *name,
			   const struct logger *logger, uint32_t timeout_ms,
			   const struct vfio_user_channel_ops *ops)
{
	struct timeval limit = {.tv_sec = (time_t)(timeout_ms / 1000),
				.tv_usec = (suseconds_t)(timeout_ms % 1000 * 1000)};
	pthread_condattr_t attribute;

	memset(channel, 0, sizeof(*channel));
	channel->fd = fd;
	channel->name = name;
	channel->logger = logger;
	channel->timeout_ms = timeout_ms;
	channel->ops = *ops;
	pthread_mutex_init(&channel->send_lock, NULL);
	pthread_mutex_init(&channel->lock, NULL);
	pthread_condattr_init(&attribute);
	pthread_condattr_setclock(&attribute, CLOCK_MONOTONIC);
	pthread_cond_init(&channel->changed, &attribute);
	pthread_condattr_destroy(&attribute);
	channel->buffer = malloc(VFIO_USER_RECEIVE_BUFFER);
	if (!channel->buffer)
		return -ENOMEM;
	/* The kernel bounds each single wait; the deadline of a call bounds their number. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)))
		return -errno;
	return 0;
}

void vfio_user_channel_destroy(struct vfio_user_channel *channel)
{
	for (unsigned int i = 0; i < 2; i++)
		vfio_user_fds_close(&channel->fds[i]);
	fd_close(&channel->fd);
	vfio_user_answers_free(&channel->answers);
	free(channel->buffer);
	channel->buffer = NULL;
	pthread_cond_destroy(&channel->changed);
	pthread_mutex_destroy(&channel->lock);
	pthread_mutex_destroy(&channel->send_lock);
}

/* Under the lock: an id that no outstanding call has. */
static uint16_t channel_new_id(struct vfio_user_channel *channel)
{
	struct vfio_user_call *call;

	do {
		channel->next_id++;
		for (call = channel->calls; call; call = call->next)
			if (call->id == channel->next_id)
				break;
	} while (call);
	return channel->next_id;
}

/* Under the lock. */
static void channel_forget(struct vfio_user_channel *channel, struct vfio_user_call *gone)
{
	struct vfio_user_call **link = &channel->calls;

	while (*link && *link != gone)
		link = &(*link)->next;
	if (*link)
		*link = gone->next;
	gone->pending = false;
}

/* Put the calls on the list and their messages on the wire. *@claimed: this thread has a claim to
 * the reader's role afterwards. */
static const char *channel_submit(struct vfio_user_channel *channel, struct vfio_user_call *calls,
				  uint32_t count, bool *claimed)
{
	struct vfio_user_header headers[VFIO_USER_CHANNEL_BATCH];
	struct iovec parts[VFIO_USER_CHANNEL_BATCH * 3];
	const char *problem;
	size_t used = 0;

	/* The order on the wire is the order of ids: nothing depends on it, but logs read well. */
	pthread_mutex_lock(&channel->send_lock);
	pthread_mutex_lock(&channel->lock);
	for (uint32_t i = 0; i < count; i++) {
		struct vfio_user_call *call = &calls[i];

		call->id = channel_new_id(channel);
		call->result = 0;
		call->reply_length = 0;
		call->reply_fds.count = 0;
		call->pending = !call->no_reply;
		if (call->pending) {
			call->next = channel->calls;
			channel->calls = call;
			if (!*claimed)
				*claimed = vfio_user_reader_step(&channel->reader,
								 VFIO_USER_READER_CLAIM) ==
					   VFIO_USER_READER_YES;
		}
		headers[i] = (struct vfio_user_header){
			.id = call->id,
			.command = call->command,
			.size = (uint32_t)sizeof(headers[i]) + call->fixed_length +
				call->data_length,
			.flags = call->no_reply ? VFIO_USER_FLAG_NO_REPLY : 0,
		};
		parts[used++] = (struct iovec){&headers[i], sizeof(headers[i])};
		if (call->fixed_length)
			parts[used++] =
				(struct iovec){(void *)(uintptr_t)call->fixed, call->fixed_length};
		if (call->data_length)
			parts[used++] =
				(struct iovec){(void *)(uintptr_t)call->data, call->data_length};
	}
	problem = channel->lost ? channel->reason : NULL;
	pthread_mutex_unlock(&channel->lock);
	if (!problem)
		problem = vfio_user_send(channel, parts, used, calls[0].fds,
					 count == 1 ? calls[0].fd_count : 0, claimed);
	pthread_mutex_unlock(&channel->send_lock);
	return problem;
}

static uint32_t channel_pending(const struct vfio_user_call *calls, uint32_t count)
{
	uint32_t pending = 0;

	for (uint32_t i = 0; i < count; i++)
		pending += calls[i].pending;
	return pending;
}

/* The server may want its answers before it sends more. Without locks. */
static void channel_wait_both(struct vfio_user_channel *channel)
{
	struct pollfd ready = {.fd = channel->fd, .events = POLLIN | POLLOUT};

	poll(&ready, 1, CHANNEL_ANSWER_POLL_MS);
	vfio_user_answers_flush(channel);
}

/* Under the lock, which is dropped while reading, and with the reader's role, which is given up. */
static void channel_read_once(struct vfio_user_channel *channel, uint32_t pending, bool wait)
{
	bool answers = channel->answers.first;
	const char *problem;

	atomic_store_explicit(&channel->poll_busy, 0, memory_order_relaxed);
	pthread_mutex_unlock(&channel->lock);
	/* Only who reads adds answers: without any there is nothing to send while it waits. */
	if (wait && answers) {
		channel_wait_both(channel);
		wait = false;
	}
	/*
	 * Every outstanding reply has a header at least, so that many bytes will come: waiting for
	 * them together saves a system call per reply. A single one is read whole at once.
	 */
	problem = vfio_user_receive(channel, wait,
				    pending > 1 ? pending * sizeof(struct vfio_user_header) : 0);
	pthread_mutex_lock(&channel->lock);
	vfio_user_reader_step(&channel->reader, VFIO_USER_READER_DONE);
	if (problem)
		vfio_user_set_lost(channel, problem);
	pthread_cond_broadcast(&channel->changed);
}

/* Under the lock: whether the caller has the reader's role from now on. */
static bool channel_may_read(struct vfio_user_channel *channel)
{
	return vfio_user_reader_step(&channel->reader, VFIO_USER_READER_READ) ==
	       VFIO_USER_READER_YES;
}

static void channel_wait(struct vfio_user_channel *channel, uint64_t deadline)
{
	struct timespec until = {.tv_sec = (time_t)(deadline / 1000),
				 .tv_nsec = (long)(deadline % 1000 * 1000000)};

	pthread_cond_timedwait(&channel->changed, &channel->lock, &until);
}

/*
 * Under the lock: a call took from @start to now. Each is bounded, but a server that is always just
 * in time would hold up the guest, and whoever waits for it, for ever. Time that several callers
 * waited counts once.
 */
static void channel_account_stall(struct vfio_user_channel *channel, uint64_t start)
{
	uint64_t now = clock_now_ms();
	uint64_t paid;

	if (now - start <= channel->timeout_ms / CHANNEL_STALL_SHARE)
		return;
	paid = (now - channel->stall_at_ms) / 4;
	channel->stall_debt_ms -= paid < channel->stall_debt_ms ? paid : channel->stall_debt_ms;
	channel->stall_debt_ms +=
		now - (start > channel->stall_at_ms ? start : channel->stall_at_ms);
	channel->stall_at_ms = now;
	if (channel->stall_debt_ms > channel->timeout_ms + channel->timeout_ms / 2)
		vfio_user_set_lost(channel, "the server has answered too slowly for too long");
}

int vfio_user_channel_call(struct vfio_user_channel *channel, struct vfio_user_call *calls,
			   uint32_t count)
{
	uint64_t start = clock_now_ms();
	uint64_t deadline = start + channel->timeout_ms;
	bool claimed = false, answers, lost;
	const char *problem;
	uint32_t pending;

	for (uint32_t i = 0; i < count; i++)
		if (calls[i].fixed_length > VFIO_USER_LIMIT_MESSAGE_SIZE ||
		    calls[i].data_length > VFIO_USER_DEFAULT_MAX_DATA_XFER_SIZE ||
		    calls[i].fd_count > VFIO_USER_LIMIT_MSG_FDS || (calls[i].fd_count && count > 1))
			return -EINVAL;
	if (!count || count > VFIO_USER_CHANNEL_BATCH)
		return -EINVAL;
	problem = channel_submit(channel, calls, count, &claimed);
	pthread_mutex_lock(&channel->lock);
	if (claimed)
		vfio_user_reader_step(&channel->reader, VFIO_USER_READER_UNCLAIM);
	if (problem)
		vfio_user_set_lost(channel, problem);
	while (!channel->lost && (pending = channel_pending(calls, count)) != 0) {
		if (clock_now_ms() >= deadline)
			vfio_user_set_lost(
				channel,
				channel->answers.first
					? "the server takes answers to its commands too slowly"
					: "the server did not answer in time");
		else if (channel_may_read(channel))
			channel_read_once(channel, pending, true);
		else
			channel_wait(channel, deadline);
	}
	/* What the event loop left to us: bytes that arrived behind our replies. */
	while (!channel->lost && channel->poll_skipped && channel_may_read(channel)) {
		channel->poll_skipped = false;
		channel_read_once(channel, 0, false);
	}
	/* A reset takes as long as the device needs, and the guest asked for it. */
	if (!channel->lost && calls[0].command != VFIO_USER_DEVICE_RESET)
		channel_account_stall(channel, start);
	lost = channel->lost;
	answers = channel->answers.first;
	for (uint32_t i = 0; i < count; i++) {
		if (calls[i].pending)
			channel_forget(channel, &calls[i]);
		if (lost)
			vfio_user_fds_close(&calls[i].reply_fds);
	}
	pthread_mutex_unlock(&channel->lock);
	if (lost)
		vfio_user_tell_lost(channel);
	else if (answers)
		vfio_user_answers_flush(channel);
	return lost ? -ENODEV : 0;
}

enum vfio_user_poll vfio_user_channel_poll(struct vfio_user_channel *channel)
{
	enum vfio_user_reader reader = atomic_load_explicit(&channel->reader, memory_order_acquire);
	enum vfio_user_poll result = VFIO_USER_POLL_DONE;

	/*
	 * Mostly the reply of a caller, which it has read by the time that epoll looks again. A
	 * claim is short; but a reader may be waiting for the server, with an answer to a command.
	 */
	if (reader == VFIO_USER_READER_CLAIMED)
		return VFIO_USER_POLL_BUSY;
	if (reader == VFIO_USER_READER_READING &&
	    atomic_fetch_add_explicit(&channel->poll_busy, 1, memory_order_relaxed) <
		    CHANNEL_BUSY_LIMIT)
		return VFIO_USER_POLL_BUSY;
	if (pthread_mutex_trylock(&channel->lock))
		return VFIO_USER_POLL_BUSY;
	switch (channel->lost ? VFIO_USER_READER_NO
			      : vfio_user_reader_step(&channel->reader, VFIO_USER_READER_POLL)) {
	case VFIO_USER_READER_YES:
		channel_read_once(channel, 0, false);
		if (!channel->lost)
			result = VFIO_USER_POLL_MORE;
		break;
	case VFIO_USER_READER_LATER:
		result = VFIO_USER_POLL_BUSY;
		break;
	case VFIO_USER_READER_LEFT:
		channel->poll_skipped = true;
		break;
	case VFIO_USER_READER_NO:
	case VFIO_USER_READER_NEVER:
	default:
		break;
	}
	pthread_mutex_unlock(&channel->lock);
	vfio_user_tell_lost(channel);
	return result;
}

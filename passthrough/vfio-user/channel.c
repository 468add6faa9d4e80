/* SPDX-License-Identifier: Apache-2.0 */
#include "passthrough/vfio-user/channel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "passthrough/vfio-user/receive.h"

/* How often the event loop looks again during one read, before it leaves the rest to the reader. */
#define CHANNEL_BUSY_LIMIT 256u

uint64_t vfio_user_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void vfio_user_fds_close(struct vfio_user_fds *fds)
{
	for (uint32_t i = 0; i < fds->count; i++)
		close(fds->fds[i]);
	fds->count = 0;
}

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
	if (channel->fd >= 0)
		close(channel->fd);
	channel->fd = -1;
	free(channel->buffer);
	channel->buffer = NULL;
	pthread_cond_destroy(&channel->changed);
	pthread_mutex_destroy(&channel->lock);
	pthread_mutex_destroy(&channel->send_lock);
}

/* Under the lock. */
static void channel_set_lost(struct vfio_user_channel *channel, const char *reason)
{
	if (channel->lost)
		return;
	channel->lost = true;
	channel->reason = reason;
	/* Whoever is reading or writing comes back at once. */
	shutdown(channel->fd, SHUT_RDWR);
	pthread_cond_broadcast(&channel->changed);
}

/* Without locks: tell the owner, once. */
static void channel_tell_lost(struct vfio_user_channel *channel)
{
	bool tell;

	pthread_mutex_lock(&channel->lock);
	tell = channel->lost && !channel->lost_told;
	if (tell)
		channel->lost_told = true;
	pthread_mutex_unlock(&channel->lock);
	if (tell && channel->ops.lost)
		channel->ops.lost(channel->ops.opaque, channel->reason);
}

void vfio_user_channel_fail(struct vfio_user_channel *channel, const char *reason)
{
	pthread_mutex_lock(&channel->lock);
	channel_set_lost(channel, reason);
	pthread_mutex_unlock(&channel->lock);
	channel_tell_lost(channel);
}

bool vfio_user_channel_is_lost(struct vfio_user_channel *channel)
{
	bool lost;

	pthread_mutex_lock(&channel->lock);
	lost = channel->lost;
	pthread_mutex_unlock(&channel->lock);
	return lost;
}

/*
 * The send buffer is full. The server may be waiting for an answer of ours before it reads again,
 * so the event loop must be able to read while this caller waits.
 */
static void channel_unclaim(struct vfio_user_channel *channel)
{
	pthread_mutex_lock(&channel->lock);
	__atomic_store_n(&channel->reader, VFIO_USER_READER_NONE, __ATOMIC_RELEASE);
	pthread_cond_broadcast(&channel->changed);
	pthread_mutex_unlock(&channel->lock);
}

/*
 * Send everything; the fds go with the first byte. A claim to the reader's role is given up before
 * waiting. Returns NULL or why it failed.
 */
static const char *channel_send(struct vfio_user_channel *channel, struct iovec *parts,
				size_t count, const int *fds, uint32_t fd_count, bool *claimed)
{
	union {
		struct cmsghdr header;
		uint8_t space[CMSG_SPACE(sizeof(int) * VFIO_USER_LIMIT_MSG_FDS)];
	} control;
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
	uint64_t deadline = vfio_user_now_ms() + channel->timeout_ms;

	if (fd_count) {
		memset(&control, 0, sizeof(control));
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
		memcpy(CMSG_DATA(&control.header), fds, sizeof(int) * fd_count);
	}
	while (message.msg_iovlen) {
		ssize_t sent = sendmsg(channel->fd, &message,
				       MSG_NOSIGNAL | (*claimed ? MSG_DONTWAIT : 0));

		if (sent < 0 && errno == EAGAIN && *claimed) {
			channel_unclaim(channel);
			*claimed = false;
			continue;
		}
		if (sent < 0 && errno == EINTR && vfio_user_now_ms() < deadline)
			continue;
		if (sent < 0)
			return errno == EAGAIN ? "the server does not take messages any more"
					       : "the server closed the connection";
		message.msg_control = NULL;
		message.msg_controllen = 0;
		while (message.msg_iovlen && (size_t)sent >= message.msg_iov->iov_len) {
			sent -= (ssize_t)message.msg_iov->iov_len;
			message.msg_iov++;
			message.msg_iovlen--;
		}
		if (message.msg_iovlen) {
			message.msg_iov->iov_base = (uint8_t *)message.msg_iov->iov_base + sent;
			message.msg_iov->iov_len -= (size_t)sent;
			if (vfio_user_now_ms() >= deadline)
				return "the server takes messages too slowly";
		}
	}
	return NULL;
}

/*
 * Under the send lock, after an answer that took from @start to now. Each single one is bounded,
 * but they may come for ever, and the event loop of all devices may be the one that waits.
 */
static const char *channel_account_answer(struct vfio_user_channel *channel, uint64_t start)
{
	uint64_t now = vfio_user_now_ms();
	uint64_t paid = (now - channel->answer_last_ms) / 10;

	channel->answer_debt_ms -= paid < channel->answer_debt_ms ? paid : channel->answer_debt_ms;
	channel->answer_debt_ms += now - start;
	channel->answer_last_ms = now;
	return channel->answer_debt_ms > channel->timeout_ms
		       ? "the server takes answers to its commands too slowly"
		       : NULL;
}

void vfio_user_channel_answer(struct vfio_user_channel *channel,
			      const struct vfio_user_header *request, int result,
			      const void *payload, uint32_t length)
{
	struct vfio_user_header header = {
		.id = request->id,
		.command = request->command,
		.size = (uint32_t)sizeof(header) + (result ? 0 : length),
		.flags = VFIO_USER_FLAG_TYPE_REPLY | (result ? VFIO_USER_FLAG_ERROR : 0),
		.error = (uint32_t)(result ? -result : 0),
	};
	struct iovec parts[2] = {
		{.iov_base = &header, .iov_len = sizeof(header)},
		{.iov_base = (void *)(uintptr_t)payload, .iov_len = result ? 0 : length},
	};
	bool claimed = false;
	const char *problem;
	uint64_t start;

	pthread_mutex_lock(&channel->send_lock);
	start = vfio_user_now_ms();
	problem = channel_send(channel, parts, parts[1].iov_len ? 2 : 1, NULL, 0, &claimed);
	if (!problem)
		problem = channel_account_answer(channel, start);
	pthread_mutex_unlock(&channel->send_lock);
	if (problem)
		vfio_user_channel_fail(channel, problem);
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
			*claimed |= channel->reader == VFIO_USER_READER_NONE;
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
	if (*claimed)
		__atomic_store_n(&channel->reader, VFIO_USER_READER_CLAIMED, __ATOMIC_RELEASE);
	problem = channel->lost ? channel->reason : NULL;
	pthread_mutex_unlock(&channel->lock);
	if (!problem)
		problem = channel_send(channel, parts, used, calls[0].fds,
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

/* Under the lock, which is dropped while reading: be the reader once. */
static void channel_read_once(struct vfio_user_channel *channel, uint32_t pending, bool wait)
{
	const char *problem;

	__atomic_store_n(&channel->poll_busy, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&channel->reader, VFIO_USER_READER_READING, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&channel->lock);
	/*
	 * Every outstanding reply has a header at least, so that many bytes will come: waiting for
	 * them together saves a system call per reply. A single one is read whole at once.
	 */
	problem = vfio_user_receive(channel, wait,
				    pending > 1 ? pending * sizeof(struct vfio_user_header) : 0);
	pthread_mutex_lock(&channel->lock);
	__atomic_store_n(&channel->reader, VFIO_USER_READER_NONE, __ATOMIC_RELEASE);
	if (problem)
		channel_set_lost(channel, problem);
	pthread_cond_broadcast(&channel->changed);
}

static void channel_wait(struct vfio_user_channel *channel, uint64_t deadline)
{
	struct timespec until = {.tv_sec = (time_t)(deadline / 1000),
				 .tv_nsec = (long)(deadline % 1000 * 1000000)};

	pthread_cond_timedwait(&channel->changed, &channel->lock, &until);
}

int vfio_user_channel_call(struct vfio_user_channel *channel, struct vfio_user_call *calls,
			   uint32_t count)
{
	uint64_t deadline = vfio_user_now_ms() + channel->timeout_ms;
	bool claimed = false, lost;
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
		__atomic_store_n(&channel->reader, VFIO_USER_READER_NONE, __ATOMIC_RELEASE);
	if (problem)
		channel_set_lost(channel, problem);
	while (!channel->lost && (pending = channel_pending(calls, count)) != 0) {
		if (vfio_user_now_ms() >= deadline)
			channel_set_lost(channel, "the server did not answer in time");
		else if (channel->reader)
			channel_wait(channel, deadline);
		else
			channel_read_once(channel, pending, true);
	}
	/* What the event loop left to us: bytes that arrived behind our replies. */
	while (!channel->lost && channel->poll_skipped && !channel->reader) {
		channel->poll_skipped = false;
		channel_read_once(channel, 0, false);
	}
	lost = channel->lost;
	for (uint32_t i = 0; i < count; i++) {
		if (calls[i].pending)
			channel_forget(channel, &calls[i]);
		if (lost)
			vfio_user_fds_close(&calls[i].reply_fds);
	}
	pthread_mutex_unlock(&channel->lock);
	if (lost)
		channel_tell_lost(channel);
	return lost ? -ENODEV : 0;
}

enum vfio_user_poll vfio_user_channel_poll(struct vfio_user_channel *channel)
{
	enum vfio_user_reader reader = __atomic_load_n(&channel->reader, __ATOMIC_ACQUIRE);
	enum vfio_user_poll result = VFIO_USER_POLL_DONE;

	/*
	 * Mostly the reply of a caller, which it has read by the time that epoll looks again. A
	 * claim is short; but a reader may be waiting for the server, with an answer to a command.
	 */
	if (reader == VFIO_USER_READER_CLAIMED)
		return VFIO_USER_POLL_BUSY;
	if (reader == VFIO_USER_READER_READING &&
	    __atomic_add_fetch(&channel->poll_busy, 1, __ATOMIC_RELAXED) <= CHANNEL_BUSY_LIMIT)
		return VFIO_USER_POLL_BUSY;
	if (pthread_mutex_trylock(&channel->lock))
		return VFIO_USER_POLL_BUSY;
	if (channel->reader == VFIO_USER_READER_READING) {
		channel->poll_skipped = true;
	} else if (channel->reader) {
		result = VFIO_USER_POLL_BUSY;
	} else if (!channel->lost) {
		channel_read_once(channel, 0, false);
		if (!channel->lost)
			result = VFIO_USER_POLL_MORE;
	}
	pthread_mutex_unlock(&channel->lock);
	channel_tell_lost(channel);
	return result;
}

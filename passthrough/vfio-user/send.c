/* SPDX-License-Identifier: Apache-2.0 */
#include "passthrough/vfio-user/send.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "core/clock.h"

void vfio_user_set_lost(struct vfio_user_channel *channel, const char *reason)
{
	if (channel->lost)
		return;
	channel->lost = true;
	channel->reason = reason;
	/* Whoever is reading or writing comes back at once. */
	shutdown(channel->fd, SHUT_RDWR);
	pthread_cond_broadcast(&channel->changed);
}

void vfio_user_tell_lost(struct vfio_user_channel *channel)
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
	vfio_user_set_lost(channel, reason);
	pthread_mutex_unlock(&channel->lock);
	vfio_user_tell_lost(channel);
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
static void send_unclaim(struct vfio_user_channel *channel)
{
	pthread_mutex_lock(&channel->lock);
	vfio_user_reader_step(&channel->reader, VFIO_USER_READER_UNCLAIM);
	pthread_cond_broadcast(&channel->changed);
	pthread_mutex_unlock(&channel->lock);
}

const char *vfio_user_send(struct vfio_user_channel *channel, struct iovec *parts, size_t count,
			   const int *fds, uint32_t fd_count, bool *claimed)
{
	union {
		struct cmsghdr header;
		uint8_t space[CMSG_SPACE(sizeof(int) * VFIO_USER_LIMIT_MSG_FDS)];
	} control;
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
	uint64_t deadline = clock_now_ms() + channel->timeout_ms;

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
			send_unclaim(channel);
			*claimed = false;
			continue;
		}
		if (sent < 0 && errno == EINTR && clock_now_ms() < deadline)
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
			if (clock_now_ms() >= deadline)
				return "the server takes messages too slowly";
		}
	}
	return NULL;
}

/*
 * Under the send lock, after an answer that took from @start to now. Each single one is bounded,
 * but they may come for ever, and the event loop of all devices may be the one that waits.
 */
static const char *send_account_answer(struct vfio_user_channel *channel, uint64_t start)
{
	uint64_t now = clock_now_ms();
	uint64_t paid = (now - channel->answer_last_ms) / 10;

	channel->answer_debt_ms -= paid < channel->answer_debt_ms ? paid : channel->answer_debt_ms;
	channel->answer_debt_ms += now - start;
	channel->answer_last_ms = now;
	return channel->answer_debt_ms > channel->timeout_ms
		       ? "the server takes answers to its commands too slowly"
		       : NULL;
}

void vfio_user_answer(struct vfio_user_channel *channel, const struct vfio_user_header *request,
		      int result, const void *payload, uint32_t length)
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
	start = clock_now_ms();
	problem = vfio_user_send(channel, parts, parts[1].iov_len ? 2 : 1, NULL, 0, &claimed);
	if (!problem)
		problem = send_account_answer(channel, start);
	pthread_mutex_unlock(&channel->send_lock);
	if (problem)
		vfio_user_channel_fail(channel, problem);
}

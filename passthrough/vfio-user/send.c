/* SPDX-License-Identifier: Apache-2.0 */
#include "passthrough/vfio-user/send.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "core/clock.h"
#include "passthrough/vfio-user/answer.h"

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
	const char *problem;
	bool blocked;

	/* Messages go out whole: the rest of an answer comes first. */
	problem = vfio_user_answers_send(channel, !*claimed, deadline, &blocked);
	if (!problem && blocked) {
		send_unclaim(channel);
		*claimed = false;
		problem = vfio_user_answers_send(channel, true, deadline, &blocked);
	}
	if (problem)
		return problem;
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

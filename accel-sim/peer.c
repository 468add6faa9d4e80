/* SPDX-License-Identifier: Apache-2.0 */
#include "accel-sim/peer.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "accel-sim/fd.h"

int sim_peer_init(struct sim_peer *peer)
{
	memset(peer, 0, sizeof(*peer));
	peer->fd = -1;
	peer->in = malloc(VFIO_USER_LIMIT_MESSAGE_SIZE);
	if (!peer->in)
		return -ENOMEM;
	return -pthread_mutex_init(&peer->send_lock, NULL);
}

static void sim_peer_close_fds(struct sim_peer *peer)
{
	for (uint32_t i = 0; i < peer->fd_count; i++) {
		sim_fd_close(&peer->fds[i]);
	}
	peer->fd_count = 0;
}

void sim_peer_next(struct sim_peer *peer)
{
	sim_peer_close_fds(peer);
	peer->filled = 0;
}

void sim_peer_disconnect(struct sim_peer *peer)
{
	sim_peer_next(peer);
	pthread_mutex_lock(&peer->send_lock);
	sim_fd_close(&peer->fd);
	pthread_mutex_unlock(&peer->send_lock);
}

void sim_peer_destroy(struct sim_peer *peer)
{
	sim_peer_disconnect(peer);
	free(peer->in);
	pthread_mutex_destroy(&peer->send_lock);
}

void sim_peer_connect(struct sim_peer *peer, int fd)
{
	pthread_mutex_lock(&peer->send_lock);
	peer->fd = fd;
	pthread_mutex_unlock(&peer->send_lock);
	peer->filled = 0;
}

/* Keep the fds of one recvmsg(); false when there are more than a message may have. */
static bool sim_peer_take_fds(struct sim_peer *peer, struct msghdr *message)
{
	bool fits = !(message->msg_flags & MSG_CTRUNC);
	struct cmsghdr *control;

	for (control = CMSG_FIRSTHDR(message); control; control = CMSG_NXTHDR(message, control)) {
		size_t count;

		if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS)
			continue;
		count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(control) + i * sizeof(int), sizeof(int));
			if (peer->fd_count < VFIO_USER_LIMIT_MSG_FDS) {
				peer->fds[peer->fd_count++] = fd;
			} else {
				close(fd);
				fits = false;
			}
		}
	}
	return fits;
}

int sim_peer_receive(struct sim_peer *peer)
{
	for (;;) {
		union {
			char bytes[CMSG_SPACE(VFIO_USER_LIMIT_MSG_FDS * sizeof(int))];
			struct cmsghdr align;
		} control;
		uint32_t wanted = sizeof(struct vfio_user_header);
		struct msghdr message = {.msg_iovlen = 1,
					 .msg_control = control.bytes,
					 .msg_controllen = sizeof(control.bytes)};
		struct iovec vector;
		ssize_t got;

		if (peer->filled >= sizeof(struct vfio_user_header)) {
			struct vfio_user_header header;

			memcpy(&header, peer->in, sizeof(header));
			if (header.size < sizeof(header) ||
			    header.size > VFIO_USER_LIMIT_MESSAGE_SIZE)
				return -EPROTO;
			wanted = header.size;
			if (peer->filled == wanted)
				return 1;
		}
		/* Never past the end of this message: the next one's fds come with its first byte.
		 */
		vector.iov_base = peer->in + peer->filled;
		vector.iov_len = wanted - peer->filled;
		message.msg_iov = &vector;
		got = recvmsg(peer->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		if (got < 0) {
			if (errno == EINTR)
				continue;
			return errno == EAGAIN ? 0 : -errno;
		}
		if (got == 0)
			return -ENOTCONN;
		peer->filled += (uint32_t)got;
		if (!sim_peer_take_fds(peer, &message))
			return -EPROTO;
	}
}

int sim_peer_send(struct sim_peer *peer, const void *data, uint32_t size, const int *fds,
		  uint32_t fd_count)
{
	union {
		char bytes[CMSG_SPACE(VFIO_USER_LIMIT_MSG_FDS * sizeof(int))];
		struct cmsghdr align;
	} control;
	uint32_t done = 0;
	int result = 0;

	memset(&control, 0, sizeof(control));
	pthread_mutex_lock(&peer->send_lock);
	while (done < size && result == 0) {
		struct iovec vector = {.iov_base = (char *)(uintptr_t)data + done,
				       .iov_len = size - done};
		struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
		struct pollfd room = {.fd = peer->fd, .events = POLLOUT};
		ssize_t sent;

		if (peer->fd < 0) {
			result = -ENOTCONN;
			break;
		}
		if (done == 0 && fd_count > 0 && fd_count <= VFIO_USER_LIMIT_MSG_FDS) {
			struct cmsghdr *rights;

			message.msg_control = control.bytes;
			message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
			rights = CMSG_FIRSTHDR(&message);
			rights->cmsg_level = SOL_SOCKET;
			rights->cmsg_type = SCM_RIGHTS;
			rights->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
			memcpy(CMSG_DATA(rights), fds, fd_count * sizeof(int));
		}
		sent = sendmsg(peer->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent >= 0) {
			done += (uint32_t)sent;
		} else if (errno == EAGAIN) {
			if (poll(&room, 1, SIM_PEER_SEND_TIMEOUT_MS) == 0)
				result = -ETIMEDOUT;
		} else if (errno != EINTR) {
			result = -errno;
		}
	}
	pthread_mutex_unlock(&peer->send_lock);
	return result;
}

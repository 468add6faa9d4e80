/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ACCEL_SIM_PEER_H
#define ACCEL_SIM_PEER_H

#include <pthread.h>

#include "wire/vfio_user.h"

/* One client's socket: whole messages in, whole messages out. */

#define SIM_PEER_SEND_TIMEOUT_MS 5000

struct sim_peer {
	int fd;      /* -1: none */
	uint8_t *in; /* VFIO_USER_LIMIT_MESSAGE_SIZE bytes */
	uint32_t filled;
	int fds[VFIO_USER_LIMIT_MSG_FDS];
	uint32_t fd_count;
	pthread_mutex_t send_lock; /* replies and the engine's requests share the stream */
};

/* sim_peer_init() - no connection. -ENOMEM. */
int sim_peer_init(struct sim_peer *peer);

/* sim_peer_destroy() - disconnect and free. */
void sim_peer_destroy(struct sim_peer *peer);

/* sim_peer_connect() - take over a connected socket. */
void sim_peer_connect(struct sim_peer *peer, int fd);

/* sim_peer_disconnect() - close the socket and the fds of an unfinished message. */
void sim_peer_disconnect(struct sim_peer *peer);

/*
 * sim_peer_receive() - read on without blocking.
 * 1: a message is complete in `in` (header first) and `fds`; call sim_peer_next() when done with
 * it. 0: not yet. -ENOTCONN: the client closed. -EPROTO: no possible message. Else an errno of
 * recvmsg().
 */
int sim_peer_receive(struct sim_peer *peer);

/* sim_peer_next() - drop the message and its remaining fds. */
void sim_peer_next(struct sim_peer *peer);

/*
 * sim_peer_send() - send bytes with fds attached to the first of them; waits for room up to
 * SIM_PEER_SEND_TIMEOUT_MS. Any thread. -ENOTCONN, -ETIMEDOUT, or an errno of sendmsg().
 */
int sim_peer_send(struct sim_peer *peer, const void *data, uint32_t size, const int *fds,
		  uint32_t fd_count);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ACCEL_SIM_SESSION_H
#define ACCEL_SIM_SESSION_H

#include "accel-sim/device.h"
#include "wire/vfio_user.h"

/*
 * One connection's protocol state: takes a complete command, works on the device, makes the reply.
 * It touches no socket, so that the same code runs under the fuzzer.
 */

struct sim_session {
	struct sim_device *device;
	bool negotiated;
	bool write_multiple;
	uint32_t max_fds;  /* that the client takes in one message */
	uint32_t max_xfer; /* data bytes of one transfer message */
	uint64_t commands;
	uint64_t errors; /* commands answered with an error */
};

struct sim_reply {
	uint8_t *data; /* VFIO_USER_LIMIT_MESSAGE_SIZE bytes: header and payload */
	uint32_t size; /* 0: nothing to send */
	int fd;        /* to send along, or -1; not owned by the reply */
};

/* sim_session_init() - a client has connected. */
void sim_session_init(struct sim_session *session, struct sim_device *device);

/*
 * sim_session_handle() - run one command.
 * @header: the size field has been checked against `size` (payload bytes).
 * @fds: fds that came along; those the device keeps are set to -1, the caller closes the others.
 * Returns 0, or -EPROTO when the connection has to end after the reply.
 */
int sim_session_handle(struct sim_session *session, const struct vfio_user_header *header,
		       const uint8_t *payload, uint32_t size, int *fds, uint32_t fd_count,
		       struct sim_reply *reply);

#endif

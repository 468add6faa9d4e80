/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PASSTHROUGH_VFIO_USER_NEGOTIATE_H
#define PASSTHROUGH_VFIO_USER_NEGOTIATE_H

#include <stdint.h>

/*
 * "VFIO_USER_VERSION": what the two sides can do, as JSON. Pure.
 */
struct vfio_user_limits {
	uint32_t max_msg_fds; /* 1 to VFIO_USER_LIMIT_MSG_FDS: fds per message to the server */
	uint32_t max_data_xfer_size; /* bytes per region access, at least 4096 */
	uint32_t max_dma_maps;
	uint64_t pgsizes; /* bit mask */
};

/* The JSON that we send, NUL included in the length. Constant. */
const char *vfio_user_capabilities(uint32_t *length);

/*
 * vfio_user_negotiate() - the payload of the server's reply. Returns 0 or -EPROTO with *@why: too
 * short, another major version, a newer minor than proposed, JSON that is not terminated or not
 * valid, a value of the wrong type or outside of what makes sense. What the server does not mention
 * gets the protocol's default.
 */
int vfio_user_negotiate(struct vfio_user_limits *limits, const uint8_t *payload, uint32_t length,
			const char **why);

#endif

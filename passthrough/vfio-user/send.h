/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PASSTHROUGH_VFIO_USER_SEND_H
#define PASSTHROUGH_VFIO_USER_SEND_H

#include <sys/uio.h>

#include "passthrough/vfio-user/channel.h"

/* The sending half of the channel. Internal to the channel. */

/*
 * vfio_user_send() - send everything; the fds go with the first byte. Under the send lock. A claim
 * to the reader's role is given up before waiting, and *@claimed is false then. Returns NULL or why
 * it failed.
 */
const char *vfio_user_send(struct vfio_user_channel *channel, struct iovec *parts, size_t count,
			   const int *fds, uint32_t fd_count, bool *claimed);

#endif

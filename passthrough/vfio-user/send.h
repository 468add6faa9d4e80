/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PASSTHROUGH_VFIO_USER_SEND_H
#define PASSTHROUGH_VFIO_USER_SEND_H

#include <sys/uio.h>

#include "passthrough/vfio-user/channel.h"

/*
 * The sending half of the channel, and the end of the connection, which either half may find.
 * Internal to the channel.
 */

/*
 * vfio_user_send() - send everything; the fds go with the first byte. Under the send lock. A claim
 * to the reader's role is given up before waiting, and *@claimed is false then. Returns NULL or why
 * it failed.
 */
const char *vfio_user_send(struct vfio_user_channel *channel, struct iovec *parts, size_t count,
			   const int *fds, uint32_t fd_count, bool *claimed);

/* Send the reply to a command of the server. Without locks. */
void vfio_user_answer(struct vfio_user_channel *channel, const struct vfio_user_header *request,
		      int result, const void *payload, uint32_t length);

/* The connection is over. Under the lock. */
void vfio_user_set_lost(struct vfio_user_channel *channel, const char *reason);

/* Tell the owner of a connection that is over, once. Without locks. */
void vfio_user_tell_lost(struct vfio_user_channel *channel);

#endif

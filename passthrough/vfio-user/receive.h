/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PASSTHROUGH_VFIO_USER_RECEIVE_H
#define PASSTHROUGH_VFIO_USER_RECEIVE_H

#include "passthrough/vfio-user/channel.h"

/*
 * The receiving half of the channel, for the thread with the reader's role: bytes into messages,
 * messages to calls or to the command handler. Internal to the channel.
 */
#define VFIO_USER_RECEIVE_BUFFER (VFIO_USER_LIMIT_MESSAGE_SIZE + 65536u)

/*
 * vfio_user_receive() - one recvmsg(2), then everything that is complete. @wait: block up to the
 * channel's time limit. @at_least: bytes that are known to come (0: whatever is there).
 * Returns NULL, or why the connection is over. Without locks.
 */
const char *vfio_user_receive(struct vfio_user_channel *channel, bool wait, size_t at_least);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PASSTHROUGH_VFIO_USER_LOSS_H
#define PASSTHROUGH_VFIO_USER_LOSS_H

#include "passthrough/vfio-user/channel.h"

/* The end of the connection, which either half of the channel may find. Internal to the channel. */

/* The connection is over. Under the lock. */
void vfio_user_set_lost(struct vfio_user_channel *channel, const char *reason);

/* Tell the owner of a connection that is over, once. Without locks. */
void vfio_user_tell_lost(struct vfio_user_channel *channel);

#endif

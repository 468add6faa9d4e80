/* SPDX-License-Identifier: Apache-2.0 */
#include "passthrough/vfio-user/loss.h"

#include <sys/socket.h>

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

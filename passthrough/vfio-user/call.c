/* SPDX-License-Identifier: Apache-2.0 */
#include "passthrough/vfio-user/internal.h"

int vfio_user_simple_call(struct vfio_user_client *client, struct vfio_user_call *call)
{
	int result = vfio_user_channel_call(&client->channel, call, 1);

	return result ? result : call->result;
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ACCEL_SIM_SEND_REPLY_H
#define ACCEL_SIM_SEND_REPLY_H

#include "accel-sim/server.h"

/*
 * sim_send_reply() - send the reply to `request`, spoiled by the armed fault if one applies.
 * Returns false when the connection is to be closed.
 */
bool sim_send_reply(struct sim_server *server, const struct vfio_user_header *request,
		    struct sim_reply *reply);

/* sim_send_held() - send what a stall held back, if anything; false as above. */
bool sim_send_held(struct sim_server *server);

#endif

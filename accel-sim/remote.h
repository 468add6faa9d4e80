/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ACCEL_SIM_REMOTE_H
#define ACCEL_SIM_REMOTE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "accel-sim/dma_map.h"
#include "accel-sim/peer.h"

/*
 * DMA to ranges without an fd: VFIO_USER_DMA_READ and VFIO_USER_DMA_WRITE messages to the client.
 * One request at a time, made by the engine thread; the server thread hands the reply over.
 */

#define SIM_REMOTE_TIMEOUT_MS 5000
#define SIM_REMOTE_MAX_DATA   65536u

struct sim_remote {
	struct sim_peer *peer;
	const atomic_bool *cancel; /* of the engine: give up waiting */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool waiting;
	bool finished;
	uint16_t id;
	uint16_t command;
	uint64_t address;
	void *data;
	uint32_t size;
	int result;
	uint64_t requests;
	uint64_t late; /* replies that nobody waited for any more */
};

/* sim_remote_init() - ready to be used over `peer`. */
void sim_remote_init(struct sim_remote *remote, struct sim_peer *peer);

void sim_remote_destroy(struct sim_remote *remote);

/* sim_remote_ops() - what the DMA map calls. */
struct sim_dma_remote sim_remote_ops(struct sim_remote *remote);

/*
 * sim_remote_reply() - a reply arrived. 0 when it was taken, or is late and harmless; -EPROTO when
 * it does not fit its request.
 */
int sim_remote_reply(struct sim_remote *remote, const struct vfio_user_header *header,
		     const uint8_t *payload, uint32_t size);

/* sim_remote_abort() - the connection ended: fail whoever waits. */
void sim_remote_abort(struct sim_remote *remote);

#endif

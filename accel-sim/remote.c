/* SPDX-License-Identifier: Apache-2.0 */
#include "accel-sim/remote.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "accel-sim/clock.h"

#define SIM_REMOTE_SLICE_NS 10000000L /* how often a waiting job looks for a cancellation */

void sim_remote_init(struct sim_remote *remote, struct sim_peer *peer)
{
	pthread_condattr_t attributes;

	memset(remote, 0, sizeof(*remote));
	remote->peer = peer;
	pthread_mutex_init(&remote->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&remote->changed, &attributes);
	pthread_condattr_destroy(&attributes);
}

void sim_remote_destroy(struct sim_remote *remote)
{
	pthread_cond_destroy(&remote->changed);
	pthread_mutex_destroy(&remote->lock);
}

static int sim_remote_start(void *opaque, uint64_t address, void *data, uint32_t size, bool write)
{
	struct sim_remote *remote = opaque;
	struct {
		struct vfio_user_header header;
		struct vfio_user_dma_access access;
		uint8_t data[SIM_REMOTE_MAX_DATA];
	} __attribute__((packed)) message;
	uint32_t length =
		(uint32_t)(sizeof(message.header) + sizeof(message.access)) + (write ? size : 0);
	int ticket, result;

	if (size > SIM_REMOTE_MAX_DATA)
		return -EINVAL;
	pthread_mutex_lock(&remote->lock);
	remote->id++;
	remote->command = write ? VFIO_USER_DMA_WRITE : VFIO_USER_DMA_READ;
	remote->address = address;
	remote->data = write ? NULL : data;
	remote->size = size;
	remote->waiting = true;
	remote->finished = false;
	remote->requests++;
	ticket = remote->id + 1;
	message.header = (struct vfio_user_header){
		.id = remote->id, .command = remote->command, .size = length};
	pthread_mutex_unlock(&remote->lock);

	message.access = (struct vfio_user_dma_access){.address = address, .count = size};
	if (write)
		memcpy(message.data, data, size);
	result = sim_peer_send(remote->peer, &message, length, NULL, 0);
	if (result == 0)
		return ticket;
	pthread_mutex_lock(&remote->lock);
	remote->waiting = false;
	pthread_mutex_unlock(&remote->lock);
	return result;
}

static int sim_remote_finish(void *opaque, int ticket)
{
	struct sim_remote *remote = opaque;
	unsigned int slices = SIM_REMOTE_TIMEOUT_MS / 10;
	int result = -ETIMEDOUT;

	(void)ticket; /* one request at a time: it is the current one */
	pthread_mutex_lock(&remote->lock);
	while (!remote->finished && slices-- > 0 && !atomic_load(remote->cancel)) {
		uint64_t until_ns = sim_now_ns() + SIM_REMOTE_SLICE_NS;
		struct timespec until = {.tv_sec = (time_t)(until_ns / 1000000000u),
					 .tv_nsec = (long)(until_ns % 1000000000u)};

		pthread_cond_timedwait(&remote->changed, &remote->lock, &until);
	}
	if (remote->finished)
		result = remote->result;
	remote->waiting = false;
	pthread_mutex_unlock(&remote->lock);
	return result;
}

struct sim_dma_remote sim_remote_ops(struct sim_remote *remote)
{
	return (struct sim_dma_remote){.start = sim_remote_start,
				       .finish = sim_remote_finish,
				       .opaque = remote,
				       .max_size = SIM_REMOTE_MAX_DATA};
}

/* The reply belongs to the request that is waiting; the lock is held. */
static int sim_remote_take(struct sim_remote *remote, const struct vfio_user_header *header,
			   const uint8_t *payload, uint32_t size)
{
	struct vfio_user_dma_access access;

	if (header->flags & VFIO_USER_FLAG_ERROR) {
		remote->result = -EIO;
		return 0;
	}
	/* The specification's write reply ends after four bytes of the count. */
	if (header->command == VFIO_USER_DMA_WRITE) {
		remote->result = 0;
		return size >= 12 && size <= sizeof(access) ? 0 : -EPROTO;
	}
	if (size < sizeof(access))
		return -EPROTO;
	memcpy(&access, payload, sizeof(access));
	if (access.address != remote->address || access.count != remote->size ||
	    size - sizeof(access) != remote->size)
		return -EPROTO;
	memcpy(remote->data, payload + sizeof(access), remote->size);
	remote->result = 0;
	return 0;
}

int sim_remote_reply(struct sim_remote *remote, const struct vfio_user_header *header,
		     const uint8_t *payload, uint32_t size)
{
	int result = 0;

	pthread_mutex_lock(&remote->lock);
	if (!remote->waiting || remote->finished || header->id != remote->id) {
		remote->late++;
	} else if (header->command != remote->command) {
		result = -EPROTO;
	} else {
		result = sim_remote_take(remote, header, payload, size);
		if (result)
			remote->result = result;
		remote->finished = true;
		pthread_cond_signal(&remote->changed);
	}
	pthread_mutex_unlock(&remote->lock);
	return result;
}

void sim_remote_abort(struct sim_remote *remote)
{
	pthread_mutex_lock(&remote->lock);
	if (remote->waiting && !remote->finished) {
		remote->result = -ENOTCONN;
		remote->finished = true;
		pthread_cond_signal(&remote->changed);
	}
	pthread_mutex_unlock(&remote->lock);
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PASSTHROUGH_VFIO_USER_ANSWER_H
#define PASSTHROUGH_VFIO_USER_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/vfio_user.h"

/*
 * Answers to commands of the server. Whoever reads the socket answers, and that may be the event
 * loop of all devices: so nothing here waits, neither for the server nor for a sender. What does
 * not go out at once waits in a queue, which is bounded in bytes and in time. Internal to the
 * channel.
 */
#define VFIO_USER_ANSWERS_MAX (16u << 20) /* bytes; one answer has 1 MiB at most */

struct vfio_user_channel;

struct vfio_user_answer {
	struct vfio_user_answer *next;
	size_t length;
	size_t done; /* bytes on the wire */
	uint8_t bytes[];
};

struct vfio_user_answers {
	/* All under the channel's lock; only the holder of the send lock removes or changes the
	 * first one. */
	struct vfio_user_answer *first;
	struct vfio_user_answer *last;
	size_t bytes;
	uint64_t since_ms; /* there is a queue; constant while there is one */
	/* How long the server held us up, less a tenth of the time since. */
	uint64_t debt_ms;
	uint64_t debt_at_ms;
};

/* Send the reply to a command of the server, or queue it. Without locks. */
void vfio_user_answer(struct vfio_user_channel *channel, const struct vfio_user_header *request,
		      int result, const void *payload, uint32_t length);

/*
 * vfio_user_answers_send() - send the queue. Under the send lock. @wait: up to the deadline of the
 * clock in ms, else *@blocked says that the server does not take more now. Returns NULL or why the
 * connection is over.
 */
const char *vfio_user_answers_send(struct vfio_user_channel *channel, bool wait, uint64_t deadline,
				   bool *blocked);

/* Send of the queue what the server takes at once. Without locks. */
void vfio_user_answers_flush(struct vfio_user_channel *channel);

/* The server held a thread up for @ms. Under the lock. Returns NULL or why it is too much. */
const char *vfio_user_answers_charge(struct vfio_user_channel *channel, uint64_t ms);

void vfio_user_answers_free(struct vfio_user_answers *answers);

#endif

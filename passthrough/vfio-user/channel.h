/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PASSTHROUGH_VFIO_USER_CHANNEL_H
#define PASSTHROUGH_VFIO_USER_CHANNEL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include "core/log.h"
#include "passthrough/vfio-user/answer.h"
#include "passthrough/vfio-user/reader.h"
#include "wire/vfio_user.h"

/*
 * The message layer of the vfio-user client: framing, ids, replies in any order, file descriptors,
 * time limits. The server is hostile.
 *
 * There is no reader thread. A caller that waits for its reply reads the socket itself (it has the
 * reader's role) and hands foreign replies to those who wait for them; commands of the server are
 * answered by whoever reads. When nobody waits, the owner's event loop calls
 * vfio_user_channel_poll(). A simple call so costs two system calls: the caller takes the reader's
 * role before it sends, so that the event loop, which the reply wakes as well, leaves it alone.
 */
#define VFIO_USER_CHANNEL_BATCH 64u /* most calls in one vfio_user_channel_call() */

struct vfio_user_fds {
	int fds[VFIO_USER_LIMIT_MSG_FDS];
	uint32_t count;
	size_t owner; /* offset in the receive buffer of the message that they came with */
};

struct vfio_user_call {
	/* In */
	uint16_t command;
	bool no_reply;
	const void *fixed; /* payload, first part */
	uint32_t fixed_length;
	const void *data; /* payload, second part; NULL: none */
	uint32_t data_length;
	const int *fds; /* to send; only in a batch of one */
	uint32_t fd_count;
	void *reply; /* receives the reply's payload; a longer one is a violation */
	uint32_t reply_capacity;
	uint32_t max_fds; /* more fds than this in the reply is a violation */
	/* Out */
	int result; /* 0 or the server's -errno */
	uint32_t reply_length;
	struct vfio_user_fds reply_fds; /* the caller's to close */
	/* Internal */
	uint16_t id;
	bool pending;
	struct vfio_user_call *next;
};

struct vfio_user_channel_ops {
	/*
	 * A command of the server, from whichever thread reads (one at a time). Must not make
	 * calls. Returns what to answer: 0 or -errno; *@answer (the owner's memory, valid until the
	 * next command) and *@answer_length: the payload of the answer.
	 */
	int (*command)(void *opaque, uint16_t command, const uint8_t *payload, uint32_t length,
		       const void **answer, uint32_t *answer_length);
	/* Answers wait for the server: vfio_user_answers_flush() when it takes more. Optional. */
	void (*blocked)(void *opaque);
	/* Called once, without locks. */
	void (*lost)(void *opaque, const char *reason);
	void *opaque;
};

enum vfio_user_poll {
	VFIO_USER_POLL_DONE = 0, /* nothing is left, or the reader will see to it */
	VFIO_USER_POLL_MORE,     /* there may be more: come again */
	VFIO_USER_POLL_BUSY, /* somebody reads: come again if there is still something to read */
};

struct vfio_user_channel {
	int fd; /* owned */
	const char *name;
	const struct logger *logger;
	uint32_t timeout_ms;
	struct vfio_user_channel_ops ops;

	/* Order of messages on the wire; taken after nothing. Whoever answers only tries it: its
	 * holder looks at the queue of answers when it has given it back. */
	pthread_mutex_t send_lock;
	pthread_mutex_t lock; /* everything below except the receive state */
	pthread_cond_t changed;
	struct vfio_user_answers answers;
	/* How long calls have waited for the server, less a quarter of the time since. */
	uint64_t stall_debt_ms;
	uint64_t stall_at_ms; /* what was before is accounted */
	bool lost;
	bool lost_told;
	_Atomic(enum vfio_user_reader) reader; /* also looked at without the lock */
	atomic_uint poll_busy;                 /* VFIO_USER_POLL_BUSY since this read began */
	bool poll_skipped;                     /* the event loop left what comes to the reader */
	uint16_t next_id;
	struct vfio_user_call *calls;
	const char *reason;
	uint64_t stray_replies;

	/* Receive state: belongs to the thread with the reader's role. */
	uint8_t *buffer;
	size_t used;
	struct vfio_user_fds fds[2];
};

/* Takes @fd (a connected stream socket) over, also on failure. Returns 0, -ENOMEM or the errno of
 * setsockopt. @name and @logger must outlive the channel. */
int vfio_user_channel_init(struct vfio_user_channel *channel, int fd, const char *name,
			   const struct logger *logger, uint32_t timeout_ms,
			   const struct vfio_user_channel_ops *ops);
void vfio_user_channel_destroy(struct vfio_user_channel *channel);

/*
 * vfio_user_channel_call() - send @count commands together and wait for all replies. Returns 0 (see
 * each call's result) or -ENODEV: the server is lost; no fd is left in the calls then. -EINVAL: a
 * message larger than the protocol's limit. Any thread.
 */
int vfio_user_channel_call(struct vfio_user_channel *channel, struct vfio_user_call *calls,
			   uint32_t count);

/*
 * vfio_user_channel_poll() - read and answer what has arrived, without waiting, and without making
 * a caller wait, which would cost it a system call. Event loop.
 */
enum vfio_user_poll vfio_user_channel_poll(struct vfio_user_channel *channel);

/* Declare the server lost; @reason is a constant text. Any thread. */
void vfio_user_channel_fail(struct vfio_user_channel *channel, const char *reason);

bool vfio_user_channel_is_lost(struct vfio_user_channel *channel);

static inline void vfio_user_fds_close(struct vfio_user_fds *fds)
{
	for (uint32_t i = 0; i < fds->count; i++)
		close(fds->fds[i]);
	fds->count = 0;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PASSTHROUGH_VFIO_USER_READER_H
#define PASSTHROUGH_VFIO_USER_READER_H

#include <stdatomic.h>

/*
 * The reader's role: who reads the socket of a channel, and when. Callers that wait for a reply
 * read it themselves; the event loop reads when no caller does.
 */
enum vfio_user_reader {
	VFIO_USER_READER_NONE = 0,
	VFIO_USER_READER_CLAIMED, /* a caller will read as soon as it has sent */
	VFIO_USER_READER_READING,
	VFIO_USER_READERS,
};

enum vfio_user_reader_event {
	/* A caller is about to send a command with a reply. */
	VFIO_USER_READER_CLAIM = 0,
	/* The caller with the claim has sent; or it has to wait before it can, and the server may
	 * be waiting for an answer meanwhile, which the event loop must be able to read about. */
	VFIO_USER_READER_UNCLAIM,
	/* A caller has no reply yet, and would read. */
	VFIO_USER_READER_READ,
	/* The event loop has seen that there is something to read. */
	VFIO_USER_READER_POLL,
	/* Whoever reads has read once. */
	VFIO_USER_READER_DONE,
	VFIO_USER_READER_EVENTS,
};

enum vfio_user_reader_answer {
	VFIO_USER_READER_NEVER = 0, /* the event cannot happen in this state */
	VFIO_USER_READER_YES,
	VFIO_USER_READER_NO,    /* somebody else has the role: wait for a change */
	VFIO_USER_READER_LATER, /* somebody is about to have it: look again in a moment */
	VFIO_USER_READER_LEFT,  /* the reader is told, and reads on after its own reply */
};

struct vfio_user_reader_step {
	enum vfio_user_reader_answer answer;
	enum vfio_user_reader next;
};

extern const struct vfio_user_reader_step vfio_user_reader_steps[VFIO_USER_READERS]
								[VFIO_USER_READER_EVENTS];

/* Takes the step of the table. Under the channel's lock; *@reader is also looked at without it. */
enum vfio_user_reader_answer vfio_user_reader_step(_Atomic(enum vfio_user_reader) *reader,
						   enum vfio_user_reader_event event);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The state of the device memory between two users, as a table.
 *
 * Memory is "clean" only after a whole scrub, so whatever goes wrong in between
 * (an error, an unbind, a reset that does not end) leaves it closed.
 */
#ifndef CXL_VFIO_SCRUB_H
#define CXL_VFIO_SCRUB_H

#include "shim.h"

enum scrub_state {
	SCRUB_NEEDED, /* bound, or the last user has left */
	SCRUB_RUNNING,
	SCRUB_CLEAN,
	SCRUB_USED,   /* open */
	SCRUB_FAILED, /* as long as nobody starts another one */
	SCRUB_STATES,
};

enum scrub_event {
	SCRUB_START, /* at bind, after the last close, or asked for */
	SCRUB_DONE,
	SCRUB_FAIL,
	SCRUB_OPEN,
	SCRUB_CLOSE,
	SCRUB_EVENTS,
};

/*
 * The state after @event in *@state. 0; -EBUSY: opened while it is being scrubbed, or has yet to
 * be; -EIO: opened after a scrub that failed; -EINVAL: the event cannot happen there. *@state
 * changes only with 0.
 */
int scrub_step(enum scrub_state *state, enum scrub_event event);

/* As sysfs shows it. */
const char *scrub_state_name(enum scrub_state state);

/*
 * How many threads clear @size bytes on @cpus processors: one below 1 GiB, else one for each GiB,
 * at most SCRUB_THREADS and half of the processors.
 */
#define SCRUB_THREADS 4
u32 scrub_thread_count(u64 size, u32 cpus);

#endif

// SPDX-License-Identifier: GPL-2.0-only
#include "scrub.h"

#define SCRUB_GIB (1ULL << 30)

/* What an event leads to: a state, or a negative errno. */
static const int steps[SCRUB_STATES][SCRUB_EVENTS] = {
	[SCRUB_NEEDED] = {SCRUB_RUNNING, -EINVAL, -EINVAL, -EBUSY, -EINVAL},
	[SCRUB_RUNNING] = {-EINVAL, SCRUB_CLEAN, SCRUB_FAILED, -EBUSY, -EINVAL},
	[SCRUB_CLEAN] = {SCRUB_RUNNING, -EINVAL, -EINVAL, SCRUB_USED, -EINVAL},
	[SCRUB_USED] = {-EINVAL, -EINVAL, -EINVAL, -EINVAL, SCRUB_NEEDED},
	[SCRUB_FAILED] = {SCRUB_RUNNING, -EINVAL, -EINVAL, -EIO, -EINVAL},
};

int scrub_step(enum scrub_state *state, enum scrub_event event)
{
	int next = steps[*state][event];

	if (next < 0)
		return next;
	*state = (enum scrub_state)next;
	return 0;
}

const char *scrub_state_name(enum scrub_state state)
{
	static const char *const names[SCRUB_STATES] = {
		[SCRUB_NEEDED] = "needed", [SCRUB_RUNNING] = "running", [SCRUB_CLEAN] = "clean",
		[SCRUB_USED] = "used",     [SCRUB_FAILED] = "failed",
	};

	return names[state];
}

u32 scrub_thread_count(u64 size, u32 cpus)
{
	u64 count = size / SCRUB_GIB;

	if (count > SCRUB_THREADS)
		count = SCRUB_THREADS;
	if (count > cpus / 2)
		count = cpus / 2;
	return count ? (u32)count : 1;
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_CLOCK_H
#define CORE_CLOCK_H

#include <stdint.h>
#include <time.h>

/*
 * The only reader of the host's clocks. clock_gettime() with these clocks cannot fail, and is no
 * system call where the vDSO serves it. Any thread.
 */
#define CLOCK_NS_PER_SECOND UINT64_C(1000000000)
#define CLOCK_NS_PER_MS     UINT64_C(1000000)

static inline uint64_t clock_read_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * CLOCK_NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

/* Nanoseconds of CLOCK_MONOTONIC: for durations and deadlines. */
static inline uint64_t clock_now_ns(void)
{
	return clock_read_ns(CLOCK_MONOTONIC);
}

/* Milliseconds of CLOCK_MONOTONIC. */
static inline uint64_t clock_now_ms(void)
{
	return clock_now_ns() / CLOCK_NS_PER_MS;
}

/* Nanoseconds since 1970 of CLOCK_REALTIME: for a guest's calendar only. */
static inline uint64_t clock_calendar_ns(void)
{
	return clock_read_ns(CLOCK_REALTIME);
}

/* The wall clock @ms from now, for the calls of pthreads that want a moment of it. */
static inline struct timespec clock_wall_after(uint64_t ms)
{
	struct timespec until;
	uint64_t ns;

	clock_gettime(CLOCK_REALTIME, &until);
	ns = (uint64_t)until.tv_nsec + ms % 1000 * CLOCK_NS_PER_MS;
	until.tv_sec += (time_t)(ms / 1000 + ns / CLOCK_NS_PER_SECOND);
	until.tv_nsec = (long)(ns % CLOCK_NS_PER_SECOND);
	return until;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ACCEL_SIM_CLOCK_H
#define ACCEL_SIM_CLOCK_H

#include <stdint.h>
#include <time.h>

/* CLOCK_MONOTONIC; the simulator shares nothing with the library, so this is its own. */
static inline uint64_t sim_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline uint64_t sim_now_ms(void)
{
	return sim_now_ns() / 1000000u;
}

#endif

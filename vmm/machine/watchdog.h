/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMM_MACHINE_WATCHDOG_H
#define VMM_MACHINE_WATCHDOG_H

#include <stdbool.h>
#include <stdint.h>

#include "core/event_loop.h"
#include "core/log.h"

/* Names a thread whose event loop does not come round, for whoever wonders what hangs. */
struct watchdog {
	const struct event_loop *loop; /* of the thread that is watched */
	const char *thread;            /* its name */
	uint32_t patience_ms;
	bool reported; /* the stall that is under way */
	struct log_ratelimit limit;
};

#define WATCHDOG_LOOK_MS     1000u
#define WATCHDOG_PATIENCE_MS 2000u

void watchdog_init(struct watchdog *watchdog, const struct event_loop *loop, const char *thread);

/* Looks, and logs a stall once, and its end. From one thread, which is not the watched one. */
void watchdog_look(struct watchdog *watchdog, const struct logger *logger);

#endif

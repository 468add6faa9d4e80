/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/machine/watchdog.h"

#include <inttypes.h>

void watchdog_init(struct watchdog *watchdog, const struct event_loop *loop, const char *thread)
{
	*watchdog = (struct watchdog){
		.loop = loop,
		.thread = thread,
		.patience_ms = WATCHDOG_PATIENCE_MS,
		.limit = LOG_RATELIMIT_DEFAULT,
	};
}

void watchdog_look(struct watchdog *watchdog, const struct logger *logger)
{
	int fd;
	uint64_t busy_ms = event_loop_busy_ms(watchdog->loop, &fd);

	if (busy_ms >= watchdog->patience_ms && !watchdog->reported) {
		watchdog->reported = true;
		log_limited(logger, &watchdog->limit, LOG_LEVEL_WARNING, watchdog->thread,
			    "stalled: one callback, or a few, have taken %" PRIu64
			    " ms (the last is for descriptor %d); what it serves waits",
			    busy_ms, fd);
	} else if (busy_ms < watchdog->patience_ms && watchdog->reported) {
		watchdog->reported = false;
		log_limited(logger, &watchdog->limit, LOG_LEVEL_WARNING, watchdog->thread,
			    "goes on after the stall");
	}
}

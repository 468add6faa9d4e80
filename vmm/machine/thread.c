/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/machine/thread.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <time.h>

#include "core/clock.h"

static const char *const names[THREAD_KINDS] = {
	[THREAD_IO] = "cxvm-io",
	[THREAD_MACHINE] = "cxvm-machine",
};

const char *machine_thread_name(enum thread_kind kind)
{
	return names[kind];
}

int machine_thread_start(pthread_t *thread, void *(*body)(void *opaque), void *opaque)
{
	pthread_attr_t attributes;
	sigset_t all;
	int error;

	sigfillset(&all);
	pthread_attr_init(&attributes);
	pthread_attr_setsigmask_np(&attributes, &all);
	error = pthread_create(thread, &attributes, body, opaque);
	pthread_attr_destroy(&attributes);
	return -error;
}

int machine_thread_begin(const struct seccomp_filters *filters, enum thread_kind kind)
{
	prctl(PR_SET_NAME, names[kind]);
	return seccomp_filters_arm(filters, kind);
}

void machine_thread_join(pthread_t thread, const char *name, uint32_t patience_ms,
			 const struct logger *logger)
{
	uint64_t start_ms = clock_now_ms(), wait_ms = patience_ms;

	for (;;) {
		uint64_t waited_ms = clock_now_ms() - start_ms, left_ms;
		struct timespec until;

		/* By the wall clock, since ThreadSanitizer knows no other join with a limit; when
		 * somebody sets it meanwhile, only the message comes late. */
		left_ms = wait_ms > waited_ms ? wait_ms - waited_ms : 1;
		until = clock_wall_after(left_ms);
		if (pthread_timedjoin_np(thread, NULL, &until) != ETIMEDOUT)
			return;
		waited_ms = clock_now_ms() - start_ms;
		if (waited_ms < wait_ms)
			continue;
		log_error(logger, name,
			  "does not end: waited %u ms so far; what it waits for holds up the end "
			  "of the machine",
			  (unsigned int)waited_ms);
		wait_ms *= 2;
	}
}

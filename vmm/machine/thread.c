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
		struct timespec until;
		uint64_t end_ms;

		end_ms = clock_now_ms() + wait_ms;
		until.tv_sec = (time_t)(end_ms / 1000);
		until.tv_nsec = (long)(end_ms % 1000 * CLOCK_NS_PER_MS);
		if (pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &until) != ETIMEDOUT)
			return;
		log_error(logger, name,
			  "does not end: waited %u ms so far; what it waits for holds up the end "
			  "of the machine",
			  (unsigned int)(clock_now_ms() - start_ms));
		wait_ms *= 2;
	}
}

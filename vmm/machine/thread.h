/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMM_MACHINE_THREAD_H
#define VMM_MACHINE_THREAD_H

#include <pthread.h>
#include <stdint.h>

#include "core/log.h"
#include "vmm/machine/seccomp.h"

/*
 * machine_thread_start() - a thread that no signal reaches: they are the caller's. Returns 0 or
 * -errno of pthread_create().
 */
int machine_thread_start(pthread_t *thread, void *(*body)(void *opaque), void *opaque);

/* machine_thread_begin() - in such a thread, first: its name, and the filter of @kind. Returns 0 or
 * -errno of seccomp_filters_arm(). */
int machine_thread_begin(const struct seccomp_filters *filters, enum thread_kind kind);

/* The name of a thread that is not a vCPU's. */
const char *machine_thread_name(enum thread_kind kind);

#define THREAD_JOIN_PATIENCE_MS 5000u

/*
 * machine_thread_join() - waits for the end of a thread, which owns what would be freed after it.
 * When that takes more than @patience_ms, and at twice the time again, an error in the log names
 * the thread.
 */
void machine_thread_join(pthread_t thread, const char *name, uint32_t patience_ms,
			 const struct logger *logger);

#endif

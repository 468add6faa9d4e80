/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMM_MACHINE_THREAD_H
#define VMM_MACHINE_THREAD_H

#include <pthread.h>

#include "vmm/machine/seccomp.h"

/*
 * machine_thread_start() - a thread that no signal reaches: they are the caller's. Returns 0 or
 * -errno of pthread_create().
 */
int machine_thread_start(pthread_t *thread, void *(*body)(void *opaque), void *opaque);

/* machine_thread_begin() - in such a thread, first: its name, and the filter of @kind. Returns 0 or
 * -errno of seccomp_filters_arm(). */
int machine_thread_begin(const struct seccomp_filters *filters, enum thread_kind kind);

#endif

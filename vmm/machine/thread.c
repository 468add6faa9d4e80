/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/machine/thread.h"

#include <signal.h>
#include <sys/prctl.h>

static const char *const names[THREAD_KINDS] = {
	[THREAD_IO] = "cxvm-io",
	[THREAD_MACHINE] = "cxvm-machine",
};

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

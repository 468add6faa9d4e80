/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMM_MACHINE_SECCOMP_H
#define VMM_MACHINE_SECCOMP_H

#include <linux/filter.h>
#include <stddef.h>

#include <cxvm/cxvm.h>

#include "core/log.h"

/* The kinds of threads that serve a guest; each has its own list of system calls. */
enum thread_kind {
	THREAD_VCPU = 0,
	THREAD_IO = 1,      /* the event loop of the devices */
	THREAD_MACHINE = 2, /* what changes a machine: stop, power button, loss, give-back */
	THREAD_KINDS
};

/* Compiled filters, built once before the threads start, so that a thread arms its own with one
 * system call. */
struct seccomp_filters {
	struct sock_fprog programs[THREAD_KINDS];
};

/*
 * seccomp_filters_create() - default-deny filters: a call that is not on the list ends the process
 * (@mode ON) or is logged by the kernel and allowed (LOG). OFF: nothing is built. What only devices
 * use that the machine does not have is not on it: @needs, of enum seccomp_need. For threads of
 * the calling process only. Sets
 * PR_SET_NO_NEW_PRIVS in the calling thread, which the threads it creates inherit. Returns 0,
 * -ENOMEM, or the errno of libseccomp, logged.
 */
int seccomp_filters_create(struct seccomp_filters *filters, enum cxvm_seccomp mode,
			   unsigned int needs, const struct logger *logger);
void seccomp_filters_destroy(struct seccomp_filters *filters);

/* Arm the filter of @kind in the calling thread, for good. Returns 0 (also when there is none) or
 * -errno. */
int seccomp_filters_arm(const struct seccomp_filters *filters, enum thread_kind kind);

#endif

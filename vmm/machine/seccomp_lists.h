/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMM_MACHINE_SECCOMP_LISTS_H
#define VMM_MACHINE_SECCOMP_LISTS_H

#include <seccomp.h>
#include <stddef.h>

#include "vmm/machine/specification.h"

/* What a machine has that needs system calls of its own: bits of a mask. */
enum seccomp_need {
	SECCOMP_NEED_DISK = 1 << 0,
	SECCOMP_NEED_NET = 1 << 1,
	SECCOMP_NEED_VHOST_NET = 1 << 2,
	SECCOMP_NEED_VSOCK = 1 << 3, /* served here, on UNIX sockets */
	SECCOMP_NEED_VHOST_VSOCK = 1 << 4,
	SECCOMP_NEED_CONSOLE = 1 << 5,       /* virtio's */
	SECCOMP_NEED_SERIAL = 1 << 6,        /* a backend that is not null */
	SECCOMP_NEED_SERIAL_SOCKET = 1 << 7, /* of the serial line or of the console */
	SECCOMP_NEED_VFIO = 1 << 8,          /* a function by kernel VFIO */
	SECCOMP_NEED_VFIO_USER = 1 << 9,
	SECCOMP_NEED_ALL = (1 << 10) - 1,
};

/* One line of a list: what is allowed, in which threads, and for which machines. */
struct seccomp_rule {
	long number;        /* of the system call, or of the ioctl request */
	unsigned int kinds; /* bit n: enum thread_kind n */
	unsigned int needs; /* any of these; 0: every machine */
	/* Of a system call: only when these arguments are so. */
	unsigned int pin_count;
	struct scmp_arg_cmp pins[1];
};

const struct seccomp_rule *seccomp_call_rules(size_t *count);
const struct seccomp_rule *seccomp_ioctl_rules(size_t *count);

/* Whether @rule is for threads of @kind in a machine that has @needs. */
bool seccomp_rule_applies(const struct seccomp_rule *rule, unsigned int kind, unsigned int needs);

/* The needs of a machine. */
unsigned int seccomp_needs_of(const struct machine_specification *specification);

#endif

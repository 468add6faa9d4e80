/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMM_API_VM_H
#define VMM_API_VM_H

/* What the files of vmm/api share about a struct cxvm. */

#include <pthread.h>
#include <stdatomic.h>

#include <cxvm/cxvm.h>

#include "core/log.h"
#include "vmm/config/config.h"
#include "vmm/machine/machine.h"

struct cxvm {
	struct logger logger;
	cxvm_log_callback log; /* as cxvm_create() got it */
	void *log_opaque;
	int kvm_fd; /* -1: open /dev/kvm */
	int event_fd;
	int (*confine)(void *opaque, const char *const *folders, size_t count);
	void *confine_opaque;
	struct machine_config config;               /* what was asked for */
	struct machine_specification specification; /* of the machine; cxvm_run() fills it */
	_Atomic(enum cxvm_state) state;
	/*
	 * Set while cxvm_run() has a machine. The signal-safe calls may not take a lock, so they
	 * read it atomically; it is freed only in cxvm_destroy().
	 */
	_Atomic(struct machine *) machine;
	atomic_bool stop_requested; /* cxvm_stop() before there was a machine */
};

/* vm_specify() - config_specify() of what was asked for so far, each problem logged. @specification
 * lives as long as the machine that is built from it. Returns 0 or -EINVAL. */
int vm_specify(const struct cxvm *vm, struct machine_specification *specification);

#endif

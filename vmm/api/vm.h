/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMM_API_VM_H
#define VMM_API_VM_H

/* What the files of vmm/api share about a struct cxvm. */

#include <pthread.h>
#include <stdatomic.h>

#include <cxvm/cxvm.h>

#include "core/log.h"
#include "vmm/machine/specification.h"
#include "vmm/machine/machine.h"

struct cxvm {
	struct logger logger;
	cxvm_log_callback log; /* as cxvm_create() got it */
	void *log_opaque;
	int kvm_fd; /* -1: open /dev/kvm */
	int event_fd;
	struct machine_config config;
	_Atomic(enum cxvm_state) state;
	/*
	 * Set while cxvm_run() has a machine. The signal-safe calls may not take a lock, so they
	 * read it atomically; it is freed only in cxvm_destroy().
	 */
	_Atomic(struct machine *) machine;
	atomic_bool stop_requested; /* cxvm_stop() before there was a machine */
};

/* Complete the configuration: defaults and names. Returns 0 or -ENOMEM. Called once, before check
 * or start. */
int vm_config_defaults(struct machine_config *config);

/*
 * vm_options_begin() - fill @options, a struct of @section, with what text or JSON starts from: the
 * present values of a section that exists once, else nothing. Strings are copies. Returns 0 or
 * -ENOMEM.
 */
struct option_section;
int vm_options_begin(const struct cxvm *vm, const struct option_section *section, void *options);

/* A copy with strings of its own. Returns 0 or -ENOMEM (@to is empty then). */
int vm_config_copy(struct machine_config *to, const struct machine_config *from);

/* Frees all strings. */
void vm_config_free(struct machine_config *config);

#endif

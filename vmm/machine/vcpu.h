/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMM_MACHINE_VCPU_H
#define VMM_MACHINE_VCPU_H

#include <linux/kvm.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "arch/arch.h"
#include "core/bus.h"
#include "core/kvm.h"

/*
 * The vCPUs of one machine: a thread each, named vcpu0, vcpu1, ... They serve PIO and MMIO exits
 * from the two buses and report everything else upwards through the callbacks.
 *
 * Threads are stopped by a signal that is blocked outside KVM_RUN and unblocked inside
 * (KVM_SET_SIGNAL_MASK): no handler is ever installed, so the embedding process keeps its signal
 * dispositions.
 */
struct vcpu_set;

enum vcpu_stop {
	VCPU_STOP_TRIPLE_FAULT,
	VCPU_STOP_KVM_ERROR, /* emulation failure, entry failure, a fault that nobody owns */
};

struct vcpu_callbacks {
	void *opaque;
	/* Called in the vCPU's thread right before its first KVM_RUN (CPU affinity, seccomp).
	 * -errno: the vCPU is reported as
	 * stopped and never enters the guest. */
	int (*thread_started)(void *opaque, uint32_t index);
	/* The vCPU cannot go on; it parks until vcpu_set_stop(). @detail: one line. */
	void (*stopped)(void *opaque, uint32_t index, enum vcpu_stop reason, const char *detail);
	/* KVM_RUN returned EFAULT: returns true when the cause is gone and the vCPU may try again.
	 */
	bool (*memory_fault)(void *opaque, uint32_t index, uint64_t gpa);
};

#define VCPU_GPA_UNKNOWN UINT64_MAX

struct vcpu_counters {
	_Atomic uint64_t exits;
	_Atomic uint64_t mmio_exits;
	_Atomic uint64_t pio_exits;
	_Atomic uint64_t unclaimed;
};

/*
 * vcpu_set_create() - create @count vCPUs, not running. @vm, @mmio, @pio and
 * @callbacks->opaque must outlive the set. Returns 0, -ENOMEM or -errno of KVM, logged.
 */
int vcpu_set_create(struct vcpu_set **set, const struct kvm_vm *vm, uint32_t count,
		    struct bus *mmio, struct bus *pio, const struct vcpu_callbacks *callbacks,
		    const struct logger *logger);

/* Give all vCPUs their model. Before vcpu_set_start(). Returns 0 or -errno, logged. */
int vcpu_set_configure(struct vcpu_set *set, struct arch_cpus *cpus);
int vcpu_set_boot(struct vcpu_set *set, const struct arch_cpus *cpus,
		  const struct arch_kernel *kernel);

/*
 * vcpu_set_start() - start the threads and let them run when all of them are ready. Returns 0 or
 * -errno (nothing runs then, and vcpu_set_stop() need not be called).
 */
int vcpu_set_start(struct vcpu_set *set);

/* All vCPUs leave the guest and wait / go on. From any thread but a vCPU's; returns when all have
 * parked. */
void vcpu_set_pause(struct vcpu_set *set);
void vcpu_set_resume(struct vcpu_set *set);

/* All threads end and are joined. Not from a vCPU's thread. Allowed when never started, or twice.
 */
void vcpu_set_stop(struct vcpu_set *set);

/* Stops if needed and frees. NULL is allowed. */
void vcpu_set_destroy(struct vcpu_set *set);

/* The sum over all vCPUs. Any thread. */
void vcpu_set_counters(const struct vcpu_set *set, uint64_t *exits, uint64_t *mmio, uint64_t *pio,
		       uint64_t *unclaimed);

#endif

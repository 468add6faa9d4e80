/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMM_MACHINE_MACHINE_H
#define VMM_MACHINE_MACHINE_H

#include <cxvm/cxvm.h>

#include "core/log.h"
#include "vmm/machine/specification.h"

/*
 * One machine, assembled from a specification. Life: machine_create() builds everything up
 * to the first KVM_RUN; machine_run() runs it in the calling thread until it stops;
 * machine_destroy() takes it apart. A machine runs once.
 */
struct machine;

struct machine_options {
	const struct machine_specification *specification; /* outlives the machine */
	const struct logger *logger;                       /* outlives the machine */
	int kvm_fd;        /* >= 0: used instead of /dev/kvm, owned by the machine */
	uint64_t start_ns; /* CLOCK_MONOTONIC when the start was asked for: the boot timer's zero */
	/* May be NULL. The vCPUs run and machine_pause() works from now on; in machine_run()'s
	 * thread. */
	void (*started)(void *opaque);
	void *started_opaque;
};

/* Returns 0 or -errno as cxvm_run() documents it; the log says why. Nothing is left open after a
 * failure. */
int machine_create(struct machine **machine, const struct machine_options *options);

/* Runs until the machine stops; @result is filled. Returns 0 or -errno when the vCPUs or one of the
 * machine's other threads could not be started. */
int machine_run(struct machine *machine, struct cxvm_exit *result);

/* NULL is allowed; not while machine_run() is active. */
void machine_destroy(struct machine *machine);

/* While machine_run() is active, from any thread but its own callbacks. Return 0 or -EINVAL (not
 * running / not paused). */
int machine_pause(struct machine *machine);
int machine_resume(struct machine *machine);

/* Any thread, any time, async-signal-safe: one write to an eventfd. */
void machine_stop(struct machine *machine);
void machine_power_button(struct machine *machine);

void machine_get_counters(const struct machine *machine, struct cxvm_counters *counters);

/* machine_describe() - the guest physical map and the devices of a machine that was created.
 * @description points into the machine. */
struct description;
void machine_describe(struct machine *machine, struct description *description);

#endif

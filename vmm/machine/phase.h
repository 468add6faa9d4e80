/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMM_MACHINE_PHASE_H
#define VMM_MACHINE_PHASE_H

/* Where a machine is in its life, and what may happen to it there. */
enum machine_phase {
	MACHINE_READY = 0, /* built; no guest code has run */
	MACHINE_RUNNING,
	MACHINE_PAUSED, /* every vCPU is parked and no device works */
	MACHINE_ENDED,  /* for good: a machine runs once */
	MACHINE_PHASES
};

enum machine_step {
	MACHINE_START = 0, /* the vCPUs have started */
	MACHINE_PAUSE,
	MACHINE_RESUME,
	MACHINE_END,
	MACHINE_STEPS
};

/* machine_phase_after() - the phase that @step leads to from @phase, or -EINVAL when the step is
 * not allowed there. Pure. */
int machine_phase_after(enum machine_phase phase, enum machine_step step);

#endif

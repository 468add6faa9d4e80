/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/machine/phase.h"

#include <errno.h>
#include <stddef.h>

struct transition {
	enum machine_phase from;
	enum machine_step step;
	enum machine_phase to;
};

/* What is not in this table does not happen. */
static const struct transition transitions[] = {
	{MACHINE_READY, MACHINE_START, MACHINE_RUNNING},
	{MACHINE_READY, MACHINE_END, MACHINE_ENDED}, /* its threads could not be started */
	{MACHINE_RUNNING, MACHINE_PAUSE, MACHINE_PAUSED},
	{MACHINE_RUNNING, MACHINE_END, MACHINE_ENDED},
	{MACHINE_PAUSED, MACHINE_RESUME, MACHINE_RUNNING},
	{MACHINE_PAUSED, MACHINE_END, MACHINE_ENDED},
};

int machine_phase_after(enum machine_phase phase, enum machine_step step)
{
	for (size_t i = 0; i < sizeof(transitions) / sizeof(transitions[0]); i++)
		if (transitions[i].from == phase && transitions[i].step == step)
			return (int)transitions[i].to;
	return -EINVAL;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdbool.h>

#include "vmm/machine/phase.h"

/* Every phase with every step: where it leads to, or -EINVAL. */
static const int expected[MACHINE_PHASES][MACHINE_STEPS] = {
	[MACHINE_READY] =
		{
			[MACHINE_START] = MACHINE_RUNNING,
			[MACHINE_PAUSE] = -EINVAL,
			[MACHINE_RESUME] = -EINVAL,
			[MACHINE_END] = MACHINE_ENDED,
		},
	[MACHINE_RUNNING] =
		{
			[MACHINE_START] = -EINVAL,
			[MACHINE_PAUSE] = MACHINE_PAUSED,
			[MACHINE_RESUME] = -EINVAL,
			[MACHINE_END] = MACHINE_ENDED,
		},
	[MACHINE_PAUSED] =
		{
			[MACHINE_START] = -EINVAL,
			[MACHINE_PAUSE] = -EINVAL,
			[MACHINE_RESUME] = MACHINE_RUNNING,
			[MACHINE_END] = MACHINE_ENDED,
		},
	[MACHINE_ENDED] =
		{
			[MACHINE_START] = -EINVAL,
			[MACHINE_PAUSE] = -EINVAL,
			[MACHINE_RESUME] = -EINVAL,
			[MACHINE_END] = -EINVAL,
		},
};

Test(phase, every_step_from_every_phase)
{
	for (int phase = 0; phase < MACHINE_PHASES; phase++)
		for (int step = 0; step < MACHINE_STEPS; step++)
			cr_expect_eq(machine_phase_after((enum machine_phase)phase,
							 (enum machine_step)step),
				     expected[phase][step], "phase %d, step %d", phase, step);
}

/* Walks the table: nothing is a dead end but the end, and nothing is out of reach. */
Test(phase, every_phase_is_reached_and_ends)
{
	bool reached[MACHINE_PHASES] = {[MACHINE_READY] = true};

	for (int round = 0; round < MACHINE_PHASES; round++)
		for (int phase = 0; phase < MACHINE_PHASES; phase++)
			for (int step = 0; reached[phase] && step < MACHINE_STEPS; step++) {
				int next = machine_phase_after((enum machine_phase)phase,
							       (enum machine_step)step);

				if (next >= 0)
					reached[next] = true;
			}
	for (int phase = 0; phase < MACHINE_PHASES; phase++) {
		cr_expect(reached[phase], "phase %d is out of reach", phase);
		if (phase != MACHINE_ENDED)
			cr_expect_eq(machine_phase_after((enum machine_phase)phase, MACHINE_END),
				     MACHINE_ENDED);
	}
}

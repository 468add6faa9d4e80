/* SPDX-License-Identifier: Apache-2.0 */
/* Memory between two users: nobody gets it unless a whole scrub came after the last one. */
#include <criterion/criterion.h>

#include "host-driver/scrub.h"

Test(scrub, every_event_in_every_state)
{
	/* start, done, fail, open, close; a state, or a negative errno */
	static const int expected[SCRUB_STATES][SCRUB_EVENTS] = {
		[SCRUB_NEEDED] = {SCRUB_RUNNING, -EINVAL, -EINVAL, -EBUSY, -EINVAL},
		[SCRUB_RUNNING] = {-EINVAL, SCRUB_CLEAN, SCRUB_FAILED, -EBUSY, -EINVAL},
		[SCRUB_CLEAN] = {SCRUB_RUNNING, -EINVAL, -EINVAL, SCRUB_USED, -EINVAL},
		[SCRUB_USED] = {-EINVAL, -EINVAL, -EINVAL, -EINVAL, SCRUB_NEEDED},
		[SCRUB_FAILED] = {SCRUB_RUNNING, -EINVAL, -EINVAL, -EIO, -EINVAL},
	};

	for (int state = 0; state < SCRUB_STATES; state++) {
		for (int event = 0; event < SCRUB_EVENTS; event++) {
			enum scrub_state now = (enum scrub_state)state;
			int result = scrub_step(&now, (enum scrub_event)event);
			int wanted = expected[state][event];

			cr_assert_eq(result, wanted < 0 ? wanted : 0, "state %d event %d", state,
				     event);
			cr_assert_eq((int)now, wanted < 0 ? state : wanted, "state %d event %d",
				     state, event);
		}
	}
}

/* Any sequence of events: an open that succeeds comes after a scrub that was the last to end. */
Test(scrub, no_sequence_opens_memory_that_was_not_cleared)
{
	const unsigned int length = 8;
	unsigned int sequences = 1;

	for (unsigned int i = 0; i < length; i++)
		sequences *= SCRUB_EVENTS;
	for (unsigned int sequence = 0; sequence < sequences; sequence++) {
		enum scrub_state state = SCRUB_NEEDED;
		unsigned int rest = sequence;
		bool clean = false;

		for (unsigned int i = 0; i < length; i++, rest /= SCRUB_EVENTS) {
			enum scrub_event event = (enum scrub_event)(rest % SCRUB_EVENTS);

			if (scrub_step(&state, event))
				continue;
			if (event == SCRUB_OPEN)
				cr_assert(clean, "sequence %u", sequence);
			clean = event == SCRUB_DONE;
		}
	}
}

Test(scrub, threads_by_size_and_processors)
{
	static const struct {
		u64 size;
		u32 cpus, threads;
	} rows[] = {
		{0x10000000, 64, 1},   {0x40000000, 64, 1},  {0x80000000, 64, 2},
		{0x1000000000, 64, 4}, {0x1000000000, 2, 1}, {0x1000000000, 1, 1},
		{0x1000000000, 4, 2},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		cr_assert_eq(scrub_thread_count(rows[i].size, rows[i].cpus), rows[i].threads,
			     "row %zu", i);
}

Test(scrub, states_have_names)
{
	for (int state = 0; state < SCRUB_STATES; state++)
		cr_assert_not_null(scrub_state_name((enum scrub_state)state));
}

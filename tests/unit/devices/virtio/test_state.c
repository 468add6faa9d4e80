/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <string.h>

#include "devices/virtio/state.h"

/*
 * What follows for each state (row) and event (column), written down a second time: the letter of
 * the next state, '.' where the event is refused or changes nothing. virtio 1.2, 2.1, 2.4, 3.1.1.
 *
 * R reset, A acknowledged, F features_ok, L running (live), N needs_reset, X failed, P paused,
 * Q paused and needs_reset
 */
static const char letters[] = "RAFLNXPQ";

static const char *const expected[VIRTIO_STATE_COUNT] = {
	/* ACKNOWLEDGE FEATURES_OK DRIVER_OK START_FAILED BROKEN PAUSE RESUME RESET */
	[VIRTIO_STATE_RESET] = "AF......",       [VIRTIO_STATE_ACKNOWLEDGED] = ".F.....R",
	[VIRTIO_STATE_FEATURES_OK] = "..L....R", [VIRTIO_STATE_RUNNING] = "...XNP.R",
	[VIRTIO_STATE_NEEDS_RESET] = "...X.Q.R", [VIRTIO_STATE_FAILED] = ".......R",
	[VIRTIO_STATE_PAUSED] = "....Q.LR",      [VIRTIO_STATE_PAUSED_NEEDS_RESET] = "......NR",
};

Test(virtio_state, each_state_and_event)
{
	for (unsigned int state = 0; state < VIRTIO_STATE_COUNT; state++) {
		cr_assert_eq(strlen(expected[state]), VIRTIO_EVENT_COUNT);
		for (unsigned int event = 0; event < VIRTIO_EVENT_COUNT; event++) {
			const struct virtio_transition *row = virtio_transition_find(state, event);

			cr_expect_eq(row ? letters[row->to] : '.', expected[state][event],
				     "state %c, event %u: %c", letters[state], event,
				     row ? letters[row->to] : '.');
		}
	}
}

Test(virtio_state, each_pair_is_in_the_table_once)
{
	const struct virtio_transition *rows;
	size_t count;

	rows = virtio_transitions(&count);
	for (size_t i = 0; i < count; i++)
		cr_expect_eq(virtio_transition_find(rows[i].from, rows[i].event), &rows[i],
			     "row %zu is shadowed", i);
}

/* Walk every path: a device is started and stopped in turns, and is paused only while started. */
static void walk(enum virtio_state state, bool started, bool paused, unsigned int steps,
		 bool seen[VIRTIO_STATE_COUNT])
{
	seen[state] = true;
	cr_assert_eq(virtio_state_is_started(state), started, "state %c", letters[state]);
	for (unsigned int event = 0; steps > 0 && event < VIRTIO_EVENT_COUNT; event++) {
		const struct virtio_transition *row = virtio_transition_find(state, event);
		bool starts = started && event != VIRTIO_EVENT_START_FAILED;
		bool pauses = paused;

		if (!row)
			continue;
		switch (row->action) {
		case VIRTIO_ACTION_START:
			cr_assert_not(started);
			starts = true;
			break;
		case VIRTIO_ACTION_STOP:
			cr_assert(started);
			starts = pauses = false;
			break;
		case VIRTIO_ACTION_PAUSE:
			cr_assert(started && !paused);
			pauses = true;
			break;
		case VIRTIO_ACTION_RESUME:
			cr_assert(started && paused);
			pauses = false;
			break;
		case VIRTIO_ACTION_NONE:
			break;
		}
		walk(row->to, starts, pauses, steps - 1, seen);
	}
}

Test(virtio_state, every_path_starts_and_stops_in_turns)
{
	bool seen[VIRTIO_STATE_COUNT] = {false};

	walk(VIRTIO_STATE_RESET, false, false, 8, seen);
	for (unsigned int state = 0; state < VIRTIO_STATE_COUNT; state++)
		cr_expect(seen[state], "state %c is never reached", letters[state]);
}

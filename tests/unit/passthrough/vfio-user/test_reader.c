/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "passthrough/vfio-user/reader.h"

/* The table once more, a letter a step: - never, y granted, n no, l later, r left to the reader;
 * then the state afterwards, by its first letter but N for none. Events: claim, unclaim, read,
 * poll, done. */
static const char *const expected[VFIO_USER_READERS] = {
	"yC -N yR yR -N",
	"nC yN nC lC -C",
	"nR -R nR rR yN",
};

Test(vfio_user_reader, steps)
{
	for (unsigned int state = 0; state < VFIO_USER_READERS; state++) {
		for (unsigned int event = 0; event < VFIO_USER_READER_EVENTS; event++) {
			const struct vfio_user_reader_step *step =
				&vfio_user_reader_steps[state][event];

			cr_expect_eq("-ynlr"[step->answer], expected[state][3 * event],
				     "state %u, event %u", state, event);
			cr_expect_eq("NCR"[step->next], expected[state][3 * event + 1],
				     "state %u, event %u", state, event);
		}
	}
}

/* Two callers and the event loop, each of which does what the channel does, in every order. */
enum actor_at { IDLE, SENDING_WITH_CLAIM, SENDING, WAITING, READING };

struct world {
	enum vfio_user_reader reader;
	enum actor_at callers[2];
	enum actor_at loop;
};

static bool visited[VFIO_USER_READERS][5][5][5];
static unsigned int worlds;

static void walk(struct world world);

static bool step(struct world *world, enum vfio_user_reader_event event)
{
	const struct vfio_user_reader_step *taken = &vfio_user_reader_steps[world->reader][event];

	cr_assert_neq(taken->answer, VFIO_USER_READER_NEVER, "event %d in state %d", event,
		      world->reader);
	world->reader = taken->next;
	return taken->answer == VFIO_USER_READER_YES;
}

static void walk_caller(struct world world, unsigned int one)
{
	enum actor_at *at = &world.callers[one];

	switch (*at) {
	case IDLE:
		*at = step(&world, VFIO_USER_READER_CLAIM) ? SENDING_WITH_CLAIM : SENDING;
		break;
	case SENDING_WITH_CLAIM:
		step(&world, VFIO_USER_READER_UNCLAIM);
		*at = WAITING;
		break;
	case SENDING:
		*at = WAITING;
		break;
	case WAITING:
		if (step(&world, VFIO_USER_READER_READ))
			*at = READING;
		break;
	case READING:
	default:
		step(&world, VFIO_USER_READER_DONE);
		*at = IDLE;
		break;
	}
	walk(world);
}

static void walk(struct world world)
{
	unsigned int readers = (world.callers[0] == READING) + (world.callers[1] == READING) +
			       (world.loop == READING);
	bool *been = &visited[world.reader][world.callers[0]][world.callers[1]][world.loop];

	if (*been)
		return;
	*been = true;
	worlds++;
	cr_expect_eq(readers, world.reader == VFIO_USER_READER_READING ? 1u : 0u);
	cr_expect_eq((world.callers[0] == SENDING_WITH_CLAIM) +
			     (world.callers[1] == SENDING_WITH_CLAIM),
		     world.reader == VFIO_USER_READER_CLAIMED ? 1 : 0);
	for (unsigned int one = 0; one < 2; one++)
		walk_caller(world, one);
	if (world.loop == READING) {
		step(&world, VFIO_USER_READER_DONE);
		world.loop = IDLE;
	} else if (step(&world, VFIO_USER_READER_POLL)) {
		world.loop = READING;
	}
	walk(world);
}

Test(vfio_user_reader, one_reader_at_a_time)
{
	walk((struct world){.reader = VFIO_USER_READER_NONE});
	cr_expect_gt(worlds, 20u);
}

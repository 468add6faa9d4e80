/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "passthrough/device/state.h"

/* A letter a state, in the order of the enumeration; a row says what may follow. */
static const char letters[] = "CPGWRLNB";
static const char *const rows[PASSTHROUGH_STATES] = {
	[PASSTHROUGH_CONNECTED] = "PRL",  [PASSTHROUGH_PLANNED] = "GL",
	[PASSTHROUGH_PLUGGED] = "WRL",    [PASSTHROUGH_WITHDRAWN] = "GRL",
	[PASSTHROUGH_RESETTING] = "CGWL", [PASSTHROUGH_LOST] = "N",
	[PASSTHROUGH_GONE] = "B",         [PASSTHROUGH_RETURNED] = "",
};

Test(state, the_table_allows_these_steps_and_no_others)
{
	for (int from = 0; from < PASSTHROUGH_STATES; from++)
		for (int to = 0; to < PASSTHROUGH_STATES; to++) {
			struct passthrough_life life = {.state = (enum passthrough_state)from};
			bool allowed = strchr(rows[from], letters[to]) != NULL;

			cr_expect_eq(passthrough_state_may_follow(life.state,
								  (enum passthrough_state)to),
				     allowed, "%c to %c", letters[from], letters[to]);
			if (!allowed)
				continue;
			cr_expect(passthrough_life_move(&life, life.state,
							(enum passthrough_state)to));
			cr_expect_eq(passthrough_life_state(&life), (enum passthrough_state)to);
			/* It is there already: the step belongs to the call above. */
			cr_expect_not(passthrough_life_move(&life, (enum passthrough_state)from,
							    (enum passthrough_state)to));
		}
}

Test(state, every_state_before_the_loss_can_be_lost_and_none_comes_back)
{
	for (int from = 0; from < PASSTHROUGH_STATES; from++) {
		struct passthrough_life life = {.state = (enum passthrough_state)from};
		bool before = from < PASSTHROUGH_LOST;

		cr_expect_eq(passthrough_life_lose(&life, "first"), before, "%c", letters[from]);
		cr_expect_not(passthrough_life_lose(&life, "second"));
		cr_expect(passthrough_life_is_lost(&life));
		cr_expect_str_eq(passthrough_life_reason(&life), "first");
		for (int to = 0; to < PASSTHROUGH_LOST; to++)
			cr_expect_not(passthrough_state_may_follow(passthrough_life_state(&life),
								   (enum passthrough_state)to));
	}
}

Test(state, a_reset_ends_where_it_began_unless_the_device_is_lost)
{
	static const enum passthrough_state begins[] = {PASSTHROUGH_CONNECTED, PASSTHROUGH_PLUGGED,
							PASSTHROUGH_WITHDRAWN};
	enum passthrough_state before;

	for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
		struct passthrough_life life = {.state = begins[i]};

		cr_assert_eq(passthrough_life_begin_reset(&life, &before), 0);
		cr_expect_eq(before, begins[i]);
		cr_expect_eq(passthrough_life_begin_reset(&life, &before), -EBUSY);
		cr_expect(passthrough_life_move(&life, PASSTHROUGH_RESETTING, begins[i]));
		cr_assert_eq(passthrough_life_begin_reset(&life, &before), 0);
		passthrough_life_lose(&life, "in a reset");
		cr_expect_not(passthrough_life_move(&life, PASSTHROUGH_RESETTING, before));
		cr_expect_eq(passthrough_life_begin_reset(&life, &before), -ENODEV);
	}
}

#define LOSERS 8u

struct loser {
	struct passthrough_life *life;
	pthread_barrier_t *start;
	const char *reason;
	const char *seen;
	bool did;
};

static void *lose(void *opaque)
{
	struct loser *loser = opaque;

	pthread_barrier_wait(loser->start);
	loser->did = passthrough_life_lose(loser->life, loser->reason);
	loser->seen = passthrough_life_reason(loser->life);
	return NULL;
}

Test(state, of_many_losses_one_does_it_and_all_see_one_reason)
{
	static const char *const reasons[LOSERS] = {"a", "b", "c", "d", "e", "f", "g", "h"};

	for (int round = 0; round < 100; round++) {
		struct passthrough_life life = {.state = PASSTHROUGH_PLUGGED};
		struct loser losers[LOSERS];
		pthread_t threads[LOSERS];
		pthread_barrier_t start;
		unsigned int did = 0;

		pthread_barrier_init(&start, NULL, LOSERS);
		for (unsigned int i = 0; i < LOSERS; i++) {
			losers[i] = (struct loser){
				.life = &life, .start = &start, .reason = reasons[i]};
			cr_assert_eq(pthread_create(&threads[i], NULL, lose, &losers[i]), 0);
		}
		for (unsigned int i = 0; i < LOSERS; i++) {
			pthread_join(threads[i], NULL);
			did += losers[i].did;
			cr_expect_eq(losers[i].seen, losers[0].seen);
		}
		cr_expect_eq(did, 1u);
		pthread_barrier_destroy(&start);
	}
}

Test(state, one_kind_of_interrupt_follows_another_only_when_all_are_off)
{
	for (int from = 0; from < PASSTHROUGH_IRQ_MODES; from++)
		for (int to = 0; to < PASSTHROUGH_IRQ_MODES; to++)
			cr_expect_eq(
				passthrough_irq_mode_may_follow((enum passthrough_irq_mode)from,
								(enum passthrough_irq_mode)to),
				from == PASSTHROUGH_IRQ_NONE || to == PASSTHROUGH_IRQ_NONE,
				"%d to %d", from, to);
}

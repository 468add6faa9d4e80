/* SPDX-License-Identifier: Apache-2.0 */
#include "passthrough/device/state.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>

/* Row: from. Column: to. */
static const bool state_follows[PASSTHROUGH_STATES][PASSTHROUGH_STATES] = {
	[PASSTHROUGH_CONNECTED] = {[PASSTHROUGH_PLANNED] = true,
				   /* A weak reset is backed by one before its guest starts. */
				   [PASSTHROUGH_RESETTING] = true,
				   [PASSTHROUGH_LOST] = true},
	[PASSTHROUGH_PLANNED] = {[PASSTHROUGH_PLUGGED] = true, [PASSTHROUGH_LOST] = true},
	[PASSTHROUGH_PLUGGED] = {[PASSTHROUGH_WITHDRAWN] = true,
				 [PASSTHROUGH_RESETTING] = true,
				 [PASSTHROUGH_LOST] = true},
	[PASSTHROUGH_WITHDRAWN] = {[PASSTHROUGH_PLUGGED] = true,
				   [PASSTHROUGH_RESETTING] = true,
				   [PASSTHROUGH_LOST] = true},
	[PASSTHROUGH_RESETTING] = {[PASSTHROUGH_CONNECTED] = true,
				   [PASSTHROUGH_PLUGGED] = true,
				   [PASSTHROUGH_WITHDRAWN] = true,
				   [PASSTHROUGH_LOST] = true},
	[PASSTHROUGH_LOST] = {[PASSTHROUGH_GONE] = true},
	[PASSTHROUGH_GONE] = {[PASSTHROUGH_RETURNED] = true},
};

bool passthrough_state_may_follow(enum passthrough_state from, enum passthrough_state to)
{
	return from < PASSTHROUGH_STATES && to < PASSTHROUGH_STATES && state_follows[from][to];
}

enum passthrough_state passthrough_life_state(const struct passthrough_life *life)
{
	return atomic_load_explicit(&life->state, memory_order_acquire);
}

bool passthrough_life_is_lost(const struct passthrough_life *life)
{
	return passthrough_life_state(life) >= PASSTHROUGH_LOST;
}

const char *passthrough_life_reason(const struct passthrough_life *life)
{
	return atomic_load_explicit(&life->lost_reason, memory_order_acquire);
}

bool passthrough_life_move(struct passthrough_life *life, enum passthrough_state from,
			   enum passthrough_state to)
{
	assert(passthrough_state_may_follow(from, to));
	return atomic_compare_exchange_strong(&life->state, &from, to);
}

int passthrough_life_begin_reset(struct passthrough_life *life, enum passthrough_state *before)
{
	do {
		*before = passthrough_life_state(life);
		if (*before >= PASSTHROUGH_LOST)
			return -ENODEV;
		if (!passthrough_state_may_follow(*before, PASSTHROUGH_RESETTING))
			return -EBUSY;
	} while (!passthrough_life_move(life, *before, PASSTHROUGH_RESETTING));
	return 0;
}

bool passthrough_life_lose(struct passthrough_life *life, const char *reason)
{
	const char *none = NULL;
	enum passthrough_state from;

	atomic_compare_exchange_strong(&life->lost_reason, &none, reason);
	do {
		from = passthrough_life_state(life);
		if (from >= PASSTHROUGH_LOST)
			return false;
	} while (!passthrough_life_move(life, from, PASSTHROUGH_LOST));
	return true;
}

/* One kind at a time, as VFIO has it: what signals now is turned off first. */
static const bool irq_follows[PASSTHROUGH_IRQ_MODES][PASSTHROUGH_IRQ_MODES] = {
	[PASSTHROUGH_IRQ_NONE] = {[PASSTHROUGH_IRQ_NONE] = true,
				  [PASSTHROUGH_IRQ_INTX] = true,
				  [PASSTHROUGH_IRQ_MSI] = true,
				  [PASSTHROUGH_IRQ_MSIX] = true},
	[PASSTHROUGH_IRQ_INTX] = {[PASSTHROUGH_IRQ_NONE] = true},
	[PASSTHROUGH_IRQ_MSI] = {[PASSTHROUGH_IRQ_NONE] = true},
	[PASSTHROUGH_IRQ_MSIX] = {[PASSTHROUGH_IRQ_NONE] = true},
};

bool passthrough_irq_mode_may_follow(enum passthrough_irq_mode from, enum passthrough_irq_mode to)
{
	return from < PASSTHROUGH_IRQ_MODES && to < PASSTHROUGH_IRQ_MODES && irq_follows[from][to];
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PASSTHROUGH_DEVICE_STATE_H
#define PASSTHROUGH_DEVICE_STATE_H

#include <stdatomic.h>
#include <stdbool.h>

/*
 * The states of a passed-through device and of its interrupts, and which may follow which: two
 * tables that a test walks.
 *
 * A loss may come from any thread with any lock held, so the state is atomic and moves by compare
 * and exchange: who moves it has the work that belongs to the step.
 */
enum passthrough_state {
	PASSTHROUGH_CONNECTED = 0, /* its side answers; nothing is known yet */
	PASSTHROUGH_PLANNED,       /* discovered, its BARs cut up, its memory mapped here */
	PASSTHROUGH_PLUGGED,       /* the guest is given it, or has it */
	PASSTHROUGH_WITHDRAWN,     /* plugged, and a fault took its windows away until the guest
				      enables memory decoding again */
	PASSTHROUGH_RESETTING,     /* a reset is at work; it ends in the state that it came from */
	PASSTHROUGH_LOST,          /* every access answers all-ones; the clean-up is owed */
	PASSTHROUGH_GONE,          /* cleaned up, the owner told */
	PASSTHROUGH_RETURNED,      /* the host has it again: nothing of it is kept here */
	PASSTHROUGH_STATES,
};

/* All zero: connected. */
struct passthrough_life {
	_Atomic(enum passthrough_state) state;
	_Atomic(const char *) lost_reason; /* NULL until the first reason, then that one */
};

/* Whether the tables let @to follow @from. */
bool passthrough_state_may_follow(enum passthrough_state from, enum passthrough_state to);

enum passthrough_state passthrough_life_state(const struct passthrough_life *life);

/* Lost, or a later state. */
bool passthrough_life_is_lost(const struct passthrough_life *life);

/* The first reason of the loss; not NULL once it is lost. */
const char *passthrough_life_reason(const struct passthrough_life *life);

/*
 * passthrough_life_move() - from @from to @to, which the table must allow. Returns whether this
 * call did it; false: it is in another state. Any thread, without locks.
 */
bool passthrough_life_move(struct passthrough_life *life, enum passthrough_state from,
			   enum passthrough_state to);

/* Into RESETTING; *@before is the state that the reset must end in. Returns 0, -ENODEV (lost) or
 * -EBUSY (resetting already). */
int passthrough_life_begin_reset(struct passthrough_life *life, enum passthrough_state *before);

/*
 * passthrough_life_lose() - to LOST from wherever it is. Returns whether this call did it. The
 * first
 * @reason of all calls (a constant text) stays, and is there before the state is. After the return
 * passthrough_life_is_lost() is true, whoever did it. Any thread, any lock.
 */
bool passthrough_life_lose(struct passthrough_life *life, const char *reason);

/* How the device's side signals interrupts; under the PCI root's lock. */
enum passthrough_irq_mode {
	PASSTHROUGH_IRQ_NONE = 0,
	PASSTHROUGH_IRQ_INTX,
	PASSTHROUGH_IRQ_MSI,
	PASSTHROUGH_IRQ_MSIX,
	PASSTHROUGH_IRQ_MODES,
};

bool passthrough_irq_mode_may_follow(enum passthrough_irq_mode from, enum passthrough_irq_mode to);

#endif

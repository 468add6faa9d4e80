/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_BUDGET_H
#define CORE_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/clock.h"

/*
 * What one callback of an event loop may do before others get their turn: chains, bytes (or any
 * other measure of the work that a guest chooses) and time. The callback stops when the budget is
 * spent, and asks to be called again. One thread.
 *
 * The first piece of work is always done: whatever the limits are, there is progress.
 */
struct budget_limits {
	uint32_t chains;
	uint64_t bytes;   /* 0: no limit */
	uint64_t time_ns; /* 0: no limit */
};

struct budget {
	uint32_t chains;
	uint64_t bytes;
	uint64_t end_ns; /* of CLOCK_MONOTONIC; UINT64_MAX: none */
	bool spent;
};

static inline struct budget budget_start(const struct budget_limits *limits)
{
	return (struct budget){
		.chains = limits->chains,
		.bytes = limits->bytes ? limits->bytes : UINT64_MAX,
		.end_ns = limits->time_ns ? clock_now_ns() + limits->time_ns : UINT64_MAX,
	};
}

/* Charge work that was done: a part of a chain has @chains 0. */
static inline void budget_charge(struct budget *budget, uint32_t chains, uint64_t bytes)
{
	budget->chains -= chains < budget->chains ? chains : budget->chains;
	budget->bytes -= bytes < budget->bytes ? bytes : budget->bytes;
	if (budget->chains == 0 || budget->bytes == 0 ||
	    (budget->end_ns != UINT64_MAX && clock_now_ns() >= budget->end_ns))
		budget->spent = true;
}

/* Nothing more in this callback. */
static inline bool budget_spent(const struct budget *budget)
{
	return budget->spent;
}

/*
 * What all devices of a machine may hold of something together, bytes of copies for example. Any
 * thread. Who is refused waits for something of its own to end: nobody is woken.
 */
struct quota {
	_Atomic uint64_t left;
};

static inline bool quota_take(struct quota *quota, uint64_t amount)
{
	uint64_t left = atomic_load_explicit(&quota->left, memory_order_relaxed);

	do
		if (left < amount)
			return false;
	while (!atomic_compare_exchange_weak_explicit(&quota->left, &left, left - amount,
						      memory_order_relaxed, memory_order_relaxed));
	return true;
}

static inline void quota_give(struct quota *quota, uint64_t amount)
{
	atomic_fetch_add_explicit(&quota->left, amount, memory_order_relaxed);
}

#endif

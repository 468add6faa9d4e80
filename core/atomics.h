/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_ATOMICS_H
#define CORE_ATOMICS_H

#include <stdatomic.h>
#include <stdint.h>

/*
 * One family of atomics: <stdatomic.h>. What several of our threads share without a lock is
 * declared so (atomic_bool, _Atomic uint64_t), and its type then says what a comment cannot
 * enforce. An order is written where it is weaker than sequential consistency.
 *
 * The functions here are for the one thing whose type is not ours: memory that a guest's processors
 * or a peer write at the same time, which arrives as plain bytes. They are the only users of the
 * compiler's own builtins. @at is aligned to its size. The bytes come as they are: the caller
 * converts their order.
 */
static inline uint16_t shared_load16_relaxed(const void *at)
{
	return __atomic_load_n((const uint16_t *)at, __ATOMIC_RELAXED);
}

/* What the other side wrote before it wrote this is seen after this. */
static inline uint16_t shared_load16_acquire(const void *at)
{
	return __atomic_load_n((const uint16_t *)at, __ATOMIC_ACQUIRE);
}

static inline void shared_store16_relaxed(void *at, uint16_t value)
{
	__atomic_store_n((uint16_t *)at, value, __ATOMIC_RELAXED);
}

/* The other side, when it sees this, sees what was written before. */
static inline void shared_store16_release(void *at, uint16_t value)
{
	__atomic_store_n((uint16_t *)at, value, __ATOMIC_RELEASE);
}

/* One byte, in one access that the compiler neither splits nor leaves out. */
static inline void shared_store8_relaxed(void *at, uint8_t value)
{
	__atomic_store_n((uint8_t *)at, value, __ATOMIC_RELAXED);
}

#endif

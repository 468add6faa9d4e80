/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_RANGES_H
#define CORE_RANGES_H

#include <stdbool.h>
#include <stdint.h>

static inline bool is_power_of_two(uint64_t value)
{
	return value != 0 && (value & (value - 1)) == 0;
}

/* @alignment is a power of two. */
static inline bool is_aligned(uint64_t value, uint64_t alignment)
{
	return (value & (alignment - 1)) == 0;
}

/* @alignment is a power of two. */
static inline uint64_t align_down(uint64_t value, uint64_t alignment)
{
	return value & ~(alignment - 1);
}

/* align_up() - false when the result does not fit 64 bits; *@result is then untouched.
 * @alignment is a power of two. */
static inline bool align_up(uint64_t value, uint64_t alignment, uint64_t *result)
{
	uint64_t sum;

	if (__builtin_add_overflow(value, alignment - 1, &sum))
		return false;
	*result = sum & ~(alignment - 1);
	return true;
}

/* Do [a, a + a_size) and [b, b + b_size) share a byte? Sizes are not 0, neither range wraps. */
static inline bool ranges_overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	return a <= b + (b_size - 1) && b <= a + (a_size - 1);
}

#endif

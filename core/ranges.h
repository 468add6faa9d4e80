/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_RANGES_H
#define CORE_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Addresses, sizes and alignments, in bytes. Nothing here wraps unnoticed: what may overflow says
 * so. Any thread.
 */
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

/* Does [base, base + size) hold the @length bytes at @address? A @size or @length of 0 holds or is
 * held nowhere; the end of neither may be beyond 64 bits, and no sum here goes there. */
static inline bool range_contains(uint64_t base, uint64_t size, uint64_t address, uint64_t length)
{
	return length != 0 && address >= base && address - base < size &&
	       length <= size - (address - base);
}

/* The last byte of [base, base + size) in *@last; false when the range is empty or wraps. */
static inline bool range_last(uint64_t base, uint64_t size, uint64_t *last)
{
	return size != 0 && !__builtin_add_overflow(base, size - 1, last);
}

/*
 * ranges_upper_bound() - how many of @count entries, sorted by where they start, start at or below
 * @address. The last of these is the only one that can hold @address.
 * @start_of: where entry @index of @array starts.
 */
static inline size_t ranges_upper_bound(const void *array, size_t count, uint64_t address,
					uint64_t (*start_of)(const void *array, size_t index))
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (start_of(array, middle) <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

#endif

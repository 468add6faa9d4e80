/* SPDX-License-Identifier: Apache-2.0 */
#include "passthrough/discover/window_placement.h"

#include <errno.h>

#include "core/ranges.h"

uint64_t window_round_size(uint64_t size)
{
	uint64_t rounded;

	return align_up(size, WINDOW_GRANULARITY, &rounded) ? rounded : 0;
}

uint64_t window_alignment(uint64_t size)
{
	return size >= WINDOW_HUGE_PAGE ? WINDOW_HUGE_PAGE : WINDOW_GRANULARITY;
}

int window_place(const struct window_request *request, uint64_t floor, uint64_t limit,
		 uint64_t *base)
{
	uint64_t alignment = request->alignment ? request->alignment : WINDOW_GRANULARITY;
	uint64_t size = window_round_size(request->size);
	uint64_t start, end;

	if (!size || alignment < WINDOW_GRANULARITY || !is_power_of_two(alignment) ||
	    !is_aligned(request->congruent, WINDOW_GRANULARITY))
		return -EINVAL;
	start = align_down(floor, alignment) + (request->congruent & (alignment - 1));
	if (start < floor && __builtin_add_overflow(start, alignment, &start))
		return -ENOSPC;
	if (__builtin_add_overflow(start, size, &end) || end > limit)
		return -ENOSPC;
	*base = start;
	return 0;
}

uint64_t window_host_slack(uint64_t size, uint64_t alignment)
{
	uint64_t total;

	return __builtin_add_overflow(size, alignment, &total) ? 0 : total;
}

uint64_t window_host_start(uint64_t reserved, uint64_t alignment, uint64_t congruent)
{
	uint64_t start = align_down(reserved, alignment) + (congruent & (alignment - 1));

	return start < reserved ? start + alignment : start;
}

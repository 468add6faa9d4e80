/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "core/ranges.h"

Test(ranges, alignment)
{
	uint64_t aligned = 7;

	cr_assert_not(is_power_of_two(0));
	cr_assert(is_power_of_two(1));
	cr_assert(is_power_of_two(UINT64_C(1) << 63));
	cr_assert_not(is_power_of_two(3));
	cr_assert(is_aligned(0x2000, 0x1000));
	cr_assert_not(is_aligned(0x2800, 0x1000));
	cr_assert_eq(align_down(0x2fff, 0x1000), 0x2000);
	cr_assert(align_up(0x2001, 0x1000, &aligned));
	cr_assert_eq(aligned, 0x3000);
	cr_assert(align_up(0x2000, 0x1000, &aligned));
	cr_assert_eq(aligned, 0x2000);
	cr_assert_not(align_up(UINT64_MAX, 0x1000, &aligned));
	cr_assert_eq(aligned, 0x2000, "untouched when it does not fit");
}

Test(ranges, overlap_counts_the_last_byte)
{
	cr_assert(ranges_overlap(0x1000, 0x1000, 0x1fff, 1));
	cr_assert_not(ranges_overlap(0x1000, 0x1000, 0x2000, 1));
	cr_assert_not(ranges_overlap(0x1000, 0x1000, 0xfff, 1));
	cr_assert(ranges_overlap(0, UINT64_MAX, 5, 1));
	cr_assert(ranges_overlap(UINT64_MAX, 1, UINT64_MAX - 1, 2), "a range may end at 64 bits");
}

Test(ranges, contains)
{
	cr_assert(range_contains(0x1000, 0x1000, 0x1000, 0x1000));
	cr_assert(range_contains(0x1000, 0x1000, 0x1fff, 1));
	cr_assert_not(range_contains(0x1000, 0x1000, 0x1fff, 2));
	cr_assert_not(range_contains(0x1000, 0x1000, 0xfff, 1));
	cr_assert_not(range_contains(0x1000, 0x1000, 0x2000, 1));
	cr_assert_not(range_contains(0x1000, 0, 0x1000, 1), "an empty range holds nothing");
	cr_assert_not(range_contains(0x1000, 0x1000, 0x1000, 0), "nothing is held nowhere");
	cr_assert_not(range_contains(0x1000, 0x1000, 0x1800, UINT64_MAX), "and no sum wraps");
	cr_assert(range_contains(UINT64_MAX, 1, UINT64_MAX, 1));
}

Test(ranges, last_byte)
{
	uint64_t last = 1;

	cr_assert_not(range_last(0x1000, 0, &last));
	cr_assert(range_last(0x1000, 0x1000, &last));
	cr_assert_eq(last, 0x1fff);
	cr_assert(range_last(UINT64_MAX, 1, &last));
	cr_assert_eq(last, UINT64_MAX);
	cr_assert_not(range_last(UINT64_MAX, 2, &last));
}

static uint64_t start_in(const void *array, size_t index)
{
	return ((const uint64_t *)array)[index];
}

Test(ranges, upper_bound_counts_those_at_or_below)
{
	static const uint64_t starts[] = {0x10, 0x20, 0x30, 0x40, 0x50};

	for (size_t count = 0; count <= 5; count++)
		for (uint64_t address = 0; address < 0x60; address++) {
			size_t expected = 0;

			while (expected < count && starts[expected] <= address)
				expected++;
			cr_assert_eq(ranges_upper_bound(starts, count, address, start_in),
				     expected);
		}
}

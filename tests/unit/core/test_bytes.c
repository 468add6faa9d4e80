/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <string.h>

#include "core/bytes.h"
#include "core/clock.h"
#include "core/units.h"

Test(bytes, little_endian_at_any_alignment)
{
	uint8_t image[17] = {0};

	for (unsigned int at = 0; at < 8; at++) {
		memset(image, 0xee, sizeof(image));
		bytes_put_le64(image + at, UINT64_C(0x0807060504030201));
		for (unsigned int i = 0; i < 8; i++)
			cr_assert_eq(image[at + i], i + 1);
		cr_assert_eq(image[at + 8], 0xee);
		cr_assert_eq(bytes_get_le16(image + at), 0x0201);
		cr_assert_eq(bytes_get_le32(image + at), 0x04030201);
		cr_assert_eq(bytes_get_le64(image + at), UINT64_C(0x0807060504030201));
	}
	bytes_put_le16(image, 0xfedc);
	bytes_put_le32(image + 2, 0xba987654);
	cr_assert_eq(bytes_get_le32(image), 0x7654fedc);
}

Test(bytes, all_ones_of_each_width)
{
	cr_assert_eq(bytes_all_ones(1), 0xff);
	cr_assert_eq(bytes_all_ones(2), 0xffff);
	cr_assert_eq(bytes_all_ones(4), 0xffffffff);
	cr_assert_eq(bytes_all_ones(8), UINT64_MAX);
}

Test(clock, monotonic_time_does_not_go_back_and_units_agree)
{
	uint64_t first = clock_now_ns(), ms = clock_now_ms(), last = clock_now_ns();

	cr_assert_leq(first / CLOCK_NS_PER_MS, ms);
	cr_assert_leq(ms, last / CLOCK_NS_PER_MS);
	cr_assert_gt(clock_calendar_ns(), UINT64_C(1700000000) * CLOCK_NS_PER_SECOND);
	cr_assert_eq(TIB, 1024 * GIB);
	cr_assert_eq(GIB, 1024 * MIB);
	cr_assert_eq(MIB, 1024 * KIB);
}

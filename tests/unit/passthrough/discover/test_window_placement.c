/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>

#include "passthrough/discover/window_placement.h"

Test(window_placement, sizes_round_up_and_large_ones_get_1_gib_pages)
{
	cr_expect_eq(window_round_size(0), 0u);
	cr_expect_eq(window_round_size(1), 0x10000000u);
	cr_expect_eq(window_round_size(0x10000000), 0x10000000u);
	cr_expect_eq(window_round_size(0x2F00F00000), 0x2F10000000u);
	cr_expect_eq(window_round_size(UINT64_MAX), 0u);
	cr_expect_eq(window_alignment(0x10000000), 0x10000000u);
	cr_expect_eq(window_alignment(1ull << 40), 0x40000000u);
}

Test(window_placement, windows_are_placed_aligned_and_congruent_or_refused)
{
	static const struct {
		struct window_request request;
		uint64_t floor, limit, base;
		int result;
	} cases[] = {
		{{.size = 0x10000000}, 0x100000000, 1ull << 39, 0x100000000, 0},
		{{.size = 0x10000000}, 0x100000001, 1ull << 39, 0x110000000, 0},
		{{.size = 0x40000000, .alignment = 0x40000000},
		 0x110000000,
		 1ull << 39,
		 0x140000000,
		 0},
		{{.size = 0x40000000, .alignment = 0x40000000, .congruent = 0x4030000000},
		 0x110000000,
		 1ull << 39,
		 0x130000000,
		 0},
		{{.size = 0x40000000, .alignment = 0x40000000, .congruent = 0x10000000},
		 0x120000000,
		 1ull << 39,
		 0x150000000,
		 0},
		{{.size = 0x10000000}, 0x100000000, 0x110000000, 0x100000000, 0},
		{{.size = 0x10000001}, 0x100000000, 0x110000000, 0, -ENOSPC},
		{{.size = 0x10000000}, UINT64_MAX - 5, UINT64_MAX, 0, -ENOSPC},
		{{.size = 0}, 0, 1ull << 39, 0, -EINVAL},
		{{.size = 1, .alignment = 0x1000}, 0, 1ull << 39, 0, -EINVAL},
		{{.size = 1, .alignment = 0x30000000}, 0, 1ull << 39, 0, -EINVAL},
		{{.size = 1, .congruent = 0x1000}, 0, 1ull << 39, 0, -EINVAL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t base = 0;

		cr_expect_eq(window_place(&cases[i].request, cases[i].floor, cases[i].limit, &base),
			     cases[i].result, "case %zu", i);
		cr_expect_eq(base, cases[i].base, "case %zu: %lx", i, (unsigned long)base);
	}
}

Test(window_placement, host_mapping_is_congruent_with_the_device)
{
	const uint64_t align = WINDOW_HUGE_PAGE;

	for (uint64_t reserved = 0x7f0000001000; reserved < 0x7f0100000000; reserved += 0x7fff000) {
		uint64_t start = window_host_start(reserved, align, 0x13000000000 + 0x10000000);

		cr_assert_geq(start, reserved);
		cr_assert_eq(start % align, 0x10000000u);
		cr_assert_leq(start + align, reserved + window_host_slack(align, align));
	}
	cr_expect_eq(window_host_slack(UINT64_MAX, align), 0u);
}

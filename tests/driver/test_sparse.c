/* SPDX-License-Identifier: Apache-2.0 */
/* Contract §2.3 and §8 statements 15 to 31: windows around the component block. */
#include <criterion/criterion.h>

#include "host-driver/sparse.h"

#define PAGE 4096ULL

static struct sparse_plan plan_of(u64 bar, u64 offset, u64 block, u64 page, bool mappable,
				  int expect)
{
	struct sparse_request request = {
		.bar_length = bar,
		.block_offset = offset,
		.block_size = block,
		.page_size = page,
		.mappable = mappable,
	};
	struct sparse_plan plan;
	int ret = sparse_plan_bar(&request, &plan);

	cr_assert_eq(ret, expect, "bar %#lx offset %#lx: %d", bar, offset, ret);
	return plan;
}

Test(sparse, topologies)
{
	static const struct {
		const char *name;
		u64 bar, offset;
		u32 count;
		struct sparse_area areas[2];
	} rows[] = {
		{"A", 0x2000000, 0x1ff0000, 1, {{0, 0x1ff0000}}},
		{"B", 0x1000000, 0, 1, {{0x10000, 0xff0000}}},
		{"C", 0x4000000, 0x1000000, 2, {{0, 0x1000000}, {0x1010000, 0x2ff0000}}},
		{"D", 0x10000, 0, 0, {{0, 0}}},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct sparse_plan plan =
			plan_of(rows[i].bar, rows[i].offset, 0x10000, PAGE, true, 0);
		u64 sum = 0;

		cr_assert_eq(plan.area_count, rows[i].count, "%s: %u areas", rows[i].name,
			     plan.area_count);
		cr_assert_eq(plan.map, rows[i].count > 0, "%s", rows[i].name);
		cr_assert_eq(plan.sparse, rows[i].count > 0, "%s", rows[i].name);
		for (u32 a = 0; a < plan.area_count; a++) {
			cr_assert_eq(plan.areas[a].offset, rows[i].areas[a].offset, "%s",
				     rows[i].name);
			cr_assert_eq(plan.areas[a].size, rows[i].areas[a].size, "%s", rows[i].name);
			cr_assert_not(sparse_overlaps(rows[i].offset, 0x10000, plan.areas[a].offset,
						      plan.areas[a].size));
			sum += plan.areas[a].size;
		}
		cr_assert_eq(sum + 0x10000, rows[i].bar, "%s", rows[i].name);
	}
}

Test(sparse, block_does_not_fit)
{
	plan_of(0x8000, 0, 0x10000, PAGE, true, -EINVAL);
	plan_of(0x20000, 0x18000, 0x10000, PAGE, true, -EINVAL);
	plan_of(0x20000, ~0ULL - 0xfff, 0x10000, PAGE, true, -EINVAL);
}

Test(sparse, without_block_it_is_an_ordinary_bar)
{
	struct sparse_plan plan = plan_of(0x20000, 0, 0, PAGE, true, 0);

	cr_assert(plan.map);
	cr_assert_not(plan.sparse);
	plan = plan_of(0x20000, 0, 0, PAGE, false, 0);
	cr_assert_not(plan.map);
}

Test(sparse, bar_that_must_not_be_mapped)
{
	struct sparse_plan plan = plan_of(0x20000, 0, 0x10000, PAGE, false, 0);

	cr_assert_not(plan.map);
	cr_assert_not(plan.sparse);
	cr_assert_eq(plan.area_count, 0);
}

Test(sparse, windows_are_rounded_inwards)
{
	/* Blocks are 64 KiB aligned on real devices; larger pages and odd blocks must still give
	 * whole pages. */
	struct sparse_plan plan = plan_of(0x100000, 0x31000, 0x10000, 0x10000, true, 0);

	cr_assert_eq(plan.area_count, 2);
	cr_assert_eq(plan.areas[0].size, 0x30000);
	cr_assert_eq(plan.areas[1].offset, 0x50000);
	cr_assert_eq(plan.areas[1].size, 0xb0000);

	plan = plan_of(0x20000, 0x8000, 0x10000, 0x10000, true, 0);
	cr_assert_eq(plan.area_count, 0);
	cr_assert_not(plan.map);
}

Test(sparse, every_plan_is_sound)
{
	for (u64 bar = 0x10000; bar <= 0x80000; bar += 0x4000)
		for (u64 offset = 0; offset + 0x10000 <= bar; offset += 0x1000)
			for (u64 page = 0x1000; page <= 0x10000; page *= 4) {
				struct sparse_plan plan =
					plan_of(bar, offset, 0x10000, page, true, 0);
				u64 last = 0;

				for (u32 a = 0; a < plan.area_count; a++) {
					const struct sparse_area *area = &plan.areas[a];

					cr_assert(area->size > 0);
					cr_assert_eq(area->offset % page, 0);
					cr_assert_eq(area->size % page, 0);
					cr_assert(area->offset >= last);
					cr_assert(area->offset + area->size <= bar);
					cr_assert_not(sparse_overlaps(offset, 0x10000, area->offset,
								      area->size));
					last = area->offset + area->size;
				}
			}
}

Test(sparse, overlap)
{
	static const struct {
		u64 start, length;
		bool overlaps;
	} rows[] = {
		{0x0000, 0x10000, false}, {0x0000, 0x10001, true},  {0x10000, 1, true},
		{0x1ffff, 1, true},       {0x20000, 1, false},      {0x15000, 0x100, true},
		{0x0000, 0x40000, true},  {0x15000, 0, false},      {~0ULL - 3, 8, true},
		{0x1f000, 0x1000, true},  {0x20000, 0x1000, false}, {0xf000, 0x1000, false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		cr_assert_eq(sparse_overlaps(0x10000, 0x10000, rows[i].start, rows[i].length),
			     rows[i].overlaps, "%#lx+%#lx", rows[i].start, rows[i].length);
	cr_assert_not(sparse_overlaps(0x10000, 0, 0x10000, 4));
}

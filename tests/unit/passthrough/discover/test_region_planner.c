/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "passthrough/discover/region_planner.h"

#define MAPPABLE                                                                                   \
	(VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE | VFIO_REGION_INFO_FLAG_MMAP)

struct plan_case {
	const char *what;
	uint64_t size;
	uint32_t flags;
	bool sparse;
	uint32_t area_count;
	struct vfio_area areas[4];
	struct region_hole component, table, pba;
	uint64_t page;
	const char *expected; /* one letter per kind, offset and size in hex */
	uint32_t ignored;
};

static void describe(const struct region_plan *plan, char *text, size_t size)
{
	static const char letters[] = "DFCTPE";
	size_t used = 0;

	text[0] = 0;
	for (uint32_t i = 0; i < plan->count; i++)
		used += (size_t)snprintf(text + used, size - used, "%s%c%lx+%lx", i ? " " : "",
					 letters[plan->segments[i].kind],
					 (unsigned long)plan->segments[i].offset,
					 (unsigned long)plan->segments[i].size);
}

static const struct plan_case cases[] = {
	{"A: block at the end",
	 0x2000000,
	 MAPPABLE,
	 true,
	 1,
	 {{0, 0x1ff0000}},
	 .component = {0x1ff0000, 0x10000},
	 .expected = "D0+1ff0000 C1ff0000+10000"},
	{"B: block at the start",
	 0x1000000,
	 MAPPABLE,
	 true,
	 1,
	 {{0x10000, 0xff0000}},
	 .component = {0, 0x10000},
	 .expected = "C0+10000 D10000+ff0000"},
	{"C: block inside",
	 0x4000000,
	 MAPPABLE,
	 true,
	 2,
	 {{0, 0x1000000}, {0x1010000, 0x2ff0000}},
	 .component = {0x1000000, 0x10000},
	 .expected = "D0+1000000 C1000000+10000 D1010000+2ff0000"},
	{"C, areas in the other order",
	 0x4000000,
	 MAPPABLE,
	 true,
	 2,
	 {{0x1010000, 0x2ff0000}, {0, 0x1000000}},
	 .component = {0x1000000, 0x10000},
	 .expected = "D0+1000000 C1000000+10000 D1010000+2ff0000"},
	{"D: the block is the BAR",
	 0x10000,
	 3,
	 false,
	 0,
	 {{0, 0}},
	 .component = {0, 0x10000},
	 .expected = "C0+10000"},
	{"D as the posted patch says it: an empty area at the end",
	 0x10000,
	 MAPPABLE,
	 true,
	 1,
	 {{0x10000, 0}},
	 .component = {0, 0x10000},
	 .expected = "C0+10000",
	 .ignored = 1},
	{"E: the area wraps",
	 0x10000,
	 MAPPABLE,
	 true,
	 1,
	 {{0x10000, 0xffffffffffff8000}},
	 .component = {0, 0x10000},
	 .expected = "C0+10000",
	 .ignored = 1},
	{"the provider forgot to exclude the block",
	 0x40000,
	 MAPPABLE,
	 false,
	 0,
	 {{0, 0}},
	 .component = {0x10000, 0x10000},
	 .expected = "D0+10000 C10000+10000 D20000+20000"},
	{"sub-page area",
	 0x4000,
	 MAPPABLE,
	 true,
	 1,
	 {{0x800, 0x800}},
	 .expected = "F0+4000",
	 .ignored = 1},
	{"unaligned size",
	 0x4000,
	 MAPPABLE,
	 true,
	 1,
	 {{0x1000, 0x1800}},
	 .expected = "F0+4000",
	 .ignored = 1},
	{"beyond the region",
	 0x4000,
	 MAPPABLE,
	 true,
	 1,
	 {{0x3000, 0x2000}},
	 .expected = "F0+4000",
	 .ignored = 1},
	{"overlapping areas lose both, a third stays",
	 0x8000,
	 MAPPABLE,
	 true,
	 3,
	 {{0, 0x2000}, {0x1000, 0x2000}, {0x4000, 0x1000}},
	 .expected = "F0+4000 D4000+1000 F5000+3000",
	 .ignored = 2},
	{"the same area twice",
	 0x4000,
	 MAPPABLE,
	 true,
	 2,
	 {{0, 0x1000}, {0, 0x1000}},
	 .expected = "F0+4000",
	 .ignored = 2},
	{"adjacent areas merge",
	 0x4000,
	 MAPPABLE,
	 true,
	 2,
	 {{0x1000, 0x1000}, {0, 0x1000}},
	 .expected = "D0+2000 F2000+2000"},
	{"sparse without areas", 0x4000, MAPPABLE, true, 0, {{0, 0}}, .expected = "F0+4000"},
	{"no MMAP flag: areas do not count",
	 0x4000,
	 3,
	 true,
	 1,
	 {{0, 0x1000}},
	 .expected = "F0+4000"},
	{"plain mappable BAR", 0x4000, MAPPABLE, false, 0, {{0, 0}}, .expected = "D0+4000"},
	{"sub-page BAR", 0x100, MAPPABLE, false, 0, {{0, 0}}, .expected = "F0+100"},
	{"odd size: the tail traps, the BAR is a power of two",
	 0x5800,
	 MAPPABLE,
	 false,
	 0,
	 {{0, 0}},
	 .expected = "D0+5000 F5000+800 E5800+2800"},
	{"MSI-X table and PBA in one page",
	 0x4000,
	 MAPPABLE,
	 false,
	 0,
	 {{0, 0}},
	 .table = {0x2000, 0x80},
	 .pba = {0x2800, 8},
	 .expected = "D0+2000 T2000+80 F2080+780 P2800+8 F2808+7f8 D3000+1000"},
	{"MSI-X table across a page border",
	 0x8000,
	 MAPPABLE,
	 false,
	 0,
	 {{0, 0}},
	 .table = {0x1f80, 0x100},
	 .pba = {0x7ff8, 8},
	 .expected = "D0+1000 F1000+f80 T1f80+100 F2080+f80 D3000+4000 F7000+ff8 P7ff8+8"},
	{"64 KiB pages trap more",
	 0x40000,
	 MAPPABLE,
	 false,
	 0,
	 {{0, 0}},
	 .table = {0x2000, 0x80},
	 .page = 0x10000,
	 .expected = "F0+2000 T2000+80 F2080+df80 D10000+30000"},
	{"64 KiB pages and a 4 KiB area",
	 0x40000,
	 MAPPABLE,
	 true,
	 1,
	 {{0x1000, 0x1000}},
	 .page = 0x10000,
	 .expected = "F0+40000",
	 .ignored = 1},
	{"I/O-like tiny region", 8, 3, false, 0, {{0, 0}}, .expected = "F0+8 E8+8"},
	{"no region", 0, MAPPABLE, false, 0, {{0, 0}}, .expected = ""},
	{"block and table in one BAR",
	 0x80000,
	 MAPPABLE,
	 true,
	 1,
	 {{0, 0x70000}},
	 .component = {0x70000, 0x10000},
	 .table = {0x6f000, 0x200},
	 .pba = {0x6f800, 0x10},
	 .expected = "D0+6f000 T6f000+200 F6f200+600 P6f800+10 F6f810+7f0 C70000+10000"},
};

static void run_case(const struct plan_case *c)
{
	struct vfio_region region = {.size = c->size,
				     .flags = c->flags,
				     .sparse = c->sparse,
				     .area_count = c->area_count};
	struct region_plan_input input = {.region = &region,
					  .page_size = c->page ? c->page : 4096,
					  .component = c->component,
					  .msix_table = c->table,
					  .msix_pba = c->pba};
	struct region_plan plan;
	const char *why;
	char text[1024];

	memcpy(region.areas, c->areas, sizeof(c->areas));
	cr_assert_eq(region_plan(&plan, &input, &why), 0, "%s: %s", c->what, why);
	describe(&plan, text, sizeof(text));
	cr_expect_str_eq(text, c->expected, "%s: got %s", c->what, text);
	cr_expect_eq(plan.ignored_areas, c->ignored, "%s: ignored %u", c->what, plan.ignored_areas);
}

Test(region_planner, bars_are_cut_up_as_the_table_says)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		run_case(&cases[i]);
}

Test(region_planner, impossible_regions_are_refused)
{
	struct vfio_region region = {.size = 0x8000, .flags = MAPPABLE};
	struct region_plan plan;
	const char *why;
	static const struct {
		struct region_hole component, table, pba;
		uint64_t page;
	} bad[] = {
		{.component = {0, 0x10000}, .page = 4096},
		{.component = {0xffffffffffff8000, 0x10000}, .page = 4096},
		{.table = {0x7ff0, 0x20}, .page = 4096},
		{.pba = {0x8000, 8}, .page = 4096},
		{.table = {0x1000, 0x100}, .pba = {0x1080, 8}, .page = 4096},
		{.component = {0, 0x4000}, .table = {0x1000, 0x100}, .page = 4096},
		{.page = 0},
		{.page = 4097},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct region_plan_input input = {.region = &region,
						  .page_size = bad[i].page,
						  .component = bad[i].component,
						  .msix_table = bad[i].table,
						  .msix_pba = bad[i].pba};

		cr_expect_eq(region_plan(&plan, &input, &why), -EINVAL, "case %zu", i);
		cr_expect_not_null(why);
	}
	region.size = (1ull << 62) + 1;
	struct region_plan_input input = {.region = &region, .page_size = 4096};
	cr_expect_eq(region_plan(&plan, &input, &why), -EINVAL);
}

/* Whatever the areas are: the segments cover the BAR, and nothing direct touches a hole. */
Test(region_planner, random_areas_keep_the_invariants)
{
	unsigned int seed = 1;

	for (int round = 0; round < 20000; round++) {
		struct vfio_region region = {.size = 0x40000, .flags = MAPPABLE, .sparse = true};
		struct region_plan_input input = {.region = &region,
						  .page_size = 4096,
						  .component = {0x10000, 0x10000},
						  .msix_table = {0x30800, 0x100},
						  .msix_pba = {0x31ff8, 8}};
		struct region_plan plan;
		const char *why;
		uint64_t position = 0;

		region.area_count = (uint32_t)rand_r(&seed) % 12;
		for (uint32_t i = 0; i < region.area_count; i++) {
			region.areas[i].offset = ((uint64_t)rand_r(&seed) % 0x44) << 12;
			region.areas[i].size = ((uint64_t)rand_r(&seed) % 0x10) << 12;
			if (rand_r(&seed) % 16 == 0)
				region.areas[i].size += 0x10;
		}
		cr_assert_eq(region_plan(&plan, &input, &why), 0);
		for (uint32_t i = 0; i < plan.count; i++) {
			const struct region_segment *s = &plan.segments[i];

			cr_assert_eq(s->offset, position);
			cr_assert_gt(s->size, 0u);
			position += s->size;
			if (s->kind != REGION_SEGMENT_DIRECT)
				continue;
			cr_assert_eq((s->offset | s->size) & 4095, 0u);
			cr_assert(position <= 0x10000 || s->offset >= 0x20000);
			cr_assert(position <= 0x30000 || s->offset >= 0x32000);
		}
		cr_assert_eq(position, plan.bar_size);
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Contract §3.1 to §3.3 and §4.3: capability array, decoders, register locator. */
#include <criterion/criterion.h>

#include "host-driver/component.h"
#include "host-driver/locator.h"

struct area {
	u32 words[CXL_CM_SIZE / 4];
	u32 reads;
	u32 last_read;
};

static u32 area_read(void *context, u32 offset)
{
	struct area *area = context;

	cr_assert_eq(offset % 4, 0, "unaligned read at %#x", offset);
	cr_assert_lt(offset, CXL_CM_SIZE, "read at %#x, beyond the area", offset);
	area->reads++;
	area->last_read = offset;
	return area->words[offset / 4];
}

/* RAS 0x80, Link 0xd8, HDM 0x110: the layout of a common emulator. */
static void area_fill(struct area *area, u32 count_code)
{
	memset(area, 0, sizeof(*area));
	for (size_t i = 0; i < ARRAY_SIZE(area->words); i++)
		area->words[i] = 0xbad00000 | (u32)i;
	area->words[0] = 3U << 24 | 1 << 20 | 1 << 16 | 1;
	area->words[1] = 0x080U << 20 | 2 << 16 | 2;
	area->words[2] = 0x0d8U << 20 | 2 << 16 | 4;
	area->words[3] = 0x110U << 20 | 1 << 16 | 5;
	area->words[0x110 / 4] = count_code;
}

static int walk(struct area *area, struct component_map *map)
{
	struct component_reader reader = {area_read, area};

	return component_walk(&reader, map);
}

Test(component, decoder_counts)
{
	static const u32 counts[16] = {1, 2, 4, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32, 0, 0, 0};

	for (u32 code = 0; code < 16; code++)
		cr_assert_eq(component_decoder_count(0xfffffff0 | code), counts[code], "code %u",
			     code);
}

Test(component, walk_finds_the_decoders)
{
	static const struct {
		u32 code, count, length;
	} rows[] = {{0, 1, 0x140}, {5, 10, 0x260}, {12, 32, 0x520}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct component_map map;
		struct area area;

		area_fill(&area, rows[i].code);
		cr_assert_eq(walk(&area, &map), 0);
		cr_assert_eq(map.array_entries, 3);
		cr_assert_eq(map.ras_offset, 0x80);
		cr_assert_eq(map.hdm_offset, 0x110);
		cr_assert_eq(map.decoder_count, rows[i].count);
		cr_assert_eq(component_snapshot_length(&map), rows[i].length);
	}
}

Test(component, broken_arrays_are_refused)
{
	static const struct {
		const char *what;
		u32 header, hdm_entry, hdm_capability;
		int ret;
	} rows[] = {
		{"all ones", 0xffffffff, 0xffffffff, 0xffffffff, -ENODEV},
		{"all zero", 0, 0, 0, -ENODEV},
		{"other structure", 3U << 24 | 2, 0x110U << 20 | 5, 0, -ENODEV},
		{"no entries", 0U << 24 | 1, 0x110U << 20 | 5, 0, -ENXIO},
		{"no HDM", 3U << 24 | 1, 0x110U << 20 | 7, 0, -ENXIO},
		{"null pointer", 3U << 24 | 1, 0x000U << 20 | 5, 0, -ENXIO},
		{"pointer into the array", 3U << 24 | 1, 0x00cU << 20 | 5, 0, -EINVAL},
		{"unaligned pointer", 3U << 24 | 1, 0x111U << 20 | 5, 0, -EINVAL},
		{"reserved count code", 3U << 24 | 1, 0x110U << 20 | 5, 13, -EINVAL},
		{"header at the very end", 3U << 24 | 1, 0xffcU << 20 | 5, 0, -EINVAL},
		{"decoders beyond the end", 3U << 24 | 1, 0xf00U << 20 | 5, 12, -EINVAL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct component_map map;
		struct area area;

		area_fill(&area, 0);
		area.words[0] = rows[i].header;
		area.words[3] = rows[i].hdm_entry;
		area.words[0x110 / 4] = rows[i].hdm_capability;
		area.words[0xf00 / 4] = rows[i].hdm_capability;
		cr_assert_eq(walk(&area, &map), rows[i].ret, "%s", rows[i].what);
	}
}

Test(component, longest_array_stays_inside)
{
	struct component_map map;
	struct area area;

	area_fill(&area, 0);
	area.words[0] = 0xffU << 24 | 1;
	for (u32 i = 1; i <= 255; i++)
		area.words[i] = 0;
	area.words[255] = 0x400U << 20 | 5;
	area.words[0x400 / 4] = 0;
	cr_assert_eq(walk(&area, &map), 0);
	cr_assert_eq(map.hdm_offset, 0x400);
	cr_assert_eq(map.ras_offset, 0);
}

Test(component, snapshot_reads_only_what_may_be_read_in_32_bits)
{
	u32 words[CXL_CM_SIZE / 4];
	struct component_map map;
	struct area area;
	struct component_reader reader = {area_read, &area};

	area_fill(&area, 0);
	cr_assert_eq(walk(&area, &map), 0);
	memset(words, 0xee, sizeof(words));
	area.reads = 0;
	component_snapshot(&reader, &map, words);
	cr_assert_eq(area.reads, 4 + 0x58 / 4 + 0x30 / 4);
	for (u32 at = 0; at < 0x140; at += 4) {
		bool shown = at < 0x10 || (at >= 0x80 && at < 0xd8) || at >= 0x110;

		cr_assert_eq(words[at / 4], shown ? area.words[at / 4] : 0, "at %#x", at);
	}
	cr_assert_eq(words[0x140 / 4], 0xeeeeeeee, "nothing beyond the end is written");
}

Test(component, ras_behind_the_decoders_is_left_out)
{
	struct component_map map;
	struct area area;

	area_fill(&area, 0);
	area.words[1] = 0x200U << 20 | 2;
	cr_assert_eq(walk(&area, &map), 0);
	cr_assert_eq(map.ras_offset, 0);
	area.words[1] = 0x0c0U << 20 | 2; /* reaches into the HDM structure */
	cr_assert_eq(walk(&area, &map), 0);
	cr_assert_eq(map.ras_offset, 0);
}

Test(component, ranges)
{
	static const struct {
		const char *what;
		u32 low, high, size_low, size_high, control;
		int ret;
	} rows[] = {
		{"fine", 0x40000000, 1, 0x10000000, 0, 0x700, 0},
		{"not committed", 0x40000000, 1, 0x10000000, 0, 0x200, -ENXIO},
		{"error", 0x40000000, 1, 0x10000000, 0, 0xa00, -ENXIO},
		{"size zero", 0x40000000, 1, 0, 0, 0x700, -ENXIO},
		{"reserved size bits only", 0x40000000, 1, 0x0fffffff, 0, 0x700, -ENXIO},
		{"interleaved", 0x40000000, 1, 0x10000000, 0, 0x710, -EOPNOTSUPP},
		{"base zero", 0, 0, 0x10000000, 0, 0x700, -EINVAL},
		{"wraps", 0xf0000000, 0xffffffff, 0x20000000, 0, 0x700, -EINVAL},
		{"ends at the top", 0xf0000000, 0xffffffff, 0x10000000, 0, 0x700, 0},
		{"no answer", 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, -ENXIO},
		{"odd size", 0, 0x10, 0x00000000, 0x2f, 0x600, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct component_range range;
		struct component_map map;
		struct area area;

		area_fill(&area, 1);
		cr_assert_eq(walk(&area, &map), 0);
		for (u32 index = 0; index < 2; index++) {
			u32 *decoder = area.words + (0x120 + 0x20 * index) / 4;

			decoder[0] = rows[i].low;
			decoder[1] = rows[i].high;
			decoder[2] = rows[i].size_low;
			decoder[3] = rows[i].size_high;
			decoder[4] = rows[i].control;
			component_range_read(area.words, &map, index, &range);
			cr_assert_eq(component_range_check(&range), rows[i].ret, "%s",
				     rows[i].what);
		}
	}
}

/* --- register locator
 * ---------------------------------------------------------------------------------------- */

static u32 locator_read(void *context, u32 offset)
{
	u32 *words = context;

	cr_assert_eq(offset % 4, 0);
	cr_assert_lt(offset, 0x40, "read at %#x, beyond the DVSEC", offset);
	return words[offset / 4];
}

Test(locator, entries)
{
	static const struct {
		const char *what;
		u32 length, entries[6];
		int ret;
		u32 bar;
		u64 offset;
	} rows[] = {
		{"first", 0x24, {0x01ff0102, 0}, 0, 2, 0x1ff0000},
		{"third", 0x24, {0x0301, 0, 0x10204, 0, 0x100, 1}, 0, 0, 0x100000000},
		{"empty entries", 0x24, {0, 0, 0, 0, 0, 0}, -ENXIO, 0, 0},
		{"BIR 6", 0x24, {0x106, 0}, -EINVAL, 0, 0},
		{"cut short", 0x13, {0x100, 0}, -ENXIO, 0, 0},
		{"only the first fits", 0x14, {0x300, 0, 0x100, 0}, -ENXIO, 0, 0},
		{"length zero", 0, {0x100, 0}, -ENXIO, 0, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		u32 words[16] = {0};
		struct locator_reader reader = {locator_read, words};
		struct locator_block block;

		words[1] = rows[i].length << 20 | 0x1e98;
		memcpy(words + 3, rows[i].entries, sizeof(rows[i].entries));
		cr_assert_eq(locator_find_component(&reader, &block), rows[i].ret, "%s",
			     rows[i].what);
		if (rows[i].ret)
			continue;
		cr_assert_eq(block.bar, rows[i].bar, "%s", rows[i].what);
		cr_assert_eq(block.offset, rows[i].offset, "%s", rows[i].what);
	}
}

Test(locator, block_must_fit)
{
	cr_assert_eq(locator_check_fit(&(struct locator_block){0, 0}, 0x10000), 0);
	cr_assert_eq(locator_check_fit(&(struct locator_block){0, 0}, 0x8000), -EINVAL);
	cr_assert_eq(locator_check_fit(&(struct locator_block){0, 0}, 0), -EINVAL);
	cr_assert_eq(locator_check_fit(&(struct locator_block){0, 0x10000}, 0x10000), -EINVAL);
	cr_assert_eq(locator_check_fit(&(struct locator_block){0, ~0xffffULL}, 0x20000), -EINVAL);
	cr_assert_eq(locator_check_fit(&(struct locator_block){0, 0x10000}, 0x20000), 0);
}

Test(component, acceptance_looks_at_every_decoder)
{
	static const struct {
		const char *what;
		u32 global, control1, size1, control3, size3;
		int result;
		u32 index;
	} rows[] = {
		{"decoder 0 alone", 2, 0, 0, 0, 0, 0, 0},
		{"HDM Decoder Enable is clear", 0, 0, 0, 0, 0, -EIO, 0},
		{"the second is committed", 2, 1 << 10, 0x10000000, 0, 0, -EEXIST, 1},
		{"the last is committed", 2, 0, 0, 1 << 10, 0x10000000, -EEXIST, 3},
		{"the last has a size and is not committed", 2, 0, 0, 0, 0x10000000, 0, 0},
		{"firmware has locked an unused one", 2, 1 << 10 | 1 << 8, 0, 0, 0, 0, 0},
		{"one does not answer", 2, 0xffffffff, 0xffffffff, 0, 0, 0, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct component_map map;
		struct area area;
		u32 index = 0, *decoder;

		area_fill(&area, 2); /* four decoders */
		cr_assert_eq(walk(&area, &map), 0);
		memset(&area.words[0x114 / 4], 0, 0x10 + 4 * CXL_HDM_DECODER_SIZE);
		area.words[0x114 / 4] = rows[i].global;
		decoder = &area.words[(0x110 + CXL_HDM_DECODER_OFFSET) / 4];
		decoder[8 + CXL_DECODER_CONTROL / 4] = rows[i].control1;
		decoder[8 + CXL_DECODER_SIZE_LOW / 4] = rows[i].size1;
		decoder[24 + CXL_DECODER_CONTROL / 4] = rows[i].control3;
		decoder[24 + CXL_DECODER_SIZE_LOW / 4] = rows[i].size3;
		cr_assert_eq(component_acceptance(area.words, &map, &index), rows[i].result, "%s",
			     rows[i].what);
		cr_assert_eq(index, rows[i].index, "%s", rows[i].what);
	}
}

Test(component, a_range_must_fit_a_vfio_region)
{
	struct component_range range = {.base = 1ULL << 41, .size = 1ULL << 40, .committed = true};

	cr_assert_eq(component_range_check(&range), 0);
	range.size += CXL_DECODER_GRANULE;
	cr_assert_eq(component_range_check(&range), -EFBIG);
}

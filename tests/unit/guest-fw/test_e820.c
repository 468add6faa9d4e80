/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-fw/x86/e820.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

#define GIB (UINT64_C(1) << 30)

static void expect(const struct e820_entry *entry, uint64_t base, uint64_t end, enum e820_type type)
{
	cr_assert_eq(entry->base, base, "base %#lx, not %#lx", entry->base, base);
	cr_assert_eq(entry->base + entry->size, end);
	cr_assert_eq(entry->type, type);
}

Test(e820, carves_holes_out_of_ram)
{
	const struct e820_range ram[] = {{4 * GIB, 2 * GIB}, {0, 3 * GIB}};
	const struct e820_range reserved[] = {{0xe0000000, 0x10000000}, {0xa0000, 0x60000}};
	const struct e820_range cxl[] = {{8 * GIB, GIB}};
	const struct e820_input input = {
		.ram = ram,
		.ram_count = 2,
		.reserved = reserved,
		.reserved_count = 2,
		.acpi = {3 * GIB - 0x10000, 0x10000},
		.cxl = cxl,
		.cxl_count = 1,
	};
	struct e820_entry entries[8];
	size_t count;

	cr_assert_eq(e820_build(&input, entries, 8, &count), 0);
	cr_assert_eq(count, 6);
	expect(&entries[0], 0, 0xa0000, E820_RAM);
	expect(&entries[1], 0xa0000, 0x100000, E820_RESERVED);
	expect(&entries[2], 0x100000, 3 * GIB - 0x10000, E820_RAM);
	expect(&entries[3], 3 * GIB - 0x10000, 3 * GIB, E820_ACPI);
	expect(&entries[4], 0xe0000000, 0xf0000000, E820_RESERVED);
	expect(&entries[5], 4 * GIB, 6 * GIB, E820_RAM);
	cr_assert_eq(e820_build(&input, entries, 5, &count), -ENOSPC);
	cr_assert_eq(count, 0);
	cr_assert_eq(e820_build(&input, entries, 6, &count), 0);
}

Test(e820, merges_touching_ranges_of_one_type)
{
	const struct e820_range ram[] = {{GIB, GIB}, {0, GIB}, {5 * GIB, 0}};
	const struct e820_input input = {.ram = ram, .ram_count = 3};
	struct e820_entry entries[2];
	size_t count;

	cr_assert_eq(e820_build(&input, entries, 2, &count), 0);
	cr_assert_eq(count, 1);
	expect(&entries[0], 0, 2 * GIB, E820_RAM);
}

Test(e820, reserved_wins_over_acpi)
{
	const struct e820_range ram[] = {{0, GIB}};
	const struct e820_range reserved[] = {{0x1000, 0x1000}};
	const struct e820_input input = {
		.ram = ram,
		.ram_count = 1,
		.reserved = reserved,
		.reserved_count = 1,
		.acpi = {0x1000, 0x3000},
	};
	struct e820_entry entries[4];
	size_t count;

	cr_assert_eq(e820_build(&input, entries, 4, &count), 0);
	cr_assert_eq(count, 4);
	expect(&entries[1], 0x1000, 0x2000, E820_RESERVED);
	expect(&entries[2], 0x2000, 0x4000, E820_ACPI);
}

Test(e820, refuses_bad_ranges)
{
	const struct e820_range good = {0, 2 * GIB};
	const struct e820_range wraps = {UINT64_MAX - 0xfff, 0x2000};
	const struct e820_range top = {UINT64_MAX - 0xfff, 0x1000};
	const struct e820_range overlapping[] = {{0, GIB}, {GIB - 1, GIB}};
	struct e820_range many[E820_MAX + 1];
	struct e820_entry entries[8];
	size_t count;

	cr_assert_eq(
		e820_build(&(struct e820_input){.ram = &wraps, .ram_count = 1}, entries, 8, &count),
		-EINVAL);
	cr_assert_eq(
		e820_build(&(struct e820_input){.ram = &top, .ram_count = 1}, entries, 8, &count),
		-EINVAL);
	cr_assert_eq(e820_build(&(struct e820_input){.ram = overlapping, .ram_count = 2}, entries,
				8, &count),
		     -EINVAL);
	cr_assert_eq(e820_build(&(struct e820_input){.ram_count = 1}, entries, 8, &count), -EINVAL);
	for (size_t i = 0; i <= E820_MAX; i++)
		many[i] = (struct e820_range){i * GIB, 0x1000};
	cr_assert_eq(e820_build(&(struct e820_input){.ram = many, .ram_count = E820_MAX + 1},
				entries, 8, &count),
		     -EINVAL);
	/* A fixed memory window is never in the map, whatever would put it there. */
	for (unsigned int which = 0; which < 3; which++) {
		const struct e820_range cxl = {GIB, GIB};
		struct e820_input input = {.cxl = &cxl, .cxl_count = 1};

		if (which == 0) {
			input.ram = &good;
			input.ram_count = 1;
		} else if (which == 1) {
			input.reserved = &good;
			input.reserved_count = 1;
		} else {
			input.acpi = good;
		}
		cr_assert_eq(e820_build(&input, entries, 8, &count), -EINVAL);
	}
}

/* Against a byte map: random small ranges, each unit painted in the order of the rules. */
Test(e820, random_ranges_match_a_painted_map)
{
	unsigned int seed = 1;

	for (unsigned int round = 0; round < 2000; round++) {
		unsigned char map[64] = {0};
		struct e820_range ram[3], reserved[3], acpi;
		struct e820_entry entries[E820_MAX];
		size_t count, at = 0;

		for (unsigned int i = 0; i < 3; i++) {
			ram[i].base = i * 20u + (unsigned int)rand_r(&seed) % 10;
			ram[i].size = (unsigned int)rand_r(&seed) % 11;
			reserved[i].base = (unsigned int)rand_r(&seed) % 50;
			reserved[i].size = (unsigned int)rand_r(&seed) % 14;
		}
		acpi.base = (unsigned int)rand_r(&seed) % 50;
		acpi.size = (unsigned int)rand_r(&seed) % 14;
		for (unsigned int i = 0; i < 3; i++)
			for (uint64_t j = 0; j < ram[i].size; j++)
				map[ram[i].base + j] = E820_RAM;
		for (uint64_t j = 0; j < acpi.size; j++)
			map[acpi.base + j] = E820_ACPI;
		for (unsigned int i = 0; i < 3; i++)
			for (uint64_t j = 0; j < reserved[i].size; j++)
				map[reserved[i].base + j] = E820_RESERVED;

		cr_assert_eq(e820_build(&(struct e820_input){ram, 3, reserved, 3, acpi, NULL, 0},
					entries, E820_MAX, &count),
			     0);
		for (size_t i = 0; i < count; i++) {
			cr_assert_geq(entries[i].base, at);
			if (i && entries[i].base == at)
				cr_assert_neq(entries[i].type, entries[i - 1].type);
			for (; at < entries[i].base; at++)
				cr_assert_eq(map[at], 0);
			for (; at < entries[i].base + entries[i].size; at++)
				cr_assert_eq(map[at], entries[i].type);
		}
		for (; at < sizeof(map); at++)
			cr_assert_eq(map[at], 0);
	}
}

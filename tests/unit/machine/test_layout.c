/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include <errno.h>
#include <string.h>

#include "core/units.h"
#include "vmm/machine/layout.h"

static struct layout layout;
static char reason[LAYOUT_REASON];

static int plan(uint64_t ram, uint32_t phys_bits, const struct layout_accelerator *list,
		size_t count)
{
	const struct layout_input input = {
		.map = arch_map(),
		.ram_bytes = ram,
		.phys_bits = phys_bits,
		.accelerators = list,
		.accelerator_count = count,
	};

	reason[0] = 0;
	return layout_plan(&input, &layout, reason);
}

Test(layout, ram_crosses_the_hole_at_3_gib)
{
	static const struct {
		uint64_t ram, low, high;
	} cases[] = {
		{128 * MIB, 128 * MIB, 0},
		{3 * GIB, 3 * GIB, 0},
		{3 * GIB + 2 * MIB, 3 * GIB, 2 * MIB},
		{4 * GIB, 3 * GIB, GIB},
		{TIB, 3 * GIB, TIB - 3 * GIB},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cr_assert_eq(plan(cases[i].ram, 46, NULL, 0), 0);
		cr_expect_eq(layout.low_ram, cases[i].low);
		cr_expect_eq(layout.high_ram, cases[i].high);
		cr_expect_eq(layout.window_end, 4 * GIB + cases[i].high);
	}
}

Test(layout, another_map_moves_everything)
{
	/* As an arm64 machine has it: registers and PCI below, RAM from 1 GiB on without a hole. */
	static const struct arch_map other = {
		.low_ram_start = GIB,
		.low_ram_end = 256 * GIB,
		.high_ram_start = 256 * GIB,
		.pci_32_start = 0x10000000,
		.pci_32_end = 0x3eff0000,
		.pci_io_start = 0x1000,
		.pci_io_end = 0x10000,
		.chbs_end = 0x10000000,
	};
	static const struct layout_accelerator accelerator = {
		.name = "gpu0", .window_size = GIB, .window_align = GIB};
	const struct layout_input input = {
		.map = &other,
		.ram_bytes = 8 * GIB,
		.phys_bits = 48,
		.accelerators = &accelerator,
		.accelerator_count = 1,
	};
	const struct pci_host_windows required[1] = {{.memory_32 = {.size = MIB}}};
	struct pci_host_windows placed[1];

	cr_assert_eq(layout_plan(&input, &layout, reason), 0, "%s", reason);
	cr_expect_eq(layout.low_ram, 8 * GIB);
	cr_expect_eq(layout.high_ram, 0);
	cr_expect_eq(layout.chbs[0], 0x10000000 - 0x10000);
	cr_expect_eq(layout.window[0], 256 * GIB);
	cr_assert_eq(layout_place_pci(&layout, required, 1, placed, reason), 0, "%s", reason);
	cr_expect_eq(placed[0].memory_32.base, 0x10000000);
	cr_expect_eq(placed[0].memory_32.size, 0x3eff0000 - 0x10000000);
}

Test(layout, ram_beyond_the_address_width_is_refused_with_a_reason)
{
	cr_assert_eq(plan(TIB, 40, NULL, 0), -ENOSPC); /* the hole pushes the last GiB out */
	cr_assert(strstr(reason, "RAM"), "%s", reason);
	cr_assert_eq(plan(TIB - GIB, 40, NULL, 0), 0);
	cr_assert_eq(plan(UINT64_MAX - MIB, 52, NULL, 0), -ENOSPC);
}

Test(layout, what_an_iommu_does_not_translate_is_no_place)
{
	static const struct layout_accelerator list[] = {
		{.name = "gpu0", .window_size = 300 * GIB, .window_align = GIB},
	};
	struct layout_input input = {
		.map = arch_map(),
		.ram_bytes = 8 * GIB,
		.phys_bits = 46,
		.dma_limit = 512 * GIB,
		.dma_limit_of = "nic0",
		.accelerators = list,
		.accelerator_count = 1,
	};

	cr_assert_eq(layout_plan(&input, &layout, reason), 0);
	cr_assert_eq(layout.limit, 512 * GIB);
	input.ram_bytes = 300 * GIB;
	cr_assert_eq(layout_plan(&input, &layout, reason), -ENOSPC);
	cr_assert(strstr(reason, "the CXL window of gpu0") && strstr(reason, "IOMMU of nic0"), "%s",
		  reason);
	input.ram_bytes = 600 * GIB;
	cr_assert_eq(layout_plan(&input, &layout, reason), -ENOSPC);
	cr_assert(strstr(reason, "RAM") && strstr(reason, "512 GiB"), "%s", reason);
	input.dma_limit = 1ull << 50;
	cr_assert_eq(layout_plan(&input, &layout, reason), 0, "the CPU's limit is lower");
	cr_assert_null(layout.limit_of);
}

Test(layout, windows_are_aligned_disjoint_and_above_ram)
{
	static const struct layout_accelerator list[] = {
		{"gpu0", 256 * MIB, 256 * MIB},
		{"gpu1", UINT64_C(0x2f10000000), GIB}, /* 0x2F00F00000 rounded up to 256 MiB */
		{"gpu2", TIB, GIB},
		{"gpu3", 512 * MIB, 0},
	};

	cr_assert_eq(plan(5 * GIB + 2 * MIB, 46, list, 4), 0);
	for (size_t i = 0; i < 4; i++) {
		uint64_t align = list[i].window_align ? list[i].window_align : 256 * MIB;
		uint64_t end = i ? layout.window[i - 1] + list[i - 1].window_size
				 : 4 * GIB + layout.high_ram;

		cr_expect_eq(layout.window[i] % align, 0, "window %zu", i);
		cr_expect_geq(layout.window[i], end, "window %zu", i);
	}
	cr_expect_eq(layout.window_end, layout.window[3] + 512 * MIB);
	cr_expect_eq(layout.chbs[0], 0xfebf0000);
	cr_expect_eq(layout.chbs[3], 0xfebc0000);
}

Test(layout, a_window_that_does_not_fit_names_its_device)
{
	static const struct layout_accelerator list[] = {
		{"small", 256 * MIB, 0},
		{"huge", 2 * TIB, 0},
	};

	cr_assert_eq(plan(GIB, 40, list, 2), -ENOSPC);
	cr_assert(strstr(reason, "huge"), "%s", reason);
	cr_assert(strstr(reason, "1024 GiB"), "%s", reason);
}

Test(layout, pci_windows_follow_the_cxl_windows)
{
	static const struct layout_accelerator list[] = {{"gpu0", GIB, 0}, {"gpu1", GIB, 0}};
	struct pci_host_windows required[3] = {
		{.memory_32 = {.size = 3 * MIB}},
		{.memory_32 = {.size = 5 * MIB}, .memory_64 = {.size = 32 * MIB}},
		{.memory_64 = {.size = 48 * GIB}},
	};
	struct pci_host_windows placed[3];

	cr_assert_eq(plan(2 * GIB, 46, list, 2), 0);
	cr_assert_eq(layout_place_pci(&layout, required, 3, placed, reason), 0, "%s", reason);
	/* 32 bit: bridge 1 at the top, in a power of two; bridge 0 has the rest in one piece. */
	cr_expect_eq(placed[1].memory_32.base, 0xdf800000);
	cr_expect_eq(placed[1].memory_32.size, 8 * MIB);
	cr_expect_eq(placed[0].memory_32.base, 0xc0000000);
	cr_expect_eq(placed[0].memory_32.size, 0xdf800000 - 0xc0000000);
	cr_expect_eq(placed[2].memory_32.size, 0);
	/* 64 bit: disjoint, aligned, above the windows. */
	for (int i = 0; i < 3; i++) {
		cr_expect_geq(placed[i].memory_64.base, layout.window_end);
		cr_expect_geq(placed[i].memory_64.size, required[i].memory_64.size);
		if (i)
			cr_expect_geq(placed[i].memory_64.base,
				      placed[i - 1].memory_64.base + placed[i - 1].memory_64.size);
	}
	cr_expect_eq(placed[2].memory_64.base % (64 * GIB), 0);
	cr_expect_eq(placed[0].io.base, 0x1000);
}

Test(layout, pci_exhaustion_is_refused)
{
	struct pci_host_windows required[2] = {
		{.memory_32 = {.size = 300 * MIB}},
		{.memory_32 = {.size = 300 * MIB}},
	};
	struct pci_host_windows placed[2];

	cr_assert_eq(plan(GIB, 46, NULL, 0), 0);
	cr_assert_eq(layout_place_pci(&layout, required, 2, placed, reason), -ENOSPC);
	cr_assert(strstr(reason, "32-bit"), "%s", reason);

	required[0].memory_32.size = required[1].memory_32.size = 0;
	required[1].memory_64.size = 8 * TIB;
	cr_assert_eq(plan(GIB, 42, NULL, 0), 0);
	cr_assert_eq(layout_place_pci(&layout, required, 2, placed, reason), -ENOSPC);
	cr_assert(strstr(reason, "64-bit"), "%s", reason);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Contract §2.6, §2.7 and §8 statements 36 to 48: bounds of region accesses; cutting of config
 * accesses. */
#include <criterion/criterion.h>

#include "host-driver/access.h"

#define V2 CXL_LAYOUT_V2
#define V3 CXL_LAYOUT_V3

Test(access, registers)
{
	static const struct {
		enum cxl_layout layout;
		u64 position, count;
		int ret;
		u64 length;
	} rows[] = {
		{V2, 0, 4, 0, 4},           {V2, 0x13c, 4, 0, 4},        {V2, 0, 0, 0, 0},
		{V2, 0, 1, -EINVAL, 0},     {V2, 0, 2, -EINVAL, 0},      {V2, 0, 3, -EINVAL, 0},
		{V2, 2, 4, -EINVAL, 0},     {V2, 1, 4, -EINVAL, 0},      {V2, 0, 8, -EINVAL, 0},
		{V2, 0, 12, -EINVAL, 0},    {V2, 0x140, 4, -EINVAL, 0},  {V2, 0x144, 4, -EINVAL, 0},
		{V2, 0x13c, 8, 0, 4},       {V2, 0x138, 12, -EINVAL, 0}, {V2, ~0ULL, 4, -EINVAL, 0},
		{V2, 0x13e, 4, -EINVAL, 0}, {V2, 0x13c, ~0ULL, 0, 4},    {V3, 0, 4, 0, 4},
		{V3, 0, 8, 0, 8},           {V3, 0, 12, 0, 12},          {V3, 0, 6, -EINVAL, 0},
		{V3, 0, 2, -EINVAL, 0},     {V3, 2, 4, -EINVAL, 0},      {V3, 0x13c, 8, -EINVAL, 0},
		{V3, 0x140, 4, -EINVAL, 0}, {V3, 0x140, 0, 0, 0},        {V3, 0, 0x140, 0, 0x140},
		{V3, 0, 0x144, -EINVAL, 0}, {V3, 4, ~3ULL, -EINVAL, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		u64 length = 99;

		cr_assert_eq(access_registers(rows[i].layout, 0x140, rows[i].position,
					      rows[i].count, &length),
			     rows[i].ret, "row %zu", i);
		cr_assert_eq(length, rows[i].length, "row %zu", i);
	}
}

Test(access, memory)
{
	static const struct {
		enum cxl_layout layout;
		u64 position, count;
		int ret;
		u64 length;
	} rows[] = {
		{V2, 0, 16, 0, 16},
		{V2, 0x10000000, 4, 0, 0},
		{V2, 0x0ffffffe, 4, 0, 2},
		{V2, ~0ULL, 4, 0, 0},
		{V3, 0x10000000, 4, -EINVAL, 0},
		{V3, 0x0ffffffe, 4, -EINVAL, 0},
		{V3, 0x0ffffffc, 4, 0, 4},
		{V3, 0x10000001, 0, -EINVAL, 0},
		{V3, 8, ~0ULL, -EINVAL, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		u64 length = 99;

		cr_assert_eq(access_memory(rows[i].layout, 0x10000000, rows[i].position,
					   rows[i].count, &length),
			     rows[i].ret, "row %zu", i);
		cr_assert_eq(length, rows[i].length, "row %zu", i);
	}
}

Test(access, memory_map)
{
	cr_assert_eq(access_memory_map(0x10000000, 0, 0x10000000), 0);
	cr_assert_eq(access_memory_map(0x10000000, 0x0ffff000, 0x1000), 0);
	cr_assert_eq(access_memory_map(0x10000000, 0, 0x10001000), -EINVAL);
	cr_assert_eq(access_memory_map(0x10000000, 0x10000000, 0x1000), -EINVAL);
	cr_assert_eq(access_memory_map(0x10000000, 0, 0), -EINVAL);
	cr_assert_eq(access_memory_map(0x10000000, ~0xfffULL, 0x2000), -EOVERFLOW);
}

Test(access, config_is_cut_at_window_borders)
{
	struct access_window windows[4];
	u32 count = 0;
	static const struct {
		u64 position, count;
		enum access_kind kind;
		u64 length;
	} rows[] = {
		{0, 4, ACCESS_CORE, 4},
		{0x108, 4, ACCESS_CORE, 2},
		{0x10a, 2, ACCESS_DEVICE_DVSEC, 2},
		{0x109, 1, ACCESS_CORE, 1},
		{0x136, 4, ACCESS_DEVICE_DVSEC, 2},
		{0x138, 2, ACCESS_CORE, 2},
		{0x100, 0x100, ACCESS_CORE, 10},
		{0x10a, 0x100, ACCESS_DEVICE_DVSEC, 0x2e},
		{0x138, 0x100, ACCESS_CORE, 0x12},
		{0x14a, 0x100, ACCESS_READ_ONLY, 6},
		{0x150, 0x100, ACCESS_CORE, 0x100},
		{0x44, 2, ACCESS_READ_ONLY, 1},
	};

	cr_assert_eq(access_window_insert(windows, &count, 4, 0x14a, 0x150, ACCESS_READ_ONLY), 0);
	cr_assert_eq(access_window_insert(windows, &count, 4, 0x44, 0x45, ACCESS_READ_ONLY), 0);
	cr_assert_eq(access_window_insert(windows, &count, 4, 0x10a, 0x138, ACCESS_DEVICE_DVSEC),
		     0);
	cr_assert_eq(access_window_insert(windows, &count, 4, 0x137, 0x139, ACCESS_READ_ONLY),
		     -EINVAL);
	cr_assert_eq(access_window_insert(windows, &count, 4, 0x100, 0x10b, ACCESS_READ_ONLY),
		     -EINVAL);
	cr_assert_eq(access_window_insert(windows, &count, 4, 0x180, 0x180, ACCESS_READ_ONLY),
		     -EINVAL);
	cr_assert_eq(access_window_insert(windows, &count, 3, 0x180, 0x184, ACCESS_READ_ONLY),
		     -ENOSPC);
	cr_assert_eq(count, 3);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		u64 length = 0;

		cr_assert_eq(access_config_span(windows, count, rows[i].position, rows[i].count,
						&length),
			     rows[i].kind, "row %zu", i);
		cr_assert_eq(length, rows[i].length, "row %zu: %lu", i, length);
	}
}

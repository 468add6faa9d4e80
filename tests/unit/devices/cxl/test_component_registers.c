/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>

#include "devices/cxl/component_registers.h"

static struct cxl_component component;
static struct hdm_decoder_block hdm;

static const struct hdm_decoder_options hdm_options = {
	.count = 10,
	.device_coherent = true,
	.host_only = true,
};

static void setup(void)
{
	const struct cxl_component_options options = {.ras = true, .link = true, .hdm = &hdm};

	cr_assert_eq(hdm_decoder_init(&hdm, &hdm_options), 0);
	cr_assert_eq(cxl_component_init(&component, &options), 0);
}

static void teardown(void)
{
	cxl_component_destroy(&component);
	hdm_decoder_destroy(&hdm);
}

TestSuite(cxl_component, .init = setup, .fini = teardown);

static uint64_t get(uint64_t offset, unsigned int size)
{
	return cxl_component_read(&component, offset, size);
}

static void set(uint64_t offset, uint64_t value, unsigned int size)
{
	cxl_component_write(&component, offset, value, size);
}

/* As Linux walks it: the header, then each entry's id and pointer. */
static uint32_t find(uint32_t id, uint32_t *version)
{
	uint32_t header = (uint32_t)get(0x1000, 4);

	cr_assert_eq(header & 0xffff, 1);
	for (uint32_t i = 1; i <= header >> 24; i++) {
		uint32_t entry = (uint32_t)get(0x1000 + 4 * i, 4);

		if ((entry & 0xffff) == id) {
			*version = entry >> 16 & 0xf;
			return 0x1000 + (entry >> 20);
		}
	}
	return 0;
}

Test(cxl_component, capability_array)
{
	uint32_t version;

	cr_assert_eq(get(0x1000, 4), 0x03110001);
	cr_assert_eq(find(CXL_CAPABILITY_RAS, &version), 0x1080);
	cr_assert_eq(version, 2);
	cr_assert_eq(find(CXL_CAPABILITY_LINK, &version), 0x10d8);
	cr_assert_eq(version, 2);
	cr_assert_eq(find(CXL_CAPABILITY_HDM_DECODER, &version), 0x1110);
	cr_assert_eq(version, 1);
	cr_assert_eq(component.ras_offset, 0x1080);
	cr_assert_eq(component.link_offset, 0x10d8);
	cr_assert_eq(component.hdm_offset, 0x1110);
	cr_assert_eq(get(0x1110, 4), 5, "ten decoders");
	for (uint32_t offset = 0x1000; offset <= 0x100c; offset += 4) {
		uint64_t before = get(offset, 4);

		set(offset, 0, 4);
		set(offset, UINT32_MAX, 4);
		cr_assert_eq(get(offset, 4), before, "the array is read-only");
	}
}

Test(cxl_component, ras_registers)
{
	static const struct {
		uint32_t offset;
		uint32_t initial, writable, clear;
	} cases[] = {
		{CXL_RAS_UNCORRECTABLE_STATUS, 0, 0, 0x1cfff},
		{CXL_RAS_UNCORRECTABLE_MASK, 0x1cfff, 0x1cfff, 0},
		{CXL_RAS_UNCORRECTABLE_SEVERITY, 0x1cfff, 0x1cfff, 0},
		{CXL_RAS_CORRECTABLE_STATUS, 0, 0, 0x7f},
		{CXL_RAS_CORRECTABLE_MASK, 0x7f, 0x7f, 0},
		{CXL_RAS_CONTROL, 0, 0, 0},
		{CXL_RAS_HEADER_LOG, 0, 0, 0},
		{CXL_RAS_HEADER_LOG + 0x3c, 0, 0, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t offset = component.ras_offset + cases[i].offset;

		cr_expect_eq(get(offset, 4), cases[i].initial, "%#x", cases[i].offset);
		set(offset, 0, 4);
		cr_expect_eq(get(offset, 4), cases[i].initial & ~cases[i].writable);
		set(offset, UINT32_MAX, 4);
		cr_expect_eq(get(offset, 4), cases[i].writable, "%#x", cases[i].offset);
	}
	cxl_component_report(&component, UINT32_MAX, UINT32_MAX);
	cr_assert_eq(get(component.ras_offset, 4), 0x1cfff);
	cr_assert_eq(get(component.ras_offset + CXL_RAS_CORRECTABLE_STATUS, 4), 0x7f);
	set(component.ras_offset, 0x00000401, 4);
	cr_assert_eq(get(component.ras_offset, 4), 0x1cbfe);
	set(component.ras_offset + 1, 0xff, 1);
	cr_assert_eq(get(component.ras_offset, 4), 0x100fe);
	cxl_component_reset(&component);
	cr_assert_eq(get(component.ras_offset, 4), 0);
	cr_assert_eq(get(component.ras_offset + CXL_RAS_UNCORRECTABLE_MASK, 4), 0x1cfff);
}

Test(cxl_component, widths_of_32_bit_registers)
{
	uint32_t mask = component.ras_offset + CXL_RAS_UNCORRECTABLE_MASK;

	set(mask, 0, 4);
	set(mask + 1, 0xff, 1);
	cr_assert_eq(get(mask, 4), 0xcf00);
	cr_assert_eq(get(mask + 1, 1), 0xcf);
	set(mask + 2, 0xffff, 2);
	cr_assert_eq(get(mask, 4), 0x1cf00);
	cr_assert_eq(get(mask + 2, 2), 1);
	/* Two at once: status (write 1 to clear) and mask. */
	cxl_component_report(&component, 0xff, 0);
	set(component.ras_offset, 0x0000000300000010, 8);
	cr_assert_eq(get(component.ras_offset, 8), 0x00000003000000ef);
	/* Misaligned, odd sizes. */
	set(mask + 2, UINT32_MAX, 4);
	set(mask, UINT32_MAX, 8);
	set(mask, UINT32_MAX, 3);
	cr_assert_eq(get(mask, 4), 3);
	cr_assert_eq(get(mask + 1, 2), 0);
	cr_assert_eq(get(mask, 8), 0);
}

Test(cxl_component, widths_of_64_bit_registers)
{
	cr_assert_eq(get(component.link_offset, 8), 0x22);
	cr_assert_eq(get(component.link_offset, 4), 0, "partial reads are not permitted");
	cr_assert_eq(get(component.link_offset, 1), 0);
	set(component.link_offset, UINT64_MAX, 8);
	cr_assert_eq(get(component.link_offset, 8), 0x22);
	for (uint32_t i = 8; i < CXL_LINK_SIZE; i += 8)
		cr_assert_eq(get(component.link_offset + i, 8), 0);
}

Test(cxl_component, unmodelled_reads_0)
{
	static const uint64_t offsets[] = {0,       0xff8,      0x1010,        0x107c, 0x10110,
					   0x1260,  0x1ff8,     0x2000,        0xe000, 0xfff8,
					   0x10000, 1ull << 40, UINT64_MAX - 7};

	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		set(offsets[i], UINT64_MAX, 8);
		cr_expect_eq(get(offsets[i], 8), 0, "%#lx", offsets[i]);
	}
	cr_assert_eq(component.writes, sizeof(offsets) / sizeof(offsets[0]));
	cr_assert_eq(component.reads, component.writes);
}

Test(cxl_component, decoders_behind_the_block)
{
	set(component.hdm_offset + 4, 2, 4);
	set(component.hdm_offset + HDM_DECODER_BASE_LOW, 0x4000000000, 8);
	set(component.hdm_offset + HDM_DECODER_SIZE_LOW, 0x10000000, 8);
	set(component.hdm_offset + HDM_DECODER_CONTROL, HDM_CONTROL_COMMIT, 4);
	cr_assert_eq(get(component.hdm_offset + HDM_DECODER_CONTROL, 4),
		     HDM_CONTROL_COMMIT | HDM_CONTROL_COMMITTED);
	/* The last decoder, and what is behind it. */
	set(component.hdm_offset + HDM_DECODER_BASE_HIGH + 9 * 0x20, 7, 4);
	cr_assert_eq(get(component.hdm_offset + HDM_DECODER_BASE_HIGH + 9 * 0x20, 4), 7);
	set(component.hdm_offset + HDM_DECODER_BASE_HIGH + 10 * 0x20, 7, 4);
	cr_assert_eq(get(component.hdm_offset + HDM_DECODER_BASE_HIGH + 10 * 0x20, 4), 0);
	cxl_component_reset(&component);
	cr_assert_eq(get(component.hdm_offset + HDM_DECODER_CONTROL, 4), 0);
	cr_assert_eq(get(component.hdm_offset + 4, 4), 0);
}

Test(cxl_component, builder)
{
	const struct cxl_component_options bare = {0};
	struct cxl_component own;
	int offset;

	cr_assert_eq(cxl_component_init(&own, &bare), 0);
	cr_assert_eq(cxl_component_read(&own, 0x1000, 4), 0x00110001, "a valid empty array");
	offset = cxl_component_add_capability(&own, 8, 1, 12);
	cr_assert_eq(offset, 0x1080);
	cxl_component_define(&own, (uint32_t)offset, 0x11, 0xf0, 0x01, false);
	cxl_component_define(&own, 0x4000, 1, 1, 1, false);
	cxl_component_define(&own, 0x1082, 1, 1, 1, false);
	cxl_component_write(&own, 0x1080, 0xff, 4);
	cr_assert_eq(cxl_component_read(&own, 0x1080, 4), 0xf0);
	cr_assert_eq(cxl_component_add_capability(&own, 9, 1, 8), 0x1090, "8-byte aligned");
	cr_assert_eq(cxl_component_add_capability(&own, 9, 1, 0x1000), -ENOSPC);
	cr_assert_eq(cxl_component_read(&own, 0x1000, 4), 0x02110001);
	/* A writable 64-bit register takes whole writes only. */
	cxl_component_define(&own, 0x1090, 0, UINT32_MAX, 0, true);
	cxl_component_define(&own, 0x1094, 0, UINT32_MAX, 0, true);
	cxl_component_write(&own, 0x1090, 0x1111, 4);
	cxl_component_write(&own, 0x1096, 0x22, 1);
	cr_assert_eq(cxl_component_read(&own, 0x1090, 8), 0);
	cxl_component_write(&own, 0x1090, 0x1122334455667788, 8);
	cr_assert_eq(cxl_component_read(&own, 0x1090, 8), 0x1122334455667788);
	cr_assert_eq(cxl_component_read(&own, 0x1094, 4), 0);
	for (unsigned int i = 2; i < 31; i++)
		cr_assert_gt(cxl_component_add_capability(&own, 9, 1, 8), 0);
	cr_assert_eq(cxl_component_add_capability(&own, 9, 1, 8), -ENOSPC, "the array is full");
	cxl_component_destroy(&own);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Contract §4.1, §4.2 and §8 statements 64 to 72: the body of the CXL device DVSEC. */
#include <criterion/criterion.h>

#include "host-driver/dvsec.h"

static struct dvsec_body body;
static struct dvsec_effects effects;

static void put(u8 *bytes, u32 offset, u32 size, u32 value)
{
	for (u32 i = 0; i < size; i++)
		bytes[offset + i] = (u8)(value >> (8 * i));
}

static void adopt(enum cxl_layout layout, u32 capability, u32 lock, u32 capability2,
		  u32 capability3)
{
	u8 snapshot[0x3c] = {0};

	put(snapshot, 0x0a, 2, capability);
	put(snapshot, 0x0c, 2, 0x0004);
	put(snapshot, 0x0e, 2, 0x4001);
	put(snapshot, 0x12, 2, 0x8008);
	put(snapshot, 0x14, 2, lock);
	put(snapshot, 0x16, 2, capability2);
	put(snapshot, 0x18, 4, 0);
	put(snapshot, 0x1c, 4, 0x10000003);
	put(snapshot, 0x20, 4, 1);
	put(snapshot, 0x24, 4, 0x40000000);
	put(snapshot, 0x30, 4, 2);
	put(snapshot, 0x34, 4, 0x50000000);
	put(snapshot, 0x38, 2, capability3);
	cr_assert_eq(dvsec_body_adopt(&body, layout, snapshot, sizeof(snapshot)), 0);
}

static u32 get(u32 offset, u32 size)
{
	u8 bytes[4] = {0};

	dvsec_body_read(&body, offset, bytes, size);
	return (u32)bytes[0] | (u32)bytes[1] << 8 | (u32)bytes[2] << 16 | (u32)bytes[3] << 24;
}

static u32 set(u32 offset, u32 size, u32 value)
{
	u8 bytes[4];

	put(bytes, 0, 4, value);
	dvsec_body_write(&body, offset, bytes, size, &effects);
	return get(offset, size);
}

Test(dvsec, lengths)
{
	u8 snapshot[0x60] = {0};

	cr_assert_eq(dvsec_body_adopt(&body, CXL_LAYOUT_V2, snapshot, 0x37), -EINVAL);
	cr_assert_eq(dvsec_body_adopt(&body, CXL_LAYOUT_V2, snapshot, 0x38), 0);
	cr_assert_eq(dvsec_body_word(&body, 0x38), 0, "revision 1 has no Capability3");
	cr_assert_eq(dvsec_body_adopt(&body, CXL_LAYOUT_V2, snapshot, 0x60), 0);
	cr_assert_eq(body.length, 0x40);
}

Test(dvsec, adopted_state)
{
	adopt(CXL_LAYOUT_V2, 0x1e, 0, 0, 0);
	cr_assert_eq(get(0x0a, 2), 0x1e);
	cr_assert_eq(get(0x0c, 2), 6, "IO_Enable and Mem_Enable read 1");
	cr_assert_eq(get(0x1c, 4), 0x10000003);
	for (u32 at = 0x20; at <= 0x34; at += at == 0x24 ? 0xc : 4)
		cr_assert_eq(get(at, 4), 0, "no host address at %#x", at);
}

Test(dvsec, lock)
{
	adopt(CXL_LAYOUT_V2, 0x1e, 0, 0, 0);
	cr_assert_eq(set(0x14, 2, 0xfffe), 0);
	cr_assert_eq(set(0x15, 1, 0xff), 0, "the upper byte has no bit");
	cr_assert_eq(set(0x0c, 2, 0x0800), 0x0806);
	cr_assert_eq(set(0x14, 2, 1), 1);
	cr_assert_eq(set(0x14, 2, 0), 1, "write once");
	cr_assert_eq(set(0x0c, 2, 0), 0x0806, "Control is locked");
	adopt(CXL_LAYOUT_V2, 0x1e, 1, 0, 0);
	cr_assert_eq(set(0x0c, 2, 0xffff), 6, "a lock of the firmware counts");
}

Test(dvsec, control)
{
	adopt(CXL_LAYOUT_V2, 0x1e, 0, 0, 0);
	cr_assert_eq(set(0x0c, 2, 0xffff), 0x4fff, "bits 12, 13 and 15 are not there");
	cr_assert_eq(set(0x0c, 2, 0), 6);
	cr_assert_eq(set(0x0d, 1, 0x48), 0x48);
	cr_assert_eq(set(0x0c, 1, 0x01), 0x07);
	cr_assert_eq(get(0x0c, 2), 0x4807, "a byte write keeps the other byte");
	adopt(CXL_LAYOUT_V2, 0x1e, 0, 0, CXL_DEVICE_CAPABILITY3_P2P);
	cr_assert_eq(set(0x0c, 2, 0x1000), 0x1006);
}

Test(dvsec, read_only)
{
	static const struct {
		u32 offset, size;
	} rows[] = {{0x0a, 2}, {0x16, 2}, {0x18, 4}, {0x1c, 4}, {0x28, 4}, {0x2c, 4}, {0x38, 2}};

	adopt(CXL_LAYOUT_V2, 0x1e, 0, 0x1234, 0x18);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		u32 before = get(rows[i].offset, rows[i].size);

		cr_assert_eq(set(rows[i].offset, rows[i].size, ~before), before, "at %#x",
			     rows[i].offset);
	}
}

Test(dvsec, status)
{
	adopt(CXL_LAYOUT_V2, 0x1e, 0, 0, 0);
	cr_assert_eq(set(0x0e, 2, 0xbfff), 0x4001);
	cr_assert_eq(set(0x0e, 2, 0x4000), 0x0001);
	cr_assert_eq(set(0x12, 2, 0xfff7), 0x8008);
	cr_assert_eq(set(0x12, 2, 0x0008), 0x8000);
}

Test(dvsec, wide_write_updates_each_register)
{
	adopt(CXL_LAYOUT_V2, 0x1e, 0, 0, 0);
	cr_assert_eq(set(0x0c, 4, 0x40000001), 0x00010007);
	adopt(CXL_LAYOUT_V2, 0x1e, 0, 0, 0);
	/* Odd offset: upper byte of Control, lower byte of Status. */
	cr_assert_eq(set(0x0d, 2, 0xff40), 0x0140);
}

Test(dvsec, control2)
{
	adopt(CXL_LAYOUT_V2, 0x1e, 0, 0, 0);
	cr_assert_eq(set(0x10, 2, 0xffff), 1, "nothing but bit 0 without capabilities");
	cr_assert_not(effects.cache_writeback);
	cr_assert_eq(get(0x12, 2), 0x8008, "no CXL reset to fail");
	adopt(CXL_LAYOUT_V2, 0x81e, 0, 0x40, 0x08);
	cr_assert_eq(set(0x10, 2, 0xffff), 0x39);
	cr_assert_eq(set(0x10, 2, 0x30), 0x30);
}

Test(dvsec, cache_writeback)
{
	adopt(CXL_LAYOUT_V2, 0x5f, 0, 0, 0);
	cr_assert_eq(set(0x10, 2, 0x2), 0, "the doorbell reads 0");
	cr_assert(effects.cache_writeback);
	cr_assert_not(effects.disable_caching);
	cr_assert_eq(set(0x10, 1, 0x3), 1);
	cr_assert(effects.cache_writeback);
	cr_assert(effects.disable_caching);
	cr_assert_eq(set(0x11, 1, 0x2), 0);
	cr_assert_not(effects.cache_writeback, "another byte rings nothing");
	dvsec_body_cache_written(&body, true);
	cr_assert_eq(get(0x12, 2), 0x8009);
	dvsec_body_cache_written(&body, false);
	cr_assert_eq(get(0x12, 2), 0x8008);
}

Test(dvsec, cxl_reset_is_refused_in_status2)
{
	adopt(CXL_LAYOUT_V2, 0x9e, 0, 0, 0);
	cr_assert_eq(set(0x10, 2, 0x4), 0);
	cr_assert_eq(get(0x12, 2), 0x800c);
}

Test(dvsec, range_bases)
{
	adopt(CXL_LAYOUT_V2, 0x1e, 0, 0, 0);
	cr_assert_eq(set(0x20, 4, 0x12345678), 0x12345678);
	cr_assert_eq(set(0x24, 4, 0xffffffff), 0xf0000000);
	cr_assert_eq(set(0x27, 1, 0x5f), 0x50);
	cr_assert_eq(set(0x34, 4, 0x3fffffff), 0x30000000);
	adopt(CXL_LAYOUT_V3, 0x1e, 0, 0, 0);
	cr_assert_eq(set(0x20, 4, 0x12345678), 0);
	cr_assert_eq(set(0x24, 4, 0xffffffff), 0);
}

Test(dvsec, every_width_and_offset_equals_byte_writes)
{
	/* One wide write and the same bytes one by one end in the same state, except where a
	 * doorbell is rung. */
	for (u32 offset = 0x0a; offset < 0x38; offset++)
		for (u32 size = 1; size <= 4 && offset + size <= 0x3c; size++)
			for (u32 pattern = 0; pattern < 3; pattern++) {
				static const u32 values[] = {0xffffffff, 0xa5c3f00f, 0x00000000};
				struct dvsec_body wide;

				adopt(CXL_LAYOUT_V2, 0x5f, 0, 0x40, 0x18);
				set(offset, size, values[pattern]);
				wide = body;
				adopt(CXL_LAYOUT_V2, 0x5f, 0, 0x40, 0x18);
				for (u32 i = 0; i < size; i++)
					set(offset + i, 1, values[pattern] >> (8 * i));
				cr_assert_arr_eq(wide.bytes, body.bytes, sizeof(body.bytes),
						 "%#x+%u %#x", offset, size, values[pattern]);
			}
}

Test(dvsec, memory_active_timeout)
{
	static const u32 expect[8] = {1000, 4000, 16000, 64000, 256000, 256000, 256000, 256000};

	for (u32 code = 0; code < 8; code++)
		cr_assert_eq(dvsec_active_timeout(0xffff1fff | code << 13), expect[code]);
}

Test(dvsec, disable_caching_reaches_the_hardware_when_it_changes)
{
	adopt(CXL_LAYOUT_V2, 0x1f, 0, 0, 0);
	cr_assert_eq(set(0x10, 2, 0x1), 1);
	cr_assert(effects.caching);
	cr_assert(effects.disable_caching);
	cr_assert_eq(set(0x10, 2, 0x1), 1);
	cr_assert_not(effects.caching, "it was set already");
	cr_assert_eq(set(0x10, 1, 0), 0);
	cr_assert(effects.caching);
	cr_assert_not(effects.disable_caching, "the guest's own clear");
}

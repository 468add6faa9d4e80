/* SPDX-License-Identifier: Apache-2.0 */
/* Contract §3.5, §3.6 and §8 statements 49 to 60 and 63: the register shadow of layouts 2 and 3. */
#include <criterion/criterion.h>

#include "host-driver/decoder.h"

#define HDM              0x110U
#define COMMITTED_LOCKED 0x1700U /* host-only, committed, commit, lock */

/* A shadow of two decoders; the first is firmware-committed at 0x1_4000_0000 with 256 MiB. */
static struct decoder_shadow *shadow_of(enum cxl_layout layout, u32 capability, u32 control)
{
	static struct decoder_shadow shadow;
	u32 *hdm = shadow.words + HDM / 4;

	memset(&shadow, 0, sizeof(shadow));
	shadow.layout = layout;
	shadow.map = (struct component_map){.array_entries = 3,
					    .ras_offset = 0x80,
					    .hdm_offset = HDM,
					    .hdm_length = 0x50,
					    .decoder_count = 2};
	shadow.words[0] = 0x03110001;
	shadow.words[3] = HDM << 20 | 5;
	hdm[0] = capability | 1;
	hdm[1] = CXL_HDM_GLOBAL_ENABLE;
	hdm[4] = 0x40000000;
	hdm[5] = 1;
	hdm[6] = 0x10000000;
	hdm[8] = control;
	decoder_shadow_adopt(&shadow);
	return &shadow;
}

static u32 origin(const struct decoder_shadow *shadow)
{
	return (shadow->layout == CXL_LAYOUT_V3 ? 0x1000 : 0) + HDM;
}

static u32 get(const struct decoder_shadow *shadow, u32 offset)
{
	return decoder_region_read(shadow, origin(shadow) + offset);
}

static void set(struct decoder_shadow *shadow, u32 offset, u32 value)
{
	decoder_region_write(shadow, origin(shadow) + offset, value);
}

static u32 set_get(struct decoder_shadow *shadow, u32 offset, u32 value)
{
	set(shadow, offset, value);
	return get(shadow, offset);
}

Test(decoder, region_origin_and_size)
{
	struct decoder_shadow *shadow = shadow_of(CXL_LAYOUT_V2, 0, COMMITTED_LOCKED);

	cr_assert_eq(decoder_region_size(shadow), 0x160);
	cr_assert_eq(decoder_region_read(shadow, 0), 0x03110001);
	shadow = shadow_of(CXL_LAYOUT_V3, 0, COMMITTED_LOCKED);
	cr_assert_eq(decoder_region_size(shadow), 0x10000);
	cr_assert_eq(decoder_region_read(shadow, 0), 0);
	cr_assert_eq(decoder_region_read(shadow, 0xffc), 0);
	cr_assert_eq(decoder_region_read(shadow, 0x1000), 0x03110001);
	cr_assert_eq(decoder_region_read(shadow, 0x1160), 0);
	cr_assert_eq(decoder_region_read(shadow, 0xfffc), 0);
	decoder_region_write(shadow, 0x0, ~0U);
	decoder_region_write(shadow, 0x1160, ~0U);
	decoder_region_write(shadow, 0xfffc, ~0U);
	cr_assert_eq(decoder_region_read(shadow, 0x1160), 0);
}

Test(decoder, no_host_address_is_ever_readable)
{
	for (int layout = CXL_LAYOUT_V2; layout <= CXL_LAYOUT_V3; layout++)
		for (u32 lock = 0; lock <= CXL_DECODER_LOCK_ON_COMMIT;
		     lock += CXL_DECODER_LOCK_ON_COMMIT) {
			struct decoder_shadow *shadow =
				shadow_of((enum cxl_layout)layout, 0, 0x1600 | lock);

			cr_assert_eq(get(shadow, 0x10), 0);
			cr_assert_eq(get(shadow, 0x14), 0);
			cr_assert_eq(get(shadow, 0x18), 0x10000000, "the size stays");
			cr_assert_eq(get(shadow, 0x20),
				     layout == CXL_LAYOUT_V2 ? 0x1600U : 0x1600 | lock);
		}
}

Test(decoder, read_only_registers)
{
	for (int layout = CXL_LAYOUT_V2; layout <= CXL_LAYOUT_V3; layout++) {
		struct decoder_shadow *shadow =
			shadow_of((enum cxl_layout)layout, 0, COMMITTED_LOCKED);
		u32 base = origin(shadow) - HDM;

		for (u32 at = 0; at < HDM + 4; at += 4) {
			u32 before = decoder_region_read(shadow, base + at);

			decoder_region_write(shadow, base + at, ~before);
			cr_assert_eq(decoder_region_read(shadow, base + at), before, "at %#x", at);
		}
		cr_assert_eq(set_get(shadow, 0x08, ~0U), 0);
		cr_assert_eq(set_get(shadow, 0x0c, ~0U), 0);
	}
}

Test(decoder, global_control)
{
	cr_assert_eq(set_get(shadow_of(CXL_LAYOUT_V2, 0, 0), 0x04, ~0U), 2);
	cr_assert_eq(set_get(shadow_of(CXL_LAYOUT_V2, CXL_HDM_CAPABILITY_POISON, 0), 0x04, ~0U), 3);
	cr_assert_eq(set_get(shadow_of(CXL_LAYOUT_V3, 0, 0), 0x04, ~0U), ~0U);
}

Test(decoder, v2_addresses)
{
	struct decoder_shadow *shadow = shadow_of(CXL_LAYOUT_V2, 0, COMMITTED_LOCKED);

	cr_assert_eq(set_get(shadow, 0x10, 0x12345678), 0x10000000);
	cr_assert_eq(set_get(shadow, 0x14, 0x12345678), 0x12345678);
	cr_assert_eq(set_get(shadow, 0x18, 0x2fffffff), 0x20000000);
	cr_assert_eq(set_get(shadow, 0x1c, 0x00000007), 7);
	cr_assert_eq(set_get(shadow, 0x24, ~0U), 0, "DPA_SKIP low");
	cr_assert_eq(set_get(shadow, 0x28, ~0U), 0, "DPA_SKIP high");
	cr_assert_eq(set_get(shadow, 0x2c, ~0U), 0, "reserved");
}

Test(decoder, v2_lock)
{
	struct decoder_shadow *shadow = shadow_of(CXL_LAYOUT_V2, 0, COMMITTED_LOCKED);

	set(shadow, 0x20, 0x300); /* commit and lock again, as a VMM does */
	cr_assert_eq(get(shadow, 0x20), 0x1700, "bit 12 keeps the hardware's value");
	cr_assert_eq(set_get(shadow, 0x10, 0x50000000), 0);
	cr_assert_eq(set_get(shadow, 0x14, 9), 0);
	cr_assert_eq(set_get(shadow, 0x18, 0x50000000), 0x10000000);
	cr_assert_eq(set_get(shadow, 0x1c, 9), 0);
	cr_assert_eq(set_get(shadow, 0x20, 0x17f), 0x1700,
		     "with LOCK set the whole write is dropped");
	cr_assert_eq(set_get(shadow, 0x20, 0x07f), 0x1600, "with LOCK clear only LOCK changes");
	cr_assert_eq(set_get(shadow, 0x10, 0x50000000), 0x50000000);
}

Test(decoder, v2_control)
{
	struct decoder_shadow *shadow = shadow_of(CXL_LAYOUT_V2, 0, 0x1800);

	/* ERR_NOT_COMMITTED and the type are the hardware's, UIO and ISP need a capability, BI a
	 * cache. */
	cr_assert_eq(set_get(shadow, 0x20, 0xffffffff & ~CXL_DECODER_LOCK_ON_COMMIT), 0x1eff);
	cr_assert_eq(set_get(shadow, 0x20, 0), 0x1800);
	shadow->cache_capable = true;
	cr_assert_eq(set_get(shadow, 0x20, 0xfffff4ff & ~CXL_DECODER_COMMIT), 0x38ff);
	shadow = shadow_of(CXL_LAYOUT_V2, CXL_HDM_CAPABILITY_UIO, 0);
	cr_assert_eq(set_get(shadow, 0x20, 0xfffff0ff), 0x0f0040ff);
}

Test(decoder, v2_commit)
{
	struct decoder_shadow *shadow = shadow_of(CXL_LAYOUT_V2, 0, 0);

	cr_assert_eq(set_get(shadow, 0x20, CXL_DECODER_COMMIT), 0x600);
	cr_assert_eq(set_get(shadow, 0x20, 0), 0);
	cr_assert_eq(set_get(shadow, 0x20, CXL_DECODER_COMMITTED), 0,
		     "COMMITTED alone is not writable");
}

Test(decoder, v3_addresses_freeze_while_committed)
{
	struct decoder_shadow *shadow = shadow_of(CXL_LAYOUT_V3, 0, COMMITTED_LOCKED);

	cr_assert_eq(set_get(shadow, 0x10, 0x12345678), 0);
	cr_assert_eq(set_get(shadow, 0x20, 0x17ff), COMMITTED_LOCKED, "only COMMIT is considered");
	cr_assert_eq(set_get(shadow, 0x20, 0x1500), 0x1000, "COMMIT=0 clears COMMITTED and LOCK");
	cr_assert_eq(set_get(shadow, 0x10, 0x12345678), 0x12345678, "stored unmasked");
	cr_assert_eq(set_get(shadow, 0x20, 0x0f00), 0x0700);
	cr_assert_eq(set_get(shadow, 0x10, 0), 0x12345678);
}

Test(decoder, v3_other_registers_are_plain)
{
	struct decoder_shadow *shadow = shadow_of(CXL_LAYOUT_V3, 0, COMMITTED_LOCKED);

	cr_assert_eq(set_get(shadow, 0x24, 0xdeadbeef), 0xdeadbeef);
	cr_assert_eq(set_get(shadow, 0x2c, 0xdeadbeef), 0xdeadbeef);
}

Test(decoder, decoders_are_independent_and_counted)
{
	for (int layout = CXL_LAYOUT_V2; layout <= CXL_LAYOUT_V3; layout++) {
		struct decoder_shadow *shadow =
			shadow_of((enum cxl_layout)layout, 0, COMMITTED_LOCKED);

		cr_assert_eq(set_get(shadow, 0x34, 5), 5, "decoder 1 is free");
		cr_assert_eq(get(shadow, 0x14), 0);
		set(shadow, 0x50, ~0U); /* decoder 2 does not exist */
		cr_assert_eq(shadow->words[(HDM + 0x50) / 4], 0);
	}
}

Test(decoder, lost_device)
{
	struct decoder_shadow *shadow = shadow_of(CXL_LAYOUT_V2, 0, COMMITTED_LOCKED);

	decoder_shadow_lose(shadow);
	cr_assert_eq(get(shadow, 0x20), 0);
	cr_assert_eq(get(shadow, 0x18), 0);
	cr_assert_eq(decoder_region_read(shadow, 0), 0x03110001, "the array stays");
}

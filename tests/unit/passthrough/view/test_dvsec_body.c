/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>

#include "core/bytes.h"
#include "tests/unit/passthrough/transport/info_image.h"
#include "passthrough/view/dvsec_body.h"

static uint8_t dvsec[0x40];
static struct cxl_dvsec_body body;
static unsigned int resets;
static int reset_result;

static int on_reset(void *opaque)
{
	(void)opaque;
	resets++;
	return reset_result;
}

static void make(uint16_t capability, bool committed)
{
	struct cxl_dvsec_options options = {.committed = committed,
					    .range_base = 0x4080000000,
					    .range_size = 0x2f10000000,
					    .reset_capable = true,
					    .reset = on_reset};

	memset(dvsec, 0, sizeof(dvsec));
	bytes_put_le32(dvsec, 0x00010023);
	bytes_put_le32(dvsec + 4, 0x1e98 | 2 << 16 | 0x3cu << 20);
	bytes_put_le16(dvsec + 0x0a, capability);
	bytes_put_le16(dvsec + 0x0c, 0x5fff);
	bytes_put_le16(dvsec + 0x14, 1);
	bytes_put_le16(dvsec + 0x16, 1 << 6);
	bytes_put_le32(dvsec + 0x18, 0x99);
	bytes_put_le32(dvsec + 0x1c, 0x10000000 | 0x2a << 2);
	bytes_put_le32(dvsec + 0x20, 0xdead);
	bytes_put_le32(dvsec + 0x24, 0xb0000000);
	bytes_put_le32(dvsec + 0x30, 0xdead);
	bytes_put_le16(dvsec + 0x38, 1 << 3 | 1 << 4);
	cr_assert_eq(cxl_dvsec_body_init(&body, dvsec, 0x3c, &options), 0);
}

#define READ(offset, size)         cxl_dvsec_body_read(&body, offset, size)
#define WRITE(offset, size, value) cxl_dvsec_body_write(&body, offset, size, value)
#define FULL                       0x48c7 /* cache, io, mem, WBI, CXL reset, clear, viral */

Test(cxl_dvsec_body, committed_device_shows_guest_addresses)
{
	make(FULL | 2 << 4, true);
	cr_expect_eq(READ(0x0c, 2), 6u, "io and mem");
	cr_expect_eq(READ(0x18, 4), 0x2fu);
	cr_expect_eq(READ(0x1c, 4), 0x10000000u | 0xa8 | 3);
	cr_expect_eq(READ(0x20, 4), 0x40u);
	cr_expect_eq(READ(0x24, 4), 0x80000000u);
	for (uint32_t at = 0x28; at < 0x38; at += 4)
		cr_expect_eq(READ(at, 4), 0u, "range 2 at %x", at);
	cr_expect_eq(READ(0x0a, 2) >> 4 & 3, 1u, "one range");
	cr_expect_eq(READ(0x0a, 2) & (1 << 11 | 1 << 13), 0u, "no memory clear, no MLD");
	cr_expect_eq(READ(0x14, 2), 0u, "the host's lock is not the guest's");
	/* Header and capability in one dword. */
	cr_expect_eq(READ(0x08, 4), (uint32_t)READ(0x0a, 2) << 16);
}

Test(cxl_dvsec_body, uncommitted_device_leaves_mem_enable_to_the_guest)
{
	make(FULL, false);
	cr_expect_eq(READ(0x0c, 2), 2u);
	cr_expect_eq(READ(0x20, 4), 0u);
	cr_expect_eq(READ(0x24, 4), 0u);
	WRITE(0x0c, 2, 4);
	cr_expect_eq(READ(0x0c, 2), 6u);
	WRITE(0x0c, 2, 0);
	cr_expect_eq(READ(0x0c, 2), 2u, "IO_Enable is hardwired");
}

Test(cxl_dvsec_body, lock_freezes_control_until_a_conventional_reset)
{
	make(FULL, true);
	WRITE(0x14, 2, 0xfffe);
	cr_expect_eq(READ(0x14, 2), 0u);
	WRITE(0x0c, 2, 0xffff);
	cr_expect_eq(READ(0x0c, 2), 0x5fffu);
	WRITE(0x14, 1, 1);
	cr_expect_eq(READ(0x14, 2), 1u);
	WRITE(0x14, 2, 0);
	cr_expect_eq(READ(0x14, 2), 1u);
	WRITE(0x0c, 2, 0);
	cr_expect_eq(READ(0x0c, 2), 0x5fffu, "locked");
	/* One dword write: Control is locked, Status still clears. */
	body.registers[0x0f] = 0x40;
	WRITE(0x0c, 4, 0x40000000);
	cr_expect_eq(READ(0x0e, 2), 0u);
	WRITE(0x10, 2, 1);
	cr_expect_eq(READ(0x10, 2), 1u, "Control2 is not lockable");
	cxl_dvsec_body_reset(&body);
	cr_expect_eq(READ(0x14, 2), 0u);
	cr_expect_eq(READ(0x0c, 2), 6u);
}

Test(cxl_dvsec_body, capabilities_and_ranges_are_read_only)
{
	uint32_t before[16];

	make(FULL, true);
	for (uint32_t at = 0x14; at < 0x3c; at += 4)
		before[at / 4] = READ(at, 4);
	WRITE(0x08, 4, 0xffffffff);
	cr_expect_eq(READ(0x0a, 2), (FULL & ~(1u << 11)) | 1u << 4);
	for (uint32_t at = 0x18; at < 0x3c; at += 4) {
		WRITE(at, 4, 0xffffffff);
		WRITE(at + 1, 1, 0);
		cr_expect_eq(READ(at, 4), before[at / 4], "at %x", at);
	}
	WRITE(0x16, 2, 0xffff);
	cr_expect_eq(READ(0x14, 4), before[5]);
}

Test(cxl_dvsec_body, status_clears_only_bit_14)
{
	make(FULL, true);
	body.registers[0x0f] = 0xff;
	body.registers[0x0e] = 0xff;
	WRITE(0x0e, 2, 0xffff);
	cr_expect_eq(READ(0x0e, 2), 0xbfffu);
	body.registers[0x0f] = 0x40;
	WRITE(0x0e, 1, 0xff);
	cr_expect_eq(READ(0x0e, 2), 0x40ffu, "the low byte does not touch bit 14");
	body.registers[0x12] = 0x08;
	WRITE(0x10, 4, 0x00080000);
	cr_expect_eq(READ(0x12, 2) & 8, 0u);
}

Test(cxl_dvsec_body, bytes_keep_their_neighbours)
{
	make(FULL, true);
	WRITE(0x0c, 2, 0x4803);
	WRITE(0x0c, 1, 0xff);
	cr_expect_eq(READ(0x0c, 2), 0x48ffu);
	WRITE(0x0d, 1, 0);
	cr_expect_eq(READ(0x0c, 2), 0x00ffu);
	cr_expect_eq(READ(0x0d, 1), 0u);
	cr_expect_eq(READ(0x0c, 1), 0xffu);
}

Test(cxl_dvsec_body, masks_follow_capabilities)
{
	make(4, true);
	dvsec[0x38] = 0;
	bytes_put_le16(dvsec + 0x16, 0);
	cr_assert_eq(cxl_dvsec_body_init(&body, dvsec, 0x38, &body.options), 0);
	WRITE(0x0c, 2, 0xffff);
	cr_expect_eq(READ(0x0c, 2), 0x0ffeu, "no cache, no peer-to-peer, no viral");
	WRITE(0x10, 2, 0xffff);
	cr_expect_eq(READ(0x10, 2), 1u);
	cr_expect_eq(resets, 0u, "no CXL reset without the capability");
	cr_expect_eq(READ(0x38, 4), 0u, "beyond a short DVSEC");
}

Test(cxl_dvsec_body, doorbells_clear_themselves)
{
	make(FULL, true);
	WRITE(0x10, 2, 3);
	cr_expect_eq(READ(0x10, 4), 0x80010001u, "a 32-bit poll sees the cache invalid");
	WRITE(0x10, 2, 0);
	cr_expect_eq(READ(0x12, 2), 0x8000u, "caching again");
	WRITE(0x10, 1, 4);
	cr_expect_eq(resets, 1u);
	cr_expect_eq(READ(0x12, 2), 0x8002u);
	reset_result = -EIO;
	WRITE(0x10, 4, 4);
	cr_expect_eq(READ(0x12, 2), 0x8004u);
	cr_expect_eq(READ(0x10, 2), 0u);
	WRITE(0x11, 1, 4);
	cr_expect_eq(resets, 2u, "another byte's bit 2");
	reset_result = 0;
}

Test(cxl_dvsec_body, short_or_memoryless_ones_are_refused)
{
	struct cxl_dvsec_options options = {.committed = false};

	make(FULL, true);
	cr_expect_eq(cxl_dvsec_body_init(&body, dvsec, 0x37, &options), -EINVAL);
	bytes_put_le16(dvsec + 0x0a, 3);
	cr_expect_eq(cxl_dvsec_body_init(&body, dvsec, 0x3c, &options), -EINVAL);
}

Test(cxl_dvsec_body, every_access_stays_inside)
{
	make(FULL, true);
	for (uint32_t at = 0; at < 0x80; at++)
		for (unsigned int size = 1; size <= 4; size *= 2) {
			WRITE(at, size, 0xa5a5a5a5);
			READ(at, size);
		}
	cr_expect_eq(READ(0x40, 4), 0u);
	/* The header is somebody else's. */
	cr_expect_eq(READ(0, 4), 0x00010023u);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/vfio.h>

#include "core/bytes.h"
#include "tests/unit/passthrough/transport/info_image.h"
#include "passthrough/discover/cxl_capability.h"
#include "wire/vfio_cxl.h"

static uint8_t image[256];
static uint32_t length;
static struct vfio_region regions[11];
static struct cxl_record record;
static const char *why;

static void make_regions(void)
{
	memset(regions, 0, sizeof(regions));
	regions[2].size = 0x2000000;
	regions[2].flags = 7;
	regions[9].size = 0x10000;
	regions[9].flags = 3;
	regions[9].typed = true;
	regions[9].type = VFIO_CXL_REGION_TYPE;
	regions[9].subtype = VFIO_CXL_REGION_SUBTYPE_COMP_REGS;
	regions[10].size = 0x10000000;
	regions[10].flags = 7;
	regions[10].typed = true;
	regions[10].type = VFIO_CXL_REGION_TYPE;
	regions[10].subtype = VFIO_CXL_REGION_SUBTYPE_MEMORY;
}

static void make_info(uint32_t capability_length)
{
	memset(image, 0, sizeof(image));
	make_regions();
	length = 24 + capability_length;
	bytes_put_le32(image + 4, 0x282);
	bytes_put_le32(image + 8, 11);
	bytes_put_le32(image + 12, 5);
	if (!capability_length)
		return;
	bytes_put_le32(image + 16, 24);
	put_header(image, 24, 6, 1, 0);
}

static void make_v2(void)
{
	make_info(32);
	image[24 + 8] = 2;
	bytes_put_le32(image + 24 + 0xc, 3);
	bytes_put_le64(image + 24 + 0x10, 0x1ff1000);
	bytes_put_le32(image + 24 + 0x18, 10);
	bytes_put_le32(image + 24 + 0x1c, 9);
}

static void make_v3(void)
{
	make_info(48);
	bytes_put_le32(image + 24 + 8, 1);
	bytes_put_le32(image + 24 + 0xc, 10);
	bytes_put_le32(image + 24 + 0x10, 9);
	bytes_put_le32(image + 24 + 0x14, 2);
	bytes_put_le64(image + 24 + 0x20, 0x1ff0000);
	bytes_put_le64(image + 24 + 0x28, 0x10000);
}

static int parse(void)
{
	struct vfio_device device;

	cr_assert_eq(vfio_info_parse_device(&device, image, length), 0);
	return cxl_capability_parse(&record, &device, regions, device.num_regions, &why);
}

static void expect_record(enum cxl_contract contract)
{
	cr_assert_eq(parse(), 0, "%s", why);
	cr_assert_eq(record.contract, contract);
	cr_assert_eq(record.memory_region, 10u);
	cr_assert_eq(record.component_region, 9u);
}

Test(cxl_capability, v2_fields_are_found)
{
	make_v2();
	expect_record(CXL_CONTRACT_V2);
	cr_assert(record.firmware_committed && record.cache_capable && record.block_known);
	cr_assert_eq(record.bar, 2u);
	cr_assert_eq(record.block_offset, 0x1ff0000u);
	cr_assert_eq(record.block_size, 0x10000u);
}

Test(cxl_capability, v3_fields_are_found)
{
	make_v3();
	expect_record(CXL_CONTRACT_V3);
	cr_assert(record.firmware_committed && record.block_known);
	cr_assert_eq(record.bar, 2u);
	cr_assert_eq(record.block_offset, 0x1ff0000u);
}

Test(cxl_capability, v2_followed_by_another_capability)
{
	make_v2();
	put_header(image, 24, 6, 1, 56);
	put_header(image, 56, 5, 1, 0);
	length = 72;
	expect_record(CXL_CONTRACT_V2);
}

Test(cxl_capability, region_types_alone_are_enough)
{
	make_info(0);
	expect_record(CXL_CONTRACT_REGIONS);
	cr_assert_not(record.block_known);
	/* A capability reduced to flags. */
	make_info(16);
	expect_record(CXL_CONTRACT_REGIONS);
	make_info(12);
	expect_record(CXL_CONTRACT_REGIONS);
}

Test(cxl_capability, plain_pci_has_none)
{
	make_info(0);
	bytes_put_le32(image + 4, 0x82);
	cr_assert_eq(parse(), 0);
	cr_assert_eq(record.contract, CXL_CONTRACT_NONE);
}

#define REFUSED(make, change)                                                                      \
	do {                                                                                       \
		make();                                                                            \
		change;                                                                            \
		cr_expect_eq(parse(), -EPROTO, #make " " #change);                                 \
		cr_expect_not_null(why);                                                           \
		cr_expect_eq(record.contract, CXL_CONTRACT_NONE);                                  \
	} while (0)

Test(cxl_capability, contradictions_in_v2_are_refused)
{
	REFUSED(make_v2, length = 24 + 31);
	REFUSED(make_v2, length = 24 + 28);
	REFUSED(make_v2, length = 24 + 40);
	REFUSED(make_v2, length = 24 + 44);
	REFUSED(make_v2, length = 24 + 48);
	REFUSED(make_v2, image[24 + 8] = 6);
	REFUSED(make_v2, image[24 + 9] = 1);
	REFUSED(make_v2, image[24 + 11] = 1);
	REFUSED(make_v2, bytes_put_le32(image + 24 + 0xc, 4));
	REFUSED(make_v2, bytes_put_le32(image + 24 + 0xc, 10));
	REFUSED(make_v2, bytes_put_le64(image + 24 + 0x10, 0));
	REFUSED(make_v2, bytes_put_le64(image + 24 + 0x10, 0x1ff0000));
	REFUSED(make_v2, bytes_put_le64(image + 24 + 0x10, 0x2001000));
	REFUSED(make_v2, bytes_put_le64(image + 24 + 0x10, 0xffffffffffff1000));
	REFUSED(make_v2, bytes_put_le32(image + 24 + 0x18, 9));
	REFUSED(make_v2, bytes_put_le32(image + 24 + 0x18, 8));
	REFUSED(make_v2, bytes_put_le32(image + 24 + 0x18, 11));
	REFUSED(make_v2, bytes_put_le32(image + 24 + 0x1c, 0xffffffff));
	REFUSED(make_v2, put_header(image, 24, 6, 2, 0));
	REFUSED(make_v2, bytes_put_le32(image + 4, 0x82));
	REFUSED(make_v2, bytes_put_le32(image + 4, 0x280));
	REFUSED(make_v2,
		(bytes_put_le32(image + 24 + 0x18, 9), bytes_put_le32(image + 24 + 0x1c, 10)));
	REFUSED(make_v2, regions[2].size = 0);
	REFUSED(make_v2, regions[10].size = 0);
	REFUSED(make_v2, regions[10].size = 4095);
	REFUSED(make_v2, regions[10].size = 1ull << 63);
	REFUSED(make_v2, regions[10].flags = 3);
	REFUSED(make_v2, regions[9].size = 0x11000);
	REFUSED(make_v2, regions[9].size = 0x1c);
	REFUSED(make_v2, regions[9].flags = 2);
	REFUSED(make_v2, regions[9].subtype = 3);
	REFUSED(make_v2,
		(put_header(image, 24, 6, 1, 56), put_header(image, 56, 6, 1, 0), length = 88));
}

Test(cxl_capability, contradictions_in_v3_are_refused)
{
	REFUSED(make_v3, length = 24 + 44);
	REFUSED(make_v3, length = 24 + 56);
	REFUSED(make_v3, bytes_put_le32(image + 24 + 8, 2));
	REFUSED(make_v3, bytes_put_le32(image + 24 + 0xc, 8));
	REFUSED(make_v3, bytes_put_le32(image + 24 + 0xc, 3));
	REFUSED(make_v3, bytes_put_le32(image + 24 + 0x10, 10));
	REFUSED(make_v3, bytes_put_le32(image + 24 + 0x14, 6));
	REFUSED(make_v3, bytes_put_le32(image + 24 + 0x18, 1));
	REFUSED(make_v3, bytes_put_le32(image + 24 + 0x1c, 1));
	REFUSED(make_v3, bytes_put_le64(image + 24 + 0x20, 0x1ff1000));
	REFUSED(make_v3, bytes_put_le64(image + 24 + 0x20, 0x2000000));
	REFUSED(make_v3, bytes_put_le64(image + 24 + 0x28, 0x20000));
	REFUSED(make_v3, bytes_put_le64(image + 24 + 0x28, 0));
}

Test(cxl_capability, unfit_regions_are_refused)
{
#define make_none() make_info(0)
	REFUSED(make_none, regions[9].typed = false);
	REFUSED(make_none, regions[10].subtype = 2);
	REFUSED(make_none, regions[10].type = 1);
	REFUSED(make_none, bytes_put_le32(image + 8, 10));
	REFUSED(make_none, bytes_put_le32(image + 8, 5));
}

static uint8_t config[4096];

static void make_locator(uint32_t low, uint32_t high)
{
	memset(config, 0, sizeof(config));
	bytes_put_le32(config + 0x100, 0x0023 | 1 << 16 | 0x200u << 20);
	bytes_put_le32(config + 0x104, 0x1e98 | 0x38u << 20);
	bytes_put_le32(config + 0x200, 0x0023 | 1 << 16);
	bytes_put_le32(config + 0x204, 0x1e98 | 0x1cu << 20);
	bytes_put_le16(config + 0x208, 8);
	bytes_put_le32(config + 0x20c, 0x3 << 8 | 1);
	bytes_put_le32(config + 0x214, low);
	bytes_put_le32(config + 0x218, high);
}

Test(cxl_capability, register_locator_and_capability_must_agree)
{
	make_info(0);
	cr_assert_eq(parse(), 0);
	make_locator(0x01ff0000 | 1 << 8 | 2, 0);
	cr_assert_eq(cxl_capability_locate(&record, config, 4096, &why), 0);
	cr_assert_eq(record.bar, 2u);
	cr_assert_eq(record.block_offset, 0x1ff0000u);
	/* The second time it is a cross-check. */
	cr_assert_eq(cxl_capability_locate(&record, config, 4096, &why), 0);
	make_locator(0x01fe0000 | 1 << 8 | 2, 0);
	cr_assert_eq(cxl_capability_locate(&record, config, 4096, &why), -EPROTO);
	make_locator(0x01ff0000 | 1 << 8 | 2, 1);
	cr_assert_eq(cxl_capability_locate(&record, config, 4096, &why), -EPROTO);
	make_locator(0x01ff0000 | 1 << 8 | 7, 0);
	cr_assert_eq(cxl_capability_locate(&record, config, 4096, &why), -EPROTO);
	make_locator(0, 0);
	cr_assert_eq(cxl_capability_locate(&record, config, 4096, &why), -EPROTO);
}

Test(cxl_capability, find_dvsec_is_bounded)
{
	uint32_t size;

	make_locator(0, 0);
	cr_expect_eq(cxl_find_dvsec(config, 4096, 8, &size), 0x200u);
	cr_expect_eq(size, 0x1cu);
	cr_expect_eq(cxl_find_dvsec(config, 4096, 7, &size), 0u);
	cr_expect_eq(cxl_find_dvsec(config, 0x20b, 8, &size), 0u, "header beyond the image");
	cr_expect_eq(cxl_find_dvsec(config, 0x21b, 8, &size), 0u, "body beyond the image");
	cr_expect_eq(cxl_find_dvsec(config, 0x100, 0, &size), 0u, "no extended space");
	bytes_put_le32(config + 0x200, 0x0023 | 1 << 16 | 0x100u << 20);
	bytes_put_le16(config + 0x208, 9);
	cr_expect_eq(cxl_find_dvsec(config, 4096, 8, &size), 0u, "loop");
	bytes_put_le32(config + 0x200, 0x0023 | 1 << 16 | 0xffcu << 20);
	cr_expect_eq(cxl_find_dvsec(config, 4096, 8, &size), 0u, "next at the very end");
}

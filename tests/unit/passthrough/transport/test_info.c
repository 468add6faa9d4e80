/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/vfio.h>

#include "core/bytes.h"
#include "info_image.h"
#include "passthrough/transport/info.h"

static uint8_t image[4096];

Test(vfio_info, device)
{
	struct vfio_device device;

	bytes_put_le32(image + 4, VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_CAPS);
	bytes_put_le32(image + 8, 11);
	bytes_put_le32(image + 12, 5);
	bytes_put_le32(image + 16, 24);
	put_header(image, 24, 6, 1, 0);
	cr_assert_eq(vfio_info_parse_device(&device, image, 56), 0);
	cr_assert_eq(device.num_regions, 11u);
	cr_assert_eq(device.num_irqs, 5u);
	cr_assert_eq(device.chain.count, 1u);
	cr_assert_eq(vfio_info_parse_device(&device, image, 15), -EPROTO);
	/* An old answer without the chain fields is fine. */
	cr_assert_eq(vfio_info_parse_device(&device, image, 16), 0);
	cr_assert_eq(device.chain.count, 0u);
	bytes_put_le32(image + 8, VFIO_INFO_MAX_REGIONS + 1);
	cr_assert_eq(vfio_info_parse_device(&device, image, 56), -EPROTO);
}

static uint32_t make_region(uint32_t areas)
{
	uint32_t end = 32 + 16 + 16 * areas;

	memset(image, 0, sizeof(image));
	bytes_put_le32(image + 4, 15);
	bytes_put_le32(image + 8, 2);
	bytes_put_le32(image + 12, 32);
	bytes_put_le64(image + 16, 0x2000000);
	bytes_put_le64(image + 24, 2ull << 40);
	put_header(image, 32, VFIO_REGION_INFO_CAP_SPARSE_MMAP, 1, end);
	bytes_put_le32(image + 40, areas);
	for (uint32_t i = 0; i < areas; i++) {
		bytes_put_le64(image + 48 + 16 * i, 0x10000ull * i);
		bytes_put_le64(image + 56 + 16 * i, 0x1000);
	}
	put_header(image, end, VFIO_REGION_INFO_CAP_TYPE, 1, end + 16);
	bytes_put_le32(image + end + 8, 0x80001e98);
	bytes_put_le32(image + end + 12, 1);
	put_header(image, end + 16, VFIO_REGION_INFO_CAP_MSIX_MAPPABLE, 1, 0);
	return end + 24;
}

Test(vfio_info, region)
{
	struct vfio_region region;
	uint32_t length = make_region(3);

	cr_assert_eq(vfio_info_parse_region(&region, image, length, 2), 0);
	cr_assert(region.sparse && region.typed && region.msix_mappable);
	cr_assert_eq(region.area_count, 3u);
	cr_assert_eq(region.areas[2].offset, 0x20000u);
	cr_assert_eq(region.areas[2].size, 0x1000u);
	cr_assert_eq(region.type, 0x80001e98u);
	cr_assert_eq(region.subtype, 1u);
	cr_assert_eq(region.size, 0x2000000u);

	cr_expect_eq(vfio_info_parse_region(&region, image, length, 3), -EPROTO, "wrong index");
	cr_expect_eq(vfio_info_parse_region(&region, image, 31, 2), -EPROTO, "short");
	bytes_put_le32(image + 40, 4);
	cr_expect_eq(vfio_info_parse_region(&region, image, length, 2), -EPROTO,
		     "one area more than the capability holds");
	bytes_put_le32(image + 40, 0x10000001);
	cr_expect_eq(vfio_info_parse_region(&region, image, length, 2), -EPROTO,
		     "a count whose byte size wraps");
	bytes_put_le32(image + 40, 3);
	put_header(image, length - 8, VFIO_REGION_INFO_CAP_TYPE, 1, 0);
	cr_expect_eq(vfio_info_parse_region(&region, image, length, 2), -EPROTO, "two types");
}

Test(vfio_info, region_without_flag_ignores_chain)
{
	struct vfio_region region;
	uint32_t length = make_region(1);

	bytes_put_le32(image + 4, 7);
	bytes_put_le32(image + 12, 0xffffffff);
	cr_assert_eq(vfio_info_parse_region(&region, image, length, 2), 0);
	cr_assert_not(region.sparse);
}

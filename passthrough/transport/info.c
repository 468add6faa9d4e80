/* SPDX-License-Identifier: Apache-2.0 */
#include "passthrough/transport/info.h"

#include <errno.h>
#include <linux/vfio.h>
#include <string.h>

#include "core/bytes.h"

/* VFIO UAPI: the fixed part as every kernel has it, and the end of its cap_offset field. */
#define DEVICE_INFO_MIN      16u
#define DEVICE_INFO_CHAIN    20u
#define REGION_INFO_SIZE     32u
#define SPARSE_AREAS         16u
#define SPARSE_AREA_SIZE     16u
#define TYPE_CAPABILITY_SIZE 16u

int vfio_info_parse_device(struct vfio_device *device, const uint8_t *image, uint32_t length)
{
	uint32_t first = 0;

	memset(device, 0, sizeof(*device));
	if (length < DEVICE_INFO_MIN)
		return -EPROTO;
	device->flags = bytes_get_le32(image + 4);
	device->num_regions = bytes_get_le32(image + 8);
	device->num_irqs = bytes_get_le32(image + 12);
	if (device->num_regions > VFIO_INFO_MAX_REGIONS)
		return -EPROTO;
	if ((device->flags & VFIO_DEVICE_FLAGS_CAPS) && length >= DEVICE_INFO_CHAIN)
		first = bytes_get_le32(image + 16);
	return capability_chain_parse(&device->chain, image, length, DEVICE_INFO_CHAIN, first);
}

static int vfio_info_parse_sparse(struct vfio_region *region, const uint8_t *image,
				  const struct capability *capability)
{
	uint32_t count;

	if (capability->length < SPARSE_AREAS)
		return -EPROTO;
	count = bytes_get_le32(image + capability->offset + 8);
	if (count > VFIO_INFO_MAX_AREAS ||
	    count > (capability->length - SPARSE_AREAS) / SPARSE_AREA_SIZE)
		return -EPROTO;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t at = capability->offset + SPARSE_AREAS + i * SPARSE_AREA_SIZE;

		region->areas[i].offset = bytes_get_le64(image + at);
		region->areas[i].size = bytes_get_le64(image + at + 8);
	}
	region->sparse = true;
	region->area_count = count;
	return 0;
}

int vfio_info_parse_region(struct vfio_region *region, const uint8_t *image, uint32_t length,
			   uint32_t index)
{
	struct capability_chain chain;
	const struct capability *capability;
	uint32_t first = 0;
	int result;

	memset(region, 0, sizeof(*region));
	if (length < REGION_INFO_SIZE || bytes_get_le32(image + 8) != index)
		return -EPROTO;
	region->index = index;
	region->flags = bytes_get_le32(image + 4);
	region->size = bytes_get_le64(image + 16);
	region->offset = bytes_get_le64(image + 24);
	if (region->flags & VFIO_REGION_INFO_FLAG_CAPS)
		first = bytes_get_le32(image + 12);
	result = capability_chain_parse(&chain, image, length, REGION_INFO_SIZE, first);
	if (result)
		return result;
	if (capability_chain_count(&chain, VFIO_REGION_INFO_CAP_SPARSE_MMAP) > 1 ||
	    capability_chain_count(&chain, VFIO_REGION_INFO_CAP_TYPE) > 1)
		return -EPROTO;
	capability = capability_chain_find(&chain, VFIO_REGION_INFO_CAP_SPARSE_MMAP);
	if (capability) {
		result = vfio_info_parse_sparse(region, image, capability);
		if (result)
			return result;
	}
	capability = capability_chain_find(&chain, VFIO_REGION_INFO_CAP_TYPE);
	if (capability) {
		if (capability->length < TYPE_CAPABILITY_SIZE)
			return -EPROTO;
		region->typed = true;
		region->type = bytes_get_le32(image + capability->offset + 8);
		region->subtype = bytes_get_le32(image + capability->offset + 12);
	}
	region->msix_mappable = capability_chain_find(&chain, VFIO_REGION_INFO_CAP_MSIX_MAPPABLE);
	return 0;
}

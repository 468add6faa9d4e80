/* SPDX-License-Identifier: Apache-2.0 */
#include "passthrough/transport/info.h"

#include <errno.h>
#include <linux/vfio.h>
#include <stddef.h>
#include <string.h>

#include "core/bytes.h"

/* The fixed part as every kernel has it, and the end of what a capability may not overlap: the
 * cap_offset field is younger. */
#define DEVICE_INFO_MIN      offsetof(struct vfio_device_info, cap_offset)
#define DEVICE_INFO_CHAIN    (DEVICE_INFO_MIN + sizeof(uint32_t))
#define REGION_INFO_SIZE     sizeof(struct vfio_region_info)
#define SPARSE_AREAS         offsetof(struct vfio_region_info_cap_sparse_mmap, areas)
#define SPARSE_AREA_SIZE     sizeof(struct vfio_region_sparse_mmap_area)
#define TYPE_CAPABILITY_SIZE sizeof(struct vfio_region_info_cap_type)

/* Fields, from the start of the structure. */
#define DEVICE_INFO(field) offsetof(struct vfio_device_info, field)
#define REGION_INFO(field) offsetof(struct vfio_region_info, field)
#define SPARSE(field)      offsetof(struct vfio_region_info_cap_sparse_mmap, field)
#define AREA(field)        offsetof(struct vfio_region_sparse_mmap_area, field)
#define TYPE(field)        offsetof(struct vfio_region_info_cap_type, field)

int vfio_info_parse_device(struct vfio_device *device, const uint8_t *image, uint32_t length)
{
	uint32_t first = 0;

	memset(device, 0, sizeof(*device));
	if (length < DEVICE_INFO_MIN)
		return -EPROTO;
	device->flags = bytes_get_le32(image + DEVICE_INFO(flags));
	device->num_regions = bytes_get_le32(image + DEVICE_INFO(num_regions));
	device->num_irqs = bytes_get_le32(image + DEVICE_INFO(num_irqs));
	if (device->num_regions > VFIO_INFO_MAX_REGIONS)
		return -EPROTO;
	if ((device->flags & VFIO_DEVICE_FLAGS_CAPS) && length >= DEVICE_INFO_CHAIN)
		first = bytes_get_le32(image + DEVICE_INFO(cap_offset));
	return capability_chain_parse(&device->chain, image, length, DEVICE_INFO_CHAIN, first);
}

static int vfio_info_parse_sparse(struct vfio_region *region, const uint8_t *image,
				  const struct capability *capability)
{
	uint32_t count;

	if (capability->length < SPARSE_AREAS)
		return -EPROTO;
	count = bytes_get_le32(image + capability->offset + SPARSE(nr_areas));
	if (count > VFIO_INFO_MAX_AREAS ||
	    count > (capability->length - SPARSE_AREAS) / SPARSE_AREA_SIZE)
		return -EPROTO;
	for (uint32_t i = 0; i < count; i++) {
		const uint8_t *at =
			image + capability->offset + SPARSE_AREAS + i * SPARSE_AREA_SIZE;

		region->areas[i].offset = bytes_get_le64(at + AREA(offset));
		region->areas[i].size = bytes_get_le64(at + AREA(size));
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
	if (length < REGION_INFO_SIZE || bytes_get_le32(image + REGION_INFO(index)) != index)
		return -EPROTO;
	region->index = index;
	region->flags = bytes_get_le32(image + REGION_INFO(flags));
	region->size = bytes_get_le64(image + REGION_INFO(size));
	region->offset = bytes_get_le64(image + REGION_INFO(offset));
	if (region->flags & VFIO_REGION_INFO_FLAG_CAPS)
		first = bytes_get_le32(image + REGION_INFO(cap_offset));
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
		region->type = bytes_get_le32(image + capability->offset + TYPE(type));
		region->subtype = bytes_get_le32(image + capability->offset + TYPE(subtype));
	}
	region->msix_mappable = capability_chain_find(&chain, VFIO_REGION_INFO_CAP_MSIX_MAPPABLE);
	return 0;
}

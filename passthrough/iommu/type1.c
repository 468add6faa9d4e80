/* SPDX-License-Identifier: Apache-2.0 */
#include "passthrough/iommu/type1.h"

#include <errno.h>
#include <linux/vfio.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "passthrough/transport/capability_chain.h"

#define TYPE1_INFO_BYTES 4096u

/* The ranges that the IOMMU translates, from the capability's header. */
#define IOVA_RANGES(field) offsetof(struct vfio_iommu_type1_info_cap_iova_range, field)
#define IOVA_RANGE_SIZE    sizeof(struct vfio_iova_range)
#define IOVA_RANGE(field)  offsetof(struct vfio_iova_range, field)

struct type1_space {
	struct address_space space; /* first */
	struct vfio_system system;
	int container_fd;
};

static struct type1_space *type1_of(struct address_space *space)
{
	return (struct type1_space *)space;
}

static int type1_map(struct address_space *space, const struct address_space_range *range)
{
	struct type1_space *type1 = type1_of(space);
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | (range->readonly ? 0u : VFIO_DMA_MAP_FLAG_WRITE),
		.vaddr = (uint64_t)(uintptr_t)range->host,
		.iova = range->address,
		.size = range->size,
	};
	int result =
		vfio_system_ioctl(&type1->system, type1->container_fd, VFIO_IOMMU_MAP_DMA, &map);

	return result < 0 ? result : 0;
}

static int type1_unmap(struct address_space *space, uint64_t address, uint64_t size)
{
	struct type1_space *type1 = type1_of(space);
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap), .iova = address, .size = size};
	int result = vfio_system_ioctl(&type1->system, type1->container_fd, VFIO_IOMMU_UNMAP_DMA,
				       &unmap);

	return result < 0 ? result : 0;
}

/* The end of the highest range that the IOMMUs of all users translate. */
static uint64_t type1_limit(struct address_space *space)
{
	struct type1_space *type1 = type1_of(space);
	_Alignas(8) uint8_t image[TYPE1_INFO_BYTES] = {0};
	struct vfio_iommu_type1_info info = {.argsz = sizeof(image)};
	const struct capability *capability;
	struct capability_chain chain;
	uint32_t count, length;
	uint64_t last = 0;

	memcpy(image, &info, sizeof(info));
	if (vfio_system_ioctl(&type1->system, type1->container_fd, VFIO_IOMMU_GET_INFO, image) < 0)
		return 0;
	memcpy(&info, image, sizeof(info));
	length = info.argsz < sizeof(image) ? info.argsz : (uint32_t)sizeof(image);
	if (!(info.flags & VFIO_IOMMU_INFO_CAPS) || length < sizeof(info) ||
	    capability_chain_parse(&chain, image, length, sizeof(info), info.cap_offset))
		return 0;
	capability = capability_chain_find(&chain, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE);
	if (!capability || capability->length < IOVA_RANGES(iova_ranges))
		return 0;
	count = bytes_get_le32(image + capability->offset + IOVA_RANGES(nr_iovas));
	if (count > (capability->length - IOVA_RANGES(iova_ranges)) / IOVA_RANGE_SIZE)
		return 0;
	for (uint32_t i = 0; i < count; i++) {
		size_t at = capability->offset + IOVA_RANGES(iova_ranges) + i * IOVA_RANGE_SIZE;
		uint64_t one = bytes_get_le64(image + at + IOVA_RANGE(end));

		last = one > last ? one : last;
	}
	return !count || last == UINT64_MAX ? 0 : last + 1;
}

static void type1_release(struct address_space *space, int with)
{
	struct type1_space *type1 = type1_of(space);

	vfio_system_replace(&type1->system, type1->container_fd, with);
}

static void type1_close(struct address_space *space)
{
	struct type1_space *type1 = type1_of(space);

	vfio_system_close(&type1->system, &type1->container_fd);
	free(type1);
}

static const struct address_space_ops type1_ops = {
	.name = "type1",
	.pins_ram = true,
	.map = type1_map,
	.unmap = type1_unmap,
	.limit = type1_limit,
	.release = type1_release,
	.close = type1_close,
};

/* Without an IOMMU there is no map: the device would need host physical addresses. */
static int no_iommu_map(struct address_space *space, const struct address_space_range *range)
{
	(void)space;
	return range->device_memory ? -EOPNOTSUPP : 0;
}

static int no_iommu_unmap(struct address_space *space, uint64_t address, uint64_t size)
{
	(void)space;
	(void)address;
	(void)size;
	return 0;
}

static const struct address_space_ops no_iommu_ops = {
	.name = "no-iommu",
	.map = no_iommu_map,
	.unmap = no_iommu_unmap,
	.release = type1_release,
	.close = type1_close,
};

int type1_space_create(const struct vfio_system *system, int container_fd, bool no_iommu,
		       struct iommu_spaces *owner, struct address_space **space)
{
	struct type1_space *type1 = calloc(1, sizeof(*type1));

	if (!type1)
		return -ENOMEM;
	type1->system = *system;
	type1->container_fd = container_fd;
	address_space_init(&type1->space, no_iommu ? &no_iommu_ops : &type1_ops, owner);
	*space = &type1->space;
	return 0;
}

int type1_space_container(const struct address_space *space)
{
	return space->ops == &type1_ops ? ((const struct type1_space *)space)->container_fd : -1;
}

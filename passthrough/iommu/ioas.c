/* SPDX-License-Identifier: Apache-2.0 */
#include "passthrough/iommu/ioas.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdlib.h>

#include "passthrough/iommu/iommufd.h"
#include "wire/iommufd.h"

#define VFIO_REGION_SHIFT 40u /* the kernel's vfio-pci: offset = index << 40 */
#define IOAS_RANGES       64u

struct ioas_space {
	struct address_space space; /* first */
	struct iommufd *iommufd;    /* one of its users, see iommufd.h */
	uint32_t id;
	bool given_back; /* the space has been released */
};

static struct ioas_space *ioas_of(struct address_space *space)
{
	return (struct ioas_space *)space;
}

/* Device memory through a dma-buf of its region, where the kernel offers both halves. @range.fd is
 * the device. */
static int ioas_map_region(struct ioas_space *ioas, const struct address_space_range *range,
			   uint32_t flags)
{
	const struct vfio_system *system = iommufd_system(ioas->iommufd);
	struct vfio_feature_dma_buf feature = {
		.argsz = sizeof(feature),
		.flags = VFIO_FEATURE_DMA_BUF | VFIO_DEVICE_FEATURE_GET,
		.region_index = (uint32_t)(range->fd_offset >> VFIO_REGION_SHIFT),
		.open_flags = O_RDWR | O_CLOEXEC,
		.nr_ranges = 1,
		.offset = range->fd_offset & ((1ull << VFIO_REGION_SHIFT) - 1),
		.length = range->size,
	};
	struct iommufd_ioas_map_file map = {
		.size = sizeof(map),
		.flags = flags,
		.ioas_id = ioas->id,
		.length = range->size,
		.iova = range->address,
	};
	int result;

	result = vfio_system_ioctl(system, range->fd, VFIO_DEVICE_FEATURE, &feature);
	if (result < 0)
		return result;
	map.fd = result;
	result = iommufd_ioctl(ioas->iommufd, IOMMUFD_IOAS_MAP_FILE, &map);
	/* The mapping holds the buffer. */
	vfio_system_close(system, &map.fd);
	return result < 0 ? result : 0;
}

static int ioas_map(struct address_space *space, const struct address_space_range *range)
{
	struct ioas_space *ioas = ioas_of(space);
	struct iommufd_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMUFD_MAP_FIXED_IOVA | IOMMUFD_MAP_READABLE |
			 (range->readonly ? 0 : IOMMUFD_MAP_WRITEABLE),
		.ioas_id = ioas->id,
		.user_va = (uint64_t)(uintptr_t)range->host,
		.length = range->size,
		.iova = range->address,
	};
	int result;

	/* By address, iommufd pins pages, which device memory has not (EFAULT). */
	if (range->device_memory)
		return ioas_map_region(ioas, range, map.flags);
	result = iommufd_ioctl(ioas->iommufd, IOMMUFD_IOAS_MAP, &map);
	return result < 0 ? result : 0;
}

static int ioas_unmap(struct address_space *space, uint64_t address, uint64_t size)
{
	struct ioas_space *ioas = ioas_of(space);
	struct iommufd_ioas_unmap unmap = {
		.size = sizeof(unmap), .ioas_id = ioas->id, .iova = address, .length = size};
	int result = iommufd_ioctl(ioas->iommufd, IOMMUFD_IOAS_UNMAP, &unmap);

	return result < 0 ? result : 0;
}

static uint64_t ioas_limit(struct address_space *space)
{
	struct ioas_space *ioas = ioas_of(space);
	struct iommufd_iova_range list[IOAS_RANGES];
	struct iommufd_ioas_iova_ranges ranges = {
		.size = sizeof(ranges),
		.ioas_id = ioas->id,
		.num_iovas = IOAS_RANGES,
		.allowed_iovas = (uint64_t)(uintptr_t)list,
	};
	uint64_t last = 0;

	if (iommufd_ioctl(ioas->iommufd, IOMMUFD_IOAS_IOVA_RANGES, &ranges) < 0 ||
	    !ranges.num_iovas || ranges.num_iovas > IOAS_RANGES)
		return 0;
	for (uint32_t i = 0; i < ranges.num_iovas; i++)
		last = list[i].last > last ? list[i].last : last;
	return last == UINT64_MAX ? 0 : last + 1;
}

static void ioas_release(struct address_space *space, int with)
{
	struct ioas_space *ioas = ioas_of(space);

	ioas->given_back = true;
	iommufd_leave(ioas->iommufd, with);
}

static void ioas_close(struct address_space *space)
{
	struct ioas_space *ioas = ioas_of(space);
	struct iommufd_destroy destroy = {.size = sizeof(destroy), .id = ioas->id};
	bool given_back = ioas->given_back;

	/* The iommufd may live on, with other spaces or with who gave it to us. */
	if (!given_back)
		iommufd_ioctl(ioas->iommufd, IOMMUFD_DESTROY, &destroy);
	iommufd_put(ioas->iommufd, given_back);
	free(ioas);
}

static const struct address_space_ops ioas_ops = {
	.name = "ioas",
	.pins_ram = true,
	/* Windows are dma-bufs, which the kernel takes out at a reset and does not put back. */
	.reset_revokes_windows = true,
	.map = ioas_map,
	.unmap = ioas_unmap,
	.limit = ioas_limit,
	.release = ioas_release,
	.close = ioas_close,
};

int ioas_space_create(struct iommufd *iommufd, struct iommu_spaces *owner,
		      struct address_space **space)
{
	struct iommufd_ioas_alloc alloc = {.size = sizeof(alloc)};
	struct ioas_space *ioas = calloc(1, sizeof(*ioas));
	int result = ioas ? iommufd_ioctl(iommufd, IOMMUFD_IOAS_ALLOC, &alloc) : -ENOMEM;

	if (result < 0) {
		free(ioas);
		return result;
	}
	ioas->iommufd = iommufd_get(iommufd);
	ioas->id = alloc.out_ioas_id;
	address_space_init(&ioas->space, &ioas_ops, owner);
	*space = &ioas->space;
	return 0;
}

int ioas_space_id(const struct address_space *space, const struct iommufd *iommufd, uint32_t *id)
{
	const struct ioas_space *ioas = (const struct ioas_space *)space;

	if (space->ops != &ioas_ops || ioas->iommufd != iommufd)
		return -EINVAL;
	*id = ioas->id;
	return 0;
}

bool ioas_same_iommufd(const struct address_space *space, const struct address_space *other)
{
	return space->ops == &ioas_ops && other->ops == &ioas_ops &&
	       ((const struct ioas_space *)space)->iommufd ==
		       ((const struct ioas_space *)other)->iommufd;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "passthrough/transport/capability_chain.h"
#include "passthrough/vfio/internal.h"
#include "wire/iommufd.h"

#define APERTURE_INFO_BYTES 4096u
#define APERTURE_RANGES     64u

/* struct vfio_iommu_type1_info_cap_iova_range, from the capability's header */
#define IOVA_RANGE_COUNT 8u
#define IOVA_RANGE_LIST  16u
#define IOVA_RANGE_SIZE  16u

/* The end of the highest range; 0 when there is none, or none that ends. */
static uint64_t limit_of(uint64_t last)
{
	return last == UINT64_MAX ? 0 : last + 1;
}

static uint64_t type1_limit(struct vfio_kernel *kernel)
{
	_Alignas(8) uint8_t image[APERTURE_INFO_BYTES] = {0};
	struct vfio_iommu_type1_info info = {.argsz = sizeof(image)};
	const struct capability *capability;
	struct capability_chain chain;
	uint32_t count, length;
	uint64_t last = 0;

	memcpy(image, &info, sizeof(info));
	if (vfio_kernel_ioctl(kernel, kernel->container_fd, VFIO_IOMMU_GET_INFO, image) < 0)
		return 0;
	memcpy(&info, image, sizeof(info));
	length = info.argsz < sizeof(image) ? info.argsz : (uint32_t)sizeof(image);
	if (!(info.flags & VFIO_IOMMU_INFO_CAPS) || length < sizeof(info) ||
	    capability_chain_parse(&chain, image, length, sizeof(info), info.cap_offset))
		return 0;
	capability = capability_chain_find(&chain, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE);
	if (!capability || capability->length < IOVA_RANGE_LIST)
		return 0;
	count = image_get_long(image, capability->offset + IOVA_RANGE_COUNT);
	if (count > (capability->length - IOVA_RANGE_LIST) / IOVA_RANGE_SIZE)
		return 0;
	for (uint32_t i = 0; i < count; i++) {
		uint64_t end = image_get_quad(image, capability->offset + IOVA_RANGE_LIST +
							     i * IOVA_RANGE_SIZE + 8);

		last = end > last ? end : last;
	}
	return count ? limit_of(last) : 0;
}

static uint64_t ioas_limit(struct vfio_kernel *kernel)
{
	struct iommufd_iova_range list[APERTURE_RANGES];
	struct iommufd_ioas_iova_ranges ranges = {
		.size = sizeof(ranges),
		.ioas_id = kernel->ioas,
		.num_iovas = APERTURE_RANGES,
		.allowed_iovas = (uint64_t)(uintptr_t)list,
	};
	uint64_t last = 0;

	if (vfio_kernel_ioctl(kernel, kernel->iommufd_fd, IOMMUFD_IOAS_IOVA_RANGES, &ranges) < 0 ||
	    !ranges.num_iovas || ranges.num_iovas > APERTURE_RANGES)
		return 0;
	for (uint32_t i = 0; i < ranges.num_iovas; i++)
		last = list[i].last > last ? list[i].last : last;
	return limit_of(last);
}

uint64_t vfio_kernel_dma_limit(struct vfio_transport *transport)
{
	struct vfio_kernel *kernel = (struct vfio_kernel *)transport;

	if (kernel->no_iommu)
		return 0;
	return kernel->iommufd_fd >= 0 ? ioas_limit(kernel) : type1_limit(kernel);
}

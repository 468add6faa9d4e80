/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "passthrough/vfio/internal.h"
#include "wire/iommufd.h"

#define VFIO_REGION_SHIFT 40u /* the kernel's vfio-pci: offset = index << 40 */

static int type1_map(struct vfio_kernel *kernel, const struct vfio_transport_dma *dma)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | (dma->readonly ? 0u : VFIO_DMA_MAP_FLAG_WRITE),
		.vaddr = (uint64_t)(uintptr_t)dma->host,
		.iova = dma->address,
		.size = dma->size,
	};

	return vfio_kernel_ioctl(kernel, kernel->container_fd, VFIO_IOMMU_MAP_DMA, &map);
}

/* Device memory through a dma-buf of its region, where the kernel offers both halves. */
static int ioas_map_region(struct vfio_kernel *kernel, const struct vfio_transport_dma *dma,
			   uint32_t flags)
{
	struct vfio_feature_dma_buf feature = {
		.argsz = sizeof(feature),
		.flags = VFIO_FEATURE_DMA_BUF | VFIO_DEVICE_FEATURE_GET,
		.region_index = (uint32_t)(dma->fd_offset >> VFIO_REGION_SHIFT),
		.open_flags = O_RDWR | O_CLOEXEC,
		.nr_ranges = 1,
		.offset = dma->fd_offset & ((1ull << VFIO_REGION_SHIFT) - 1),
		.length = dma->size,
	};
	struct iommufd_ioas_map_file map = {
		.size = sizeof(map),
		.flags = flags,
		.ioas_id = kernel->ioas,
		.length = dma->size,
		.iova = dma->address,
	};
	int result;

	result = vfio_kernel_ioctl(kernel, kernel->device_fd, VFIO_DEVICE_FEATURE, &feature);
	if (result < 0)
		return result;
	map.fd = result;
	result = vfio_kernel_ioctl(kernel, kernel->iommufd_fd, IOMMUFD_IOAS_MAP_FILE, &map);
	/* The mapping holds the buffer. */
	kernel->system->close(kernel->system_opaque, map.fd);
	return result;
}

static int ioas_map(struct vfio_kernel *kernel, const struct vfio_transport_dma *dma)
{
	struct iommufd_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMUFD_MAP_FIXED_IOVA | IOMMUFD_MAP_READABLE |
			 (dma->readonly ? 0 : IOMMUFD_MAP_WRITEABLE),
		.ioas_id = kernel->ioas,
		.user_va = (uint64_t)(uintptr_t)dma->host,
		.length = dma->size,
		.iova = dma->address,
	};

	/* By address, iommufd pins pages, which device memory has not (EFAULT). */
	if (dma->device_memory)
		return ioas_map_region(kernel, dma, map.flags);
	return vfio_kernel_ioctl(kernel, kernel->iommufd_fd, IOMMUFD_IOAS_MAP, &map);
}

int vfio_kernel_dma_map(struct vfio_transport *transport, const struct vfio_transport_dma *dma)
{
	struct vfio_kernel *kernel = (struct vfio_kernel *)transport;
	int result;

	/* Without an IOMMU there is no map: the device would need host physical addresses. */
	if (kernel->no_iommu)
		return dma->device_memory ? -EOPNOTSUPP : 0;
	result = kernel->iommufd_fd >= 0 ? ioas_map(kernel, dma) : type1_map(kernel, dma);
	return result < 0 ? result : 0;
}

int vfio_kernel_dma_unmap(struct vfio_transport *transport, uint64_t address, uint64_t size)
{
	struct vfio_kernel *kernel = (struct vfio_kernel *)transport;
	int result;

	if (kernel->no_iommu)
		return 0;
	if (kernel->iommufd_fd >= 0) {
		struct iommufd_ioas_unmap unmap = {.size = sizeof(unmap),
						   .ioas_id = kernel->ioas,
						   .iova = address,
						   .length = size};

		result = vfio_kernel_ioctl(kernel, kernel->iommufd_fd, IOMMUFD_IOAS_UNMAP, &unmap);
	} else {
		struct vfio_iommu_type1_dma_unmap unmap = {
			.argsz = sizeof(unmap), .iova = address, .size = size};

		result = vfio_kernel_ioctl(kernel, kernel->container_fd, VFIO_IOMMU_UNMAP_DMA,
					   &unmap);
	}
	return result < 0 ? result : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Contract 7.3: what of the device itself can be put into an IOMMU map, by type1 and by iommufd. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "wire/iommufd.h"
#include "tests/driver/uapi_device.h"

#define DMA_RAM    0x100000000ull
#define DMA_WINDOW 0x200000000ull
#define DMA_MEMORY 0x300000000ull
#define PAGE       4096ull

static int type1_map(struct uapi_device *device, void *host, uint64_t iova, uint64_t size)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uint64_t)host,
		.iova = iova,
		.size = size,
	};

	return ioctl(device->container, VFIO_IOMMU_MAP_DMA, &map);
}

static int type1_unmap(struct uapi_device *device, uint64_t iova, uint64_t size)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap), .iova = iova, .size = size};

	return ioctl(device->container, VFIO_IOMMU_UNMAP_DMA, &unmap) || unmap.size != size ? -1
											    : 0;
}

static int ioas_map(struct uapi_device *device, void *host, uint64_t iova, uint64_t size)
{
	struct iommufd_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMUFD_MAP_FIXED_IOVA | IOMMUFD_MAP_READABLE | IOMMUFD_MAP_WRITEABLE,
		.ioas_id = device->ioas,
		.user_va = (uint64_t)host,
		.length = size,
		.iova = iova,
	};

	return ioctl(device->iommufd, IOMMUFD_IOAS_MAP, &map);
}

static int ioas_map_file(struct uapi_device *device, int fd, uint64_t iova, uint64_t size)
{
	struct iommufd_ioas_map_file map = {
		.size = sizeof(map),
		.flags = IOMMUFD_MAP_FIXED_IOVA | IOMMUFD_MAP_READABLE | IOMMUFD_MAP_WRITEABLE,
		.ioas_id = device->ioas,
		.fd = fd,
		.length = size,
		.iova = iova,
	};

	return ioctl(device->iommufd, IOMMUFD_IOAS_MAP_FILE, &map);
}

static int ioas_unmap(struct uapi_device *device, uint64_t iova, uint64_t size)
{
	struct iommufd_ioas_unmap unmap = {
		.size = sizeof(unmap), .ioas_id = device->ioas, .iova = iova, .length = size};

	return ioctl(device->iommufd, IOMMUFD_IOAS_UNMAP, &unmap);
}

static int export_region(struct uapi_device *device, uint32_t index, uint64_t offset, uint64_t size)
{
	struct vfio_feature_dma_buf feature = {
		.argsz = sizeof(feature),
		.flags = VFIO_FEATURE_DMA_BUF | VFIO_DEVICE_FEATURE_GET,
		.region_index = index,
		.open_flags = O_RDWR | O_CLOEXEC,
		.nr_ranges = 1,
		.offset = offset,
		.length = size,
	};

	return ioctl(device->fd, VFIO_DEVICE_FEATURE, &feature);
}

/* Type1 follows the mapping to the device's pages. */
static void test_type1(struct uapi_device *device, void *memory, uint64_t size)
{
	uapi_check(device, "m1 type1 maps the whole device memory",
		   type1_map(device, memory, DMA_MEMORY, size) == 0, "%s", strerror(errno));
	uapi_check(device, "m2 it survives a reset", uapi_reset(device) == 0, "%s",
		   strerror(errno));
	uapi_check(device, "m3 type1 unmaps all of it", type1_unmap(device, DMA_MEMORY, size) == 0,
		   "%s", strerror(errno));
}

/* A window of the component BAR as a dma-buf, into the map, through a reset, and out again. */
static void test_window(struct uapi_device *device)
{
	const struct uapi_area *area = &device->component.areas[0];
	int fd;

	if (!device->component.sparse || !device->component.area_count)
		return;
	fd = export_region(device, device->bar, area->offset, area->size);
	if (fd < 0 && (errno == ENOTTY || errno == EOPNOTSUPP)) {
		uapi_check(device, "m8 no dma-buf on this kernel", true, "%s", "");
		return;
	}
	if (!uapi_check(device, "m8 a window of the component BAR as a dma-buf", fd >= 0, "%s",
			strerror(errno)))
		return;
	uapi_check(device, "m9 IOMMU_IOAS_MAP_FILE of it",
		   ioas_map_file(device, fd, DMA_WINDOW, area->size) == 0, "%s", strerror(errno));
	uapi_check(device, "m10 a reset revokes it", uapi_reset(device) == 0, "%s",
		   strerror(errno));
	uapi_check(device, "m11 it can be unmapped",
		   ioas_unmap(device, DMA_WINDOW, area->size) == 0, "%s", strerror(errno));
	uapi_check(device, "m12 and mapped again after the reset",
		   ioas_map_file(device, fd, DMA_WINDOW, area->size) == 0 &&
			   ioas_unmap(device, DMA_WINDOW, area->size) == 0,
		   "%s", strerror(errno));
	close(fd);
}

static void test_iommufd(struct uapi_device *device, void *memory, uint64_t size)
{
	uapi_fails_with(device, "m5 iommufd does not map device memory by address",
			ioas_map(device, memory, DMA_MEMORY, size), EFAULT);
	uapi_fails_with(device, "m6 the component block cannot be exported",
			export_region(device, device->bar, device->block, UAPI_BLOCK_SIZE), EINVAL);
	uapi_fails_with(device, "m7 nor a range that only touches it",
			export_region(device, device->bar,
				      device->block ? device->block - PAGE : PAGE, UAPI_BLOCK_SIZE),
			EINVAL);
	test_window(device);
	/* vfio-pci-core exports BARs only, and iommufd takes buffers of vfio-pci-core only. */
	uapi_fails_with(device, "m13 the device memory cannot be exported",
			export_region(device, device->memory_index, 0, size), ENODEV);
}

int uapi_dma(struct uapi_device *device)
{
	uint64_t size = device->memory.info.size;
	void *memory = uapi_map(device, device->memory_index, 0, size);
	void *ram = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (!memory || ram == MAP_FAILED)
		return 1;
	uapi_check(device, "m4 RAM can be mapped",
		   (device->cdev ? ioas_map(device, ram, DMA_RAM, PAGE)
				 : type1_map(device, ram, DMA_RAM, PAGE)) == 0,
		   "%s", strerror(errno));
	if (device->cdev)
		test_iommufd(device, memory, size);
	else
		test_type1(device, memory, size);
	munmap(memory, size);
	munmap(ram, PAGE);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Statements 26 to 41, 74 and 75: mappings, file access to the BAR, the memory region. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/driver/uapi_device.h"

#define PAGE 4096ULL

/* Map and unmap; 0 or the errno of mmap. */
static int try_map(struct uapi_device *device, uint32_t index, uint64_t offset, uint64_t size,
		   int flags)
{
	void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, device->fd,
			 (off_t)(((uint64_t)index << 40) + offset));

	if (map == MAP_FAILED)
		return errno;
	munmap(map, size);
	return 0;
}

static void expect_map(struct uapi_device *device, const char *statement, uint32_t index,
		       uint64_t offset, uint64_t size, int expected)
{
	int error = try_map(device, index, offset, size, MAP_SHARED);

	uapi_check(device, statement, error == expected, "%#lx+%#lx: %s, expected %s", offset, size,
		   strerror(error), strerror(expected));
}

static void test_windows(struct uapi_device *device)
{
	uint64_t end = device->block + UAPI_BLOCK_SIZE;

	for (uint32_t i = 0; i < device->component.area_count && i < 8; i++) {
		const struct uapi_area *area = &device->component.areas[i];
		volatile uint64_t *map = uapi_map(device, device->bar, area->offset, area->size);
		uint64_t value;

		uapi_check(device, "s26 an advertised area can be mapped", map != NULL, "%s",
			   strerror(errno));
		if (!map)
			continue;
		uapi_check(device, "s26b its ends can be read",
			   uapi_load(map, &value) && uapi_load(map + area->size / 8 - 1, &value),
			   "SIGBUS");
		munmap((void *)map, area->size);
	}
	if (device->block)
		expect_map(device, "s29 the page before the block", device->bar,
			   device->block - PAGE, PAGE, 0);
	if (end < device->bar_size)
		expect_map(device, "s29 the page behind the block", device->bar, end, PAGE, 0);
}

static void test_block(struct uapi_device *device)
{
	uint64_t end = device->block + UAPI_BLOCK_SIZE;

	expect_map(device, "s27 the first page of the block", device->bar, device->block, PAGE,
		   EINVAL);
	expect_map(device, "s28 the last page of the block", device->bar, end - PAGE, PAGE, EINVAL);
	expect_map(device, "s30 the whole BAR", device->bar, 0, device->bar_size, EINVAL);
	if (end < device->bar_size)
		expect_map(device, "s31 the last page and what follows", device->bar, end - PAGE,
			   2 * PAGE, EINVAL);
	if (device->block)
		expect_map(device, "s31 what precedes and the first page", device->bar,
			   device->block - PAGE, 2 * PAGE, EINVAL);
	expect_map(device, "s33 beyond the BAR", device->bar, device->bar_size, PAGE, EINVAL);
	expect_map(device, "s33b across the end of the BAR", device->bar, device->bar_size - PAGE,
		   2 * PAGE, EINVAL);
}

static void test_block_by_fd(struct uapi_device *device)
{
	static const uint64_t inside[] = {0, 0x1000, 0x1110, UAPI_BLOCK_SIZE - 4};
	uint64_t base = ((uint64_t)device->bar << 40) + device->block;
	uint8_t bytes[64];

	for (size_t i = 0; i < sizeof(inside) / sizeof(inside[0]); i++) {
		uapi_fails_with(device, "s74 read of the block through the BAR",
				pread(device->fd, bytes, 4, (off_t)(base + inside[i])), EINVAL);
		memset(bytes, 0, sizeof(bytes));
		uapi_fails_with(device, "s74 write of the block through the BAR",
				pwrite(device->fd, bytes, 4, (off_t)(base + inside[i])), EINVAL);
	}
	if (device->block) {
		uapi_fails_with(device, "s74b read that reaches into the block",
				pread(device->fd, bytes, 8, (off_t)(base - 4)), EINVAL);
		uapi_check(device, "s74c read just before the block",
			   pread(device->fd, bytes, 4, (off_t)(base - 4)) == 4, "%s",
			   strerror(errno));
	}
}

static void test_ioeventfd(struct uapi_device *device)
{
	struct vfio_device_ioeventfd request = {.argsz = sizeof(request),
						.flags = VFIO_DEVICE_IOEVENTFD_32};
	uint64_t base = (uint64_t)device->bar << 40;

	request.fd = eventfd(0, EFD_CLOEXEC);
	request.offset = base + device->block + 0x1000;
	uapi_fails_with(device, "s75 ioeventfd on the block",
			ioctl(device->fd, VFIO_DEVICE_IOEVENTFD, &request), EINVAL);
	request.offset = base + device->block + UAPI_BLOCK_SIZE - 4;
	uapi_fails_with(device, "s75 ioeventfd at the end of the block",
			ioctl(device->fd, VFIO_DEVICE_IOEVENTFD, &request), EINVAL);
	if (device->component.area_count) {
		const struct uapi_area *area =
			&device->component.areas[device->component.area_count - 1];

		request.offset = base + area->offset + area->size - 8;
		uapi_check(device, "s75b ioeventfd beside the block",
			   ioctl(device->fd, VFIO_DEVICE_IOEVENTFD, &request) == 0, "%s",
			   strerror(errno));
		uapi_fails_with(device, "s75c the same ioeventfd again",
				ioctl(device->fd, VFIO_DEVICE_IOEVENTFD, &request), EEXIST);
		request.fd = -1;
		uapi_check(device, "s75d removal of the ioeventfd",
			   ioctl(device->fd, VFIO_DEVICE_IOEVENTFD, &request) == 0, "%s",
			   strerror(errno));
		uapi_fails_with(device, "s75e removal of an ioeventfd that is not there",
				ioctl(device->fd, VFIO_DEVICE_IOEVENTFD, &request), ENODEV);
	}
	if (request.fd >= 0)
		close(request.fd);
}

void uapi_test_mappings(struct uapi_device *device)
{
	uint32_t any = device->component.area_count ? device->bar : device->memory_index;
	uint64_t offset = device->component.area_count ? device->component.areas[0].offset : 0;
	int error;

	test_windows(device);
	test_block(device);
	error = try_map(device, any, offset, PAGE, MAP_PRIVATE);
	uapi_check(device, "s32 private mapping", error == EINVAL, "%s", strerror(error));
	for (uint64_t at = 0; at < device->registers.info.size; at += PAGE)
		if (try_map(device, device->registers_index, at, PAGE, MAP_SHARED) != EINVAL) {
			uapi_check(device, "s34 COMP_REGS cannot be mapped", false,
				   "mapped at %#lx", at);
			return;
		}
	uapi_check(device, "s34 COMP_REGS cannot be mapped", true, " ");
	test_block_by_fd(device);
	test_ioeventfd(device);
}

static void test_memory_bounds(struct uapi_device *device)
{
	uint64_t size = device->memory.info.size, base = device->memory.info.offset;
	uint8_t bytes[16];
	ssize_t got;

	expect_map(device, "s36 mapping the memory and one page more", device->memory_index, 0,
		   size + PAGE, EINVAL);
	expect_map(device, "s36b mapping behind the memory", device->memory_index, size, PAGE,
		   EINVAL);
	expect_map(device, "s36c mapping the last page", device->memory_index, size - PAGE, PAGE,
		   0);
	got = pread(device->fd, bytes, 4, (off_t)(base + size));
	if (device->layout == 3) {
		uapi_fails_with(device, "s38 read at the end", got, EINVAL);
		uapi_fails_with(device, "s39 read across the end",
				pread(device->fd, bytes, 8, (off_t)(base + size - 4)), EINVAL);
	} else {
		uapi_check(device, "s38 read at the end", got == 0, "%zd", got);
		got = pread(device->fd, bytes, 8, (off_t)(base + size - 4));
		uapi_check(device, "s39 read across the end", got == 4, "%zd", got);
	}
	uapi_fails_with(device, "s39b read to a bad address",
			pread(device->fd, uapi_bad_address(), 8, (off_t)base), EFAULT);
}

void uapi_test_memory(struct uapi_device *device)
{
	const struct vfio_region_info *info = &device->memory.info;
	volatile uint64_t *map;
	uint64_t value = 0, before, after;

	uapi_check(device, "s35 type, flags and size of the memory region",
		   (info->flags & 7) == 7 && info->size % 0x10000000 == 0 &&
			   info->size == device->dpa_size,
		   "flags %#x size %#llx", info->flags, info->size);
	test_memory_bounds(device);

	before = uapi_page_faults();
	map = uapi_map(device, device->memory_index, 0, info->size);
	if (!uapi_check(device, "s36d the whole memory can be mapped", map != NULL, "%s",
			strerror(errno)))
		return;
	value = uapi_page_faults() - before;
	uapi_check(device, "s37 mapping takes no fault in the memory", value <= 4, "%lu faults",
		   value);
	before = uapi_page_faults();
	uapi_store(map, 0x0123456789abcdefULL);
	after = uapi_page_faults();
	uapi_check(device, "s37b the first touch faults", after == before + 1, "%lu faults",
		   after - before);
	uapi_store(map + info->size / 8 - 1, 0xfedcba9876543210ULL);
	uapi_check(device, "s37c what the mapping wrote, read() sees",
		   pread(device->fd, &value, 8, (off_t)info->offset) == 8 &&
			   value == 0x0123456789abcdefULL,
		   "%#lx", value);
	value = 0x1122334455667788ULL;
	pwrite(device->fd, &value, 8, (off_t)(info->offset + info->size - 8));
	uapi_check(device, "s37d what write() wrote, the mapping sees",
		   uapi_load(map + info->size / 8 - 1, &value) && value == 0x1122334455667788ULL,
		   "%#lx", value);
	/* A buffer in the region itself: no lock may be held while it is touched. */
	uapi_check(device, "s37e read() into the mapping of the same memory",
		   pread(device->fd, (void *)(map + 1024), 8192, (off_t)info->offset) == 8192 &&
			   map[1024] == 0x0123456789abcdefULL,
		   "%s", strerror(errno));
	munmap((void *)map, info->size);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/perf_event.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tests/driver/uapi_device.h"

#define GIB (1ULL << 30)

bool uapi_check(struct uapi_device *device, const char *statement, bool ok, const char *why, ...)
{
	va_list arguments;

	if (ok) {
		device->passed++;
		/* The lab shows PASS lines; there are too many statements for that. */
		printf("%s %s: %s\n", device->summary ? "ok" : "PASS", device->prefix, statement);
	} else {
		device->failed++;
		printf("FAIL %s: %s: ", device->prefix, statement);
		va_start(arguments, why);
		vprintf(why, arguments);
		va_end(arguments);
		putchar('\n');
	}
	fflush(stdout);
	return ok;
}

bool uapi_fails_with(struct uapi_device *device, const char *statement, long long result,
		     int expected)
{
	int error = errno;

	return uapi_check(device, statement, result == -1 && error == expected,
			  "returned %lld (%s), expected -1 (%s)", result,
			  result == -1 ? strerror(error) : "success", strerror(expected));
}

static void uapi_parse_caps(struct uapi_region *region, const uint8_t *info, uint32_t argsz)
{
	uint32_t at = region->info.cap_offset;

	for (int hops = 0; at && at + sizeof(struct vfio_info_cap_header) <= argsz && hops < 16;
	     hops++) {
		struct vfio_info_cap_header header;

		memcpy(&header, info + at, sizeof(header));
		if (header.id == VFIO_REGION_INFO_CAP_TYPE) {
			memcpy(&region->type, info + at + 8, 4);
			memcpy(&region->subtype, info + at + 12, 4);
		} else if (header.id == VFIO_REGION_INFO_CAP_MSIX_MAPPABLE) {
			region->msix_mappable = true;
		} else if (header.id == VFIO_REGION_INFO_CAP_SPARSE_MMAP) {
			region->sparse = true;
			memcpy(&region->area_count, info + at + 8, 4);
			for (uint32_t i = 0; i < region->area_count && i < 8; i++)
				memcpy(&region->areas[i], info + at + 16 + 16 * i, 16);
		}
		at = header.next;
	}
}

int uapi_region_info(struct uapi_device *device, uint32_t index, struct uapi_region *region)
{
	uint8_t buffer[512] = {0};
	struct vfio_region_info *info = (struct vfio_region_info *)buffer;

	memset(region, 0, sizeof(*region));
	info->argsz = sizeof(*info);
	info->index = index;
	if (ioctl(device->fd, VFIO_DEVICE_GET_REGION_INFO, info))
		return -1;
	region->needed = info->argsz;
	region->first_cap_offset = info->cap_offset;
	if (info->argsz > sizeof(*info) && info->argsz <= sizeof(buffer) &&
	    ioctl(device->fd, VFIO_DEVICE_GET_REGION_INFO, info))
		return -1;
	region->info = *info;
	uapi_parse_caps(region, buffer, info->argsz);
	return 0;
}

int64_t uapi_config_read(struct uapi_device *device, uint64_t at, uint32_t size)
{
	uint32_t value = 0;

	if (pread(device->fd, &value, size,
		  (off_t)(((uint64_t)VFIO_PCI_CONFIG_REGION_INDEX << 40) + at)) != (ssize_t)size)
		return -1;
	return value;
}

int uapi_config_write(struct uapi_device *device, uint64_t at, uint32_t size, uint32_t value)
{
	uint64_t offset = ((uint64_t)VFIO_PCI_CONFIG_REGION_INDEX << 40) + at;

	return pwrite(device->fd, &value, size, (off_t)offset) == (ssize_t)size ? 0 : -1;
}

uint32_t uapi_register(struct uapi_device *device, uint64_t at)
{
	uint32_t value = 0xdeadbeef;

	if (pread(device->fd, &value, 4, (off_t)(device->registers.info.offset + at)) != 4)
		return 0xdeadbeef;
	return value;
}

void uapi_set_register(struct uapi_device *device, uint64_t at, uint32_t value)
{
	if (pwrite(device->fd, &value, 4, (off_t)(device->registers.info.offset + at)) != 4)
		fprintf(stderr, "write of COMP_REGS at %#lx failed: %s\n", at, strerror(errno));
}

static int uapi_find_dvsecs(struct uapi_device *device)
{
	uint32_t at = 0x100;

	device->dvsec = device->locator = 0;
	for (int hops = 0; at >= 0x100 && hops < 64; hops++) {
		uint32_t header = (uint32_t)uapi_config_read(device, at, 4);

		if ((header & 0xffff) == 0x23 &&
		    (uapi_config_read(device, at + 4, 4) & 0xffff) == 0x1e98) {
			uint32_t id = (uint32_t)uapi_config_read(device, at + 8, 2);

			if (id == 0)
				device->dvsec = at;
			else if (id == 8)
				device->locator = at;
		}
		at = header >> 20;
	}
	return device->dvsec && device->locator ? 0 : -1;
}

static void uapi_find_hdm(struct uapi_device *device)
{
	uint64_t array = device->layout == 3 ? 0x1000 : 0;
	uint32_t entries = uapi_register(device, array) >> 24;

	device->hdm = 0;
	for (uint32_t i = 1; i <= entries && i < 64; i++) {
		uint32_t entry = uapi_register(device, array + 4 * i);

		if ((entry & 0xffff) == 5)
			device->hdm = array + (entry >> 20);
	}
}

int uapi_discover(struct uapi_device *device)
{
	struct vfio_device_info info = {.argsz = sizeof(info)};
	uint32_t low;

	if (uapi_find_dvsecs(device)) {
		fprintf(stderr, "%s: no CXL DVSECs in config space\n", device->bdf);
		return -1;
	}
	low = (uint32_t)uapi_config_read(device, device->locator + 0xc, 4);
	device->bar = low & 7;
	device->block = (low & 0xffff0000) |
			(uint64_t)uapi_config_read(device, device->locator + 0x10, 4) << 32;
	if (ioctl(device->fd, VFIO_DEVICE_GET_INFO, &info)) {
		perror("VFIO_DEVICE_GET_INFO");
		return -1;
	}
	device->num_regions = info.num_regions;
	device->memory_index = device->registers_index = 0;
	for (uint32_t index = 9; index < info.num_regions; index++) {
		struct uapi_region region;

		if (uapi_region_info(device, index, &region) || region.type != UAPI_REGION_TYPE)
			continue;
		if (region.subtype == 1) {
			device->memory_index = index;
			device->memory = region;
		} else if (region.subtype == 2) {
			device->registers_index = index;
			device->registers = region;
		}
	}
	if (!device->memory_index || !device->registers_index) {
		fprintf(stderr, "%s: the CXL regions are missing\n", device->bdf);
		return -1;
	}
	if (uapi_region_info(device, device->bar, &device->component)) {
		perror("VFIO_DEVICE_GET_REGION_INFO of the component BAR");
		return -1;
	}
	device->bar_size = device->component.info.size;
	uapi_find_hdm(device);
	return 0;
}

void *uapi_map(struct uapi_device *device, uint32_t index, uint64_t offset, uint64_t size)
{
	uint8_t *room = mmap(NULL, size + 2 * GIB, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint64_t start;
	void *map;

	if (room == MAP_FAILED)
		return NULL;
	start = ((uint64_t)room + GIB - 1) / GIB * GIB + offset % GIB;
	map = mmap((void *)start, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, device->fd,
		   (off_t)(((uint64_t)index << 40) + offset));
	if (map == MAP_FAILED) {
		int error = errno;

		munmap(room, size + 2 * GIB);
		errno = error;
		return NULL;
	}
	munmap(room, start - (uint64_t)room);
	munmap((void *)(start + size), (uint64_t)room + size + 2 * GIB - start - size);
	return map;
}

static _Thread_local sigjmp_buf bus_return;
static _Thread_local volatile sig_atomic_t bus_armed;

static void bus_caught(int number)
{
	if (bus_armed)
		siglongjmp(bus_return, 1);
	signal(number, SIG_DFL);
	raise(number);
}

static void bus_catch(void)
{
	struct sigaction action = {.sa_handler = bus_caught, .sa_flags = SA_NODEFER};

	sigaction(SIGBUS, &action, NULL);
}

bool uapi_load(const volatile uint64_t *address, uint64_t *value)
{
	bus_catch();
	if (sigsetjmp(bus_return, 0)) {
		bus_armed = 0;
		return false;
	}
	bus_armed = 1;
	*value = *address;
	bus_armed = 0;
	return true;
}

bool uapi_store(volatile uint64_t *address, uint64_t value)
{
	bus_catch();
	if (sigsetjmp(bus_return, 0)) {
		bus_armed = 0;
		return false;
	}
	bus_armed = 1;
	*address = value;
	bus_armed = 0;
	return true;
}

int uapi_reset(struct uapi_device *device)
{
	const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};

	for (int tries = 0; ioctl(device->fd, VFIO_DEVICE_RESET); tries++) {
		if (errno != EAGAIN || tries == 100)
			return -1;
		nanosleep(&pause, NULL);
	}
	return 0;
}

void *uapi_bad_address(void)
{
	static void *address;

	if (!address)
		address = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return address;
}

uint64_t uapi_page_faults(void)
{
	static _Thread_local int fd = -1;
	uint64_t count = 0;

	if (fd < 0) {
		struct perf_event_attr event = {
			.type = PERF_TYPE_SOFTWARE,
			.size = sizeof(event),
			.config = PERF_COUNT_SW_PAGE_FAULTS,
		};

		fd = (int)syscall(SYS_perf_event_open, &event, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
		if (fd < 0) {
			perror("perf_event_open");
			exit(2);
		}
	}
	if (read(fd, &count, sizeof(count)) != sizeof(count))
		exit(2);
	return count;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel allocates for an information call: nothing beyond the chain of capabilities. */
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/driver/uapi_device.h"

#define CALLS  1000 /* an interrupt's own allocations are less than one for each */
#define EVENTS "/sys/kernel/tracing/events"

static const char *const events[] = {"kmalloc", "kmem_cache_alloc", "mm_page_alloc"};

#define EVENT_COUNT (sizeof(events) / sizeof(events[0]))

/* A counter of a kernel trace event, of this thread. -1 with a message on stderr. */
static int open_counter(const char *event)
{
	struct perf_event_attr attribute = {
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(attribute),
	};
	char path[128];
	FILE *file;
	int fd;

	snprintf(path, sizeof(path), EVENTS "/kmem/%s/id", event);
	file = fopen(path, "re");
	if (!file || fscanf(file, "%llu", &attribute.config) != 1) {
		perror(path);
		if (file)
			fclose(file);
		return -1;
	}
	fclose(file);
	fd = (int)syscall(SYS_perf_event_open, &attribute, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		perror("perf_event_open");
	return fd;
}

static uint64_t counted(const int *counters)
{
	uint64_t sum = 0, count;

	for (size_t i = 0; i < EVENT_COUNT; i++)
		if (read(counters[i], &count, sizeof(count)) == sizeof(count))
			sum += count;
	return sum;
}

typedef void (*information_call)(struct uapi_device *device, void *buffer);

static void get_info(struct uapi_device *device, void *buffer)
{
	struct vfio_device_info *info = buffer;

	info->argsz = 512;
	if (ioctl(device->fd, VFIO_DEVICE_GET_INFO, info))
		perror("VFIO_DEVICE_GET_INFO");
}

static void get_component_bar(struct uapi_device *device, void *buffer)
{
	struct vfio_region_info *info = buffer;

	info->argsz = 512;
	info->index = device->bar;
	if (ioctl(device->fd, VFIO_DEVICE_GET_REGION_INFO, info))
		perror("VFIO_DEVICE_GET_REGION_INFO");
}

/* A page of the kernel's own stands between the device memory and the caller. */
static void read_memory(struct uapi_device *device, void *buffer)
{
	if (pread(device->fd, buffer, 8, (off_t)device->memory.info.offset) != 8)
		perror("read of the device memory");
}

/* Allocations for each call, rounded down. */
static uint64_t allocations(struct uapi_device *device, const int *counters, information_call call)
{
	uint64_t buffer[64] = {0}, before;

	call(device, buffer); /* what is made once */
	before = counted(counters);
	for (int i = 0; i < CALLS; i++)
		call(device, buffer);
	return (counted(counters) - before) / CALLS;
}

int uapi_allocations(struct uapi_device *device)
{
	uint64_t info, region, page,
		chain = device->component.sparse + device->component.msix_mappable;
	int counters[EVENT_COUNT];

	if (access(EVENTS, F_OK) && mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, NULL))
		perror("tracefs");
	for (size_t i = 0; i < EVENT_COUNT; i++) {
		counters[i] = open_counter(events[i]);
		if (counters[i] < 0)
			return 1;
	}
	page = allocations(device, counters, read_memory);
	info = allocations(device, counters, get_info);
	region = allocations(device, counters, get_component_bar);
	uapi_check(device, "n2 a read of the device memory takes a page, and is counted", page == 1,
		   "%lu allocations", page);
	uapi_check(device, "n3 GET_INFO allocates nothing", info == 0, "%lu allocations", info);
	uapi_check(device, "n4 GET_REGION_INFO allocates the chain of the component BAR only",
		   region <= chain, "%lu allocations for %lu capabilities", region, chain);
	printf("BENCH get_info_allocations %lu\nBENCH region_info_allocations %lu\n", info, region);
	for (size_t i = 0; i < EVENT_COUNT; i++)
		close(counters[i]);
	return 0;
}

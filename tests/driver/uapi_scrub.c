/* SPDX-License-Identifier: Apache-2.0 */
/* Between two users the driver clears the memory, and nobody gets it before. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "tests/driver/uapi_device.h"

#define PATTERN 0x5ec2e7da7a0ff5e7ULL

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static uint64_t *map_all(struct uapi_device *device)
{
	return uapi_map(device, device->memory_index, 0, device->memory.info.size);
}

static int fill(struct uapi_device *device)
{
	uint64_t words = device->memory.info.size / 8;
	uint64_t *map = map_all(device);

	if (!map)
		return 1;
	for (uint64_t at = 0; at < words; at++)
		map[at] = PATTERN ^ at;
	munmap(map, device->memory.info.size);
	return 0;
}

/* Every word, so that a chunk that was left out cannot hide. */
static void expect_zero(struct uapi_device *device, const char *statement)
{
	uint64_t words = device->memory.info.size / 8, left = 0, first = 0;
	uint64_t *map = map_all(device);

	for (uint64_t at = 0; map && at < words; at++) {
		if (map[at] && !left++)
			first = at;
	}
	uapi_check(device, statement, map && !left, "%lu words are not, the first at %#lx", left,
		   first * 8);
	if (map)
		munmap(map, device->memory.info.size);
}

int uapi_pattern(struct uapi_device *device)
{
	if (fill(device))
		return 1;
	puts("holding");
	fflush(stdout);
	for (;;)
		pause();
}

int uapi_zero(struct uapi_device *device)
{
	expect_zero(device, "c3 the memory is zero for the next user");
	return 0;
}

int uapi_mapping_only(struct uapi_device *device)
{
	off_t offset = (off_t)device->memory.info.offset;
	uint64_t value = 0, *map = map_all(device);

	uapi_fails_with(device, "m1 read() of the memory is refused",
			pread(device->fd, &value, sizeof(value), offset), EIO);
	uapi_fails_with(device, "m2 write() too", pwrite(device->fd, &value, sizeof(value), offset),
			EIO);
	uapi_check(device, "m3 the mapping works",
		   map && uapi_store(map, PATTERN) && uapi_load(map, &value) && value == PATTERN,
		   "read %#lx", value);
	if (map)
		munmap(map, device->memory.info.size);
	return 0;
}

int uapi_refused(struct uapi_device *device)
{
	uapi_check(device, "c4 memory that could not be cleared is not opened",
		   uapi_open(device) && errno == EIO, "%s", strerror(errno));
	return 0;
}

int uapi_scrub(struct uapi_device *device)
{
	uint64_t size = device->memory.info.size, begun;
	uint64_t *map;

	expect_zero(device, "c1 the memory is zero for the first user");
	if (fill(device) || uapi_reopen(device))
		return 1;
	uapi_check(device, "c2 right after a close it cannot be opened", device->busy > 0,
		   "it was opened at once");
	expect_zero(device, "c2b and then the memory is zero");

	/* Mapped and touched once, so that only clearing is measured. */
	map = map_all(device);
	if (!map)
		return 1;
	memset(map, 1, size);
	begun = now_us();
	memset(map, 0, size);
	printf("MEMSET %lu us\n", now_us() - begun);
	munmap(map, size);
	return 0;
}

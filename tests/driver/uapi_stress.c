/* SPDX-License-Identifier: Apache-2.0 */
/* Fault counts, open/close cycles, resets under access, and a user to be killed. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "tests/driver/uapi_device.h"

static double now_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

int uapi_faults(struct uapi_device *device)
{
	uint64_t size = device->memory.info.size, limit = size / (2 << 20) + 16;
	volatile uint64_t *map = uapi_map(device, device->memory_index, 0, size);
	uint64_t before, count, sum = 0, value;

	if (!map)
		return 1;
	before = uapi_page_faults();
	for (uint64_t at = 0; at < size / 8; at += 4096 / 8) {
		if (!uapi_load(map + at, &value))
			return 1;
		sum += value;
	}
	count = uapi_page_faults() - before;
	uapi_check(device, "n1 page faults of touching every page once",
		   count <= limit && count > 0, "%lu, at most %lu (sum %lu)", count, limit, sum);
	printf("BENCH dpa_faults %lu\nBENCH dpa_faults_limit %lu\n", count, limit);
	munmap((void *)map, size);
	return 0;
}

int uapi_cycles(struct uapi_device *device, unsigned int count)
{
	unsigned int done;

	for (done = 0; done < count; done++) {
		volatile uint64_t *map;
		uint64_t value;

		if (done && uapi_reopen(device))
			break;
		map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, device->fd,
			   (off_t)device->memory.info.offset);
		if (map == MAP_FAILED || !uapi_load(map, &value))
			break;
		munmap((void *)map, 4096);
	}
	uapi_check(device, "c1 open, touch and close again and again", done == count,
		   "stopped after %u of %u: %s", done, count, strerror(errno));
	return 0;
}

struct toucher {
	struct uapi_device *device;
	volatile uint64_t *map;
	uint64_t words;
	atomic_bool stop;
	atomic_ulong loads, gated, short_reads;
};

static void *touch_mapping(void *argument)
{
	struct toucher *toucher = argument;
	uint64_t value, at = 0;

	while (!atomic_load(&toucher->stop)) {
		if (uapi_load(toucher->map + at, &value))
			atomic_fetch_add(&toucher->loads, 1);
		else
			atomic_fetch_add(&toucher->gated, 1);
		at = (at + (1 << 18)) % toucher->words;
	}
	return NULL;
}

static void *read_region(void *argument)
{
	struct toucher *toucher = argument;
	struct uapi_device *device = toucher->device;
	uint8_t bytes[256];

	while (!atomic_load(&toucher->stop)) {
		ssize_t got =
			pread(device->fd, bytes, sizeof(bytes), (off_t)device->memory.info.offset);

		if (got != sizeof(bytes) && (got != -1 || errno != EIO))
			atomic_fetch_add(&toucher->short_reads, 1);
		uapi_register(device, device->layout == 3 ? 0x1000 : 0);
		uapi_config_read(device, device->dvsec + 0x0c, 2);
	}
	return NULL;
}

int uapi_resets(struct uapi_device *device, unsigned int count)
{
	struct toucher toucher = {.device = device, .words = device->memory.info.size / 8};
	unsigned int failed = 0;
	double slowest = 0, sum = 0;
	pthread_t threads[3];
	uint64_t value;

	toucher.map = uapi_map(device, device->memory_index, 0, device->memory.info.size);
	if (!toucher.map)
		return 1;
	pthread_create(&threads[0], NULL, touch_mapping, &toucher);
	pthread_create(&threads[1], NULL, touch_mapping, &toucher);
	pthread_create(&threads[2], NULL, read_region, &toucher);
	for (unsigned int i = 0; i < count; i++) {
		double begun = now_ms(), took;
		int ret = uapi_reset(device);

		/* Usable means that this thread can touch it, which includes the driver's look at
		 * the hardware. */
		if (ret || !uapi_load(toucher.map, &value))
			failed++;
		took = now_ms() - begun;
		sum += took;
		slowest = took > slowest ? took : slowest;
	}
	atomic_store(&toucher.stop, true);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	uapi_check(device, "r1 resets under access", failed == 0, "%u of %u failed", failed, count);
	uapi_check(device, "r2 the accesses went on", toucher.loads > 0 && toucher.short_reads == 0,
		   "%lu loads, %lu wrong reads", toucher.loads, toucher.short_reads);
	printf("NOTE %s: %u resets, reset to usable %.2f ms on average, %.2f ms at most; %lu "
	       "loads, %lu SIGBUS\n",
	       device->prefix, count, sum / count, slowest, toucher.loads, toucher.gated);
	printf("BENCH reset_to_usable_ms %.1f\nBENCH reset_to_usable_ms_slowest %.1f\n",
	       sum / count, slowest);
	munmap((void *)toucher.map, device->memory.info.size);
	return 0;
}

int uapi_hold(struct uapi_device *device)
{
	struct toucher toucher = {.device = device, .words = device->memory.info.size / 8};
	pthread_t threads[2];

	toucher.map = uapi_map(device, device->memory_index, 0, device->memory.info.size);
	if (!toucher.map)
		return 1;
	pthread_create(&threads[0], NULL, touch_mapping, &toucher);
	pthread_create(&threads[1], NULL, read_region, &toucher);
	puts("holding");
	fflush(stdout);
	for (;;) {
		ioctl(device->fd, VFIO_DEVICE_RESET);
		uapi_config_write(device, 4, 2, 0x0400);
		uapi_config_write(device, 4, 2, 0x0406);
	}
}

/* A cache-capable device: the flag of layout 2, and the write-back doorbell of Control2. */
int uapi_cache(struct uapi_device *device)
{
	struct vfio_device_info *info;
	uint32_t buffer[64] = {256}, status;

	info = (struct vfio_device_info *)buffer;
	if (ioctl(device->fd, VFIO_DEVICE_GET_INFO, info) || info->cap_offset != 24)
		return 1;
	uapi_check(device, "s7c CACHE_CAPABLE is set", buffer[24 / 4 + 3] == 3, "flags %#x",
		   buffer[24 / 4 + 3]);
	uapi_check(device, "k1 Capability says that the cache can be written back",
		   (uapi_config_read(device, device->dvsec + 0x0a, 2) & 0x41) == 0x41,
		   "it does not");
	uapi_config_write(device, device->dvsec + 0x10, 2, 3);
	status = (uint32_t)uapi_config_read(device, device->dvsec + 0x12, 2);
	uapi_check(device, "k2 write-back: Status2 says that the cache is invalid", status & 1,
		   "Status2 %#x", status);
	uapi_check(device, "k3 the doorbell reads 0",
		   uapi_config_read(device, device->dvsec + 0x10, 2) == 1, "%#lx",
		   (long)uapi_config_read(device, device->dvsec + 0x10, 2));
	uapi_check(device, "k4 a wide read shows both",
		   uapi_config_read(device, device->dvsec + 0x10, 4) == (int64_t)(1 | status << 16),
		   "no");
	uapi_config_write(device, device->dvsec + 0x10, 2, 0);
	uapi_check(device, "k5 Disable_Caching is the user's to clear",
		   uapi_config_read(device, device->dvsec + 0x10, 2) == 0, "it stays set");
	if (uapi_reset(device))
		return 1;
	uapi_check(device, "k6 a reset gives Disable_Caching back as it was",
		   uapi_config_read(device, device->dvsec + 0x10, 2) == 0, "it is set");
	if (uapi_reopen(device))
		return 1;
	uapi_check(device, "k7 and the next user does not find it set",
		   uapi_config_read(device, device->dvsec + 0x10, 2) == 0, "it is set");
	return 0;
}

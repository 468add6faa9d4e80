/* SPDX-License-Identifier: Apache-2.0 */
#include "accel-sim/dma_map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "accel-sim/guarded_memory.h"

int sim_dma_init(struct sim_dma_map *map, const struct sim_dma_remote *remote)
{
	memset(map, 0, sizeof(*map));
	if (remote)
		map->remote = *remote;
	return -pthread_rwlock_init(&map->lock, NULL);
}

static void sim_dma_unmap(struct sim_dma_range *range)
{
	if (range->mapping)
		munmap(range->mapping, range->mapped);
}

void sim_dma_clear(struct sim_dma_map *map)
{
	pthread_rwlock_wrlock(&map->lock);
	for (uint32_t i = 0; i < map->count; i++)
		sim_dma_unmap(&map->ranges[i]);
	free(map->ranges);
	map->ranges = NULL;
	map->count = 0;
	map->room = 0;
	pthread_rwlock_unlock(&map->lock);
}

void sim_dma_destroy(struct sim_dma_map *map)
{
	sim_dma_clear(map);
	pthread_rwlock_destroy(&map->lock);
}

/* Index of the first range that ends behind `address` */
static uint32_t sim_dma_find(const struct sim_dma_map *map, uint64_t address)
{
	uint32_t low = 0, high = map->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const struct sim_dma_range *range = &map->ranges[middle];

		if (range->address + (range->size - 1) < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int sim_dma_map_file(struct sim_dma_range *range, int fd, uint64_t offset)
{
	struct stat status;
	uint64_t grain, start, length;
	int protection = (range->readable ? PROT_READ : 0) | (range->writable ? PROT_WRITE : 0);

	if (fstat(fd, &status) != 0)
		return -errno;
	if (S_ISREG(status.st_mode) &&
	    (offset > (uint64_t)status.st_size || range->size > (uint64_t)status.st_size - offset))
		return -EINVAL;
	/* hugetlbfs maps whole huge pages only, and reports their size here */
	grain = status.st_blksize >= 4096 ? (uint64_t)status.st_blksize : 4096;
	if (grain & (grain - 1))
		grain = 4096;
	start = offset & ~(grain - 1);
	if (__builtin_add_overflow(range->size, offset - start, &length) ||
	    __builtin_add_overflow(length, grain - 1, &length) || offset > INT64_MAX)
		return -EINVAL;
	length &= ~(grain - 1);
	range->mapping =
		mmap(NULL, length, protection, MAP_SHARED | MAP_NORESERVE, fd, (off_t)start);
	if (range->mapping == MAP_FAILED) {
		range->mapping = NULL;
		return -errno;
	}
	range->mapped = length;
	range->memory = (uint8_t *)range->mapping + (offset - start);
	return 0;
}

int sim_dma_add(struct sim_dma_map *map, uint64_t address, uint64_t size, bool readable,
		bool writable, int fd, uint64_t offset)
{
	struct sim_dma_range range = {
		.address = address, .size = size, .readable = readable, .writable = writable};
	uint64_t last;
	uint32_t at;
	int result = 0;

	if (size == 0 || __builtin_add_overflow(address, size - 1, &last))
		return -EINVAL;
	pthread_rwlock_wrlock(&map->lock);
	at = sim_dma_find(map, address);
	if (at < map->count && map->ranges[at].address <= last)
		result = -EEXIST;
	else if (map->count >= SIM_DMA_MAX_RANGES)
		result = -ENOSPC;
	if (result == 0 && map->count == map->room) {
		uint32_t room = map->room ? map->room * 2 : 16;
		struct sim_dma_range *grown =
			realloc(map->ranges, room * sizeof(struct sim_dma_range));

		if (grown) {
			map->ranges = grown;
			map->room = room;
		} else {
			result = -ENOMEM;
		}
	}
	if (result == 0 && fd >= 0)
		result = sim_dma_map_file(&range, fd, offset);
	if (result == 0) {
		/* there is room for one more, so ranges is not NULL */
		memmove(map->ranges + at + 1, map->ranges + at,
			(map->count - at) * sizeof(struct sim_dma_range));
		map->ranges[at] = range;
		map->count++;
	}
	pthread_rwlock_unlock(&map->lock);
	return result;
}

/*
 * As VFIO's type1 does it: a client that has lost track of what it mapped, as QEMU has when its
 * IOMMU changes the address space of a device, unmaps the whole space.
 */
int sim_dma_remove(struct sim_dma_map *map, uint64_t address, uint64_t size)
{
	int result = -ENOENT;
	uint32_t from, to;
	uint64_t last;

	if (size == 0 || __builtin_add_overflow(address, size - 1, &last))
		return -EINVAL;
	pthread_rwlock_wrlock(&map->lock);
	from = sim_dma_find(map, address);
	for (to = from; to < map->count && map->ranges[to].address <= last; to++) {
		const struct sim_dma_range *range = &map->ranges[to];

		if (range->address < address || range->address + (range->size - 1) > last)
			break;
		result = 0;
	}
	/* A range that goes on outside: all or nothing. */
	if (to < map->count && map->ranges[to].address <= last)
		result = -ENOENT;
	if (result == 0) {
		for (uint32_t i = from; i < to; i++)
			sim_dma_unmap(&map->ranges[i]);
		memmove(map->ranges + from, map->ranges + to,
			(map->count - to) * sizeof(struct sim_dma_range));
		map->count -= to - from;
	}
	pthread_rwlock_unlock(&map->lock);
	return result;
}

int sim_dma_check(struct sim_dma_map *map, uint64_t address, uint64_t size, bool write)
{
	int result = 0;
	uint64_t last;
	uint32_t at;

	if (size == 0 || __builtin_add_overflow(address, size - 1, &last))
		return -EFAULT;
	pthread_rwlock_rdlock(&map->lock);
	for (at = sim_dma_find(map, address);; at++) {
		const struct sim_dma_range *range;
		uint64_t end;

		if (at >= map->count || map->ranges[at].address > address) {
			result = -EFAULT;
			break;
		}
		range = &map->ranges[at];
		if (!(write ? range->writable : range->readable)) {
			result = -EACCES;
			break;
		}
		end = range->address + (range->size - 1);
		if (end >= last)
			break;
		address = end + 1;
	}
	pthread_rwlock_unlock(&map->lock);
	return result;
}

/* The part of the access that lies in one range; returns its bytes or -errno. */
static int sim_dma_access_one(struct sim_dma_map *map, uint64_t address, uint8_t *data,
			      uint32_t size, bool write)
{
	const struct sim_dma_range *range;
	uint64_t inside;
	uint32_t at;
	int result;

	pthread_rwlock_rdlock(&map->lock);
	at = sim_dma_find(map, address);
	if (at >= map->count || map->ranges[at].address > address) {
		pthread_rwlock_unlock(&map->lock);
		return -EFAULT;
	}
	range = &map->ranges[at];
	if (!(write ? range->writable : range->readable)) {
		pthread_rwlock_unlock(&map->lock);
		return -EACCES;
	}
	inside = address - range->address;
	if (size > range->size - inside)
		size = (uint32_t)(range->size - inside);
	if (range->memory) {
		uint8_t *memory = range->memory + inside;

		result = sim_guarded_copy(write ? memory : data, write ? data : memory, size);
		pthread_rwlock_unlock(&map->lock);
		return result < 0 ? result : (int)size;
	}
	if (!map->remote.start) {
		pthread_rwlock_unlock(&map->lock);
		return -EFAULT;
	}
	if (size > map->remote.max_size)
		size = map->remote.max_size;
	result = map->remote.start(map->remote.opaque, address, data, size, write);
	pthread_rwlock_unlock(&map->lock);
	if (result > 0)
		result = map->remote.finish(map->remote.opaque, result);
	return result < 0 ? result : (int)size;
}

int sim_dma_access(struct sim_dma_map *map, uint64_t address, void *data, uint32_t size, bool write)
{
	uint8_t *bytes = data;

	while (size > 0) {
		int done = sim_dma_access_one(map, address, bytes, size, write);

		if (done < 0)
			return done;
		bytes += done;
		size -= (uint32_t)done;
		address += (uint32_t)done;
	}
	return 0;
}

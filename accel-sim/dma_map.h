/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ACCEL_SIM_DMA_MAP_H
#define ACCEL_SIM_DMA_MAP_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What the client let the device reach: ranges of DMA addresses, mapped from an fd or, without one,
 * reached by messages. Thread-safe: the server thread changes the map, the engine thread uses it.
 */

#define SIM_DMA_MAX_RANGES 65535u

/* How a range without an fd is reached */
struct sim_dma_remote {
	/*
	 * Send the request. Called with the map locked, so that nothing is sent for a range after
	 * its removal was answered. Returns a ticket > 0, or -errno.
	 */
	int (*start)(void *opaque, uint64_t address, void *data, uint32_t size, bool write);
	/* Wait for the reply; called without the lock. Returns 0 or -errno. */
	int (*finish)(void *opaque, int ticket);
	void *opaque;
	uint32_t max_size; /* of one request */
};

struct sim_dma_range {
	uint64_t address;
	uint64_t size;
	bool readable;
	bool writable;
	uint8_t *memory; /* of `address`; NULL: by message */
	void *mapping;   /* what munmap() takes */
	size_t mapped;
};

struct sim_dma_map {
	pthread_rwlock_t lock;
	struct sim_dma_range *ranges; /* sorted by address */
	uint32_t count;
	uint32_t room;
	struct sim_dma_remote remote;
};

/* sim_dma_init() - an empty map; -errno when the lock cannot be made. */
int sim_dma_init(struct sim_dma_map *map, const struct sim_dma_remote *remote);

/* sim_dma_destroy() - unmap everything and release the lock. */
void sim_dma_destroy(struct sim_dma_map *map);

/*
 * sim_dma_add() - add [address, address + size).
 * @fd: memory behind it, -1 for none; not kept, the caller closes it.
 * -EINVAL: empty, wraps, or passes the end of the file; -EEXIST: overlaps another range; -ENOSPC:
 * too many ranges; other errnos of mmap().
 */
int sim_dma_add(struct sim_dma_map *map, uint64_t address, uint64_t size, bool readable,
		bool writable, int fd, uint64_t offset);

/*
 * sim_dma_remove() - remove every range that lies in [address, address + size). -ENOENT, and
 * nothing is removed: there is none, or one goes on outside. -EINVAL: empty, or wraps. Waits for
 * copies in them.
 */
int sim_dma_remove(struct sim_dma_map *map, uint64_t address, uint64_t size);

/* sim_dma_clear() - remove all ranges. */
void sim_dma_clear(struct sim_dma_map *map);

/*
 * sim_dma_check() - can all of [address, address + size) be accessed? 0, -EFAULT when some of it is
 * not mapped, -EACCES when the direction is not allowed.
 */
int sim_dma_check(struct sim_dma_map *map, uint64_t address, uint64_t size, bool write);

/*
 * sim_dma_access() - copy between `data` and DMA memory; may span ranges.
 * 0, -EFAULT, -EACCES as above, -EIO when the client's memory vanished, or what the remote gave.
 */
int sim_dma_access(struct sim_dma_map *map, uint64_t address, void *data, uint32_t size,
		   bool write);

#endif

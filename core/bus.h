/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_BUS_H
#define CORE_BUS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * An address space of trapped accesses: one for MMIO, one for port I/O. Look-ups take a read lock
 * without a system call and release it before the handler runs, so a handler may change the bus.
 *
 * Removal comes in two strengths. bus_withdraw() keeps new accesses out and does not wait: a
 * handler of the region may still be running in another thread. bus_remove() also waits until the
 * last one has left. Who waits must not be waited for: a caller of bus_remove() is not inside a
 * handler of that region, and holds no lock that such a handler takes.
 */
struct bus_ops {
	/*
	 * @size is 1, 2, 4 or 8 and [offset, offset + size) is inside the region. Little endian
	 * values. Called from any vCPU thread, several at once: the device locks for itself. Either
	 * may be NULL (reads all-ones; dropped).
	 */
	uint64_t (*read)(void *opaque, uint64_t offset, unsigned int size);
	void (*write)(void *opaque, uint64_t offset, uint64_t value, unsigned int size);
};

struct bus_region {
	const char *name; /* must outlive the region */
	uint64_t base;
	uint64_t size;
	const struct bus_ops *ops;
	void *opaque;
};

struct bus_entry;

struct bus {
	pthread_rwlock_t lock;
	struct bus_entry **entries; /* sorted by base */
	size_t count;
	size_t capacity;
	uint64_t limit; /* addresses are below this; 0: the whole 64-bit space */

	pthread_mutex_t leaving_lock; /* for what follows; inside lock */
	pthread_cond_t left;
	struct bus_entry *leaving; /* withdrawn, with a handler still running */
};

/* Returns 0 or -ENOMEM. @limit: 0x10000 for port I/O, 0 for MMIO. */
int bus_init(struct bus *bus, uint64_t limit);

/* No handler runs any more. */
void bus_destroy(struct bus *bus);

/*
 * bus_add() - make @region (owned by the caller, read here only; its address is its identity)
 * answer. Returns 0; -EINVAL (size 0, wrap, beyond the limit); -EEXIST (overlaps another region;
 * nothing changed); -ENOMEM. Any thread, also inside a handler.
 */
int bus_add(struct bus *bus, struct bus_region *region);

/*
 * bus_withdraw() - no access that begins after the return reaches @region; one that began before
 * may still be inside. The region may be added again at once, elsewhere. Its memory, its ops and
 * its opaque must stay until bus_remove(). Never waits. Any thread, also inside a handler and under
 * any lock. Returns 0, or -ENOENT when it is not on the bus.
 */
int bus_withdraw(struct bus *bus, const struct bus_region *region);

/*
 * bus_remove() - bus_withdraw(), then wait until no thread is inside a handler of @region. From the
 * return on nothing touches the region or its opaque: both may be freed. Also for a region that was
 * withdrawn before: then the result is -ENOENT, the promise the same. Not inside a handler of
 * @region, and not under a lock that one takes: it would wait for ever. One caller for a region at
 * a time, and nobody adds it meanwhile. No system call unless it waits.
 */
int bus_remove(struct bus *bus, const struct bus_region *region);

/*
 * bus_read()/bus_write() - one guest access of 1 to 8 bytes (@data, little endian). Widths that are
 * no power of two and accesses that straddle a region's end are split into bytes. Bytes that nobody
 * claims read 0xff and are dropped on write; the result is false when at least one byte was
 * unclaimed. No system call on this path.
 */
bool bus_read(struct bus *bus, uint64_t address, void *data, unsigned int size);
bool bus_write(struct bus *bus, uint64_t address, const void *data, unsigned int size);

#endif

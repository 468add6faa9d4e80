/* SPDX-License-Identifier: Apache-2.0 */
#include "core/bus.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/ranges.h"

#define ACCESS_MAX 8u

/* In bus_entry.users beside the count: the entry was withdrawn, the last one who leaves frees it.
 */
#define ENTRY_LEAVING 0x80000000u

/* A region on the bus. The bus's own copy: the owner may change his at any time. */
struct bus_entry {
	uint64_t base;
	uint64_t size;
	const struct bus_ops *ops;
	void *opaque;
	const struct bus_region *region; /* who this is; never read through */
	_Atomic uint32_t users;          /* accesses that are inside a handler now */
	struct bus_entry *next;          /* in bus->leaving */
};

int bus_init(struct bus *bus, uint64_t limit)
{
	*bus = (struct bus){.limit = limit};
	if (pthread_rwlock_init(&bus->lock, NULL))
		return -ENOMEM;
	if (pthread_mutex_init(&bus->leaving_lock, NULL))
		goto destroy_lock;
	if (pthread_cond_init(&bus->left, NULL))
		goto destroy_leaving_lock;
	return 0;

destroy_leaving_lock:
	pthread_mutex_destroy(&bus->leaving_lock);
destroy_lock:
	pthread_rwlock_destroy(&bus->lock);
	return -ENOMEM;
}

void bus_destroy(struct bus *bus)
{
	for (size_t i = 0; i < bus->count; i++)
		free(bus->entries[i]);
	free(bus->entries);
	bus->entries = NULL;
	bus->count = 0;
	bus->capacity = 0;
	pthread_cond_destroy(&bus->left);
	pthread_mutex_destroy(&bus->leaving_lock);
	pthread_rwlock_destroy(&bus->lock);
}

static uint64_t entry_last(const struct bus_entry *entry)
{
	return entry->base + (entry->size - 1);
}

static uint64_t entry_start(const void *entries, size_t index)
{
	return ((struct bus_entry *const *)entries)[index]->base;
}

/* The number of regions that start at or below @address. Caller holds the lock. */
static size_t bus_upper_bound(const struct bus *bus, uint64_t address)
{
	return ranges_upper_bound(bus->entries, bus->count, address, entry_start);
}

/* Room for one more. Caller holds the lock. */
static int bus_reserve(struct bus *bus)
{
	size_t capacity = bus->capacity ? bus->capacity * 2 : 32;
	struct bus_entry **entries;

	if (bus->count < bus->capacity)
		return 0;
	entries = reallocarray(bus->entries, capacity, sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	bus->entries = entries;
	bus->capacity = capacity;
	return 0;
}

int bus_add(struct bus *bus, struct bus_region *region)
{
	struct bus_entry *entry;
	uint64_t last;
	size_t position;
	int result = 0;

	if (!range_last(region->base, region->size, &last))
		return -EINVAL;
	if (bus->limit && last >= bus->limit)
		return -EINVAL;
	entry = malloc(sizeof(*entry));
	if (!entry)
		return -ENOMEM;
	*entry = (struct bus_entry){
		.base = region->base,
		.size = region->size,
		.ops = region->ops,
		.opaque = region->opaque,
		.region = region,
	};

	pthread_rwlock_wrlock(&bus->lock);
	position = bus_upper_bound(bus, region->base);
	if ((position > 0 && entry_last(bus->entries[position - 1]) >= region->base) ||
	    (position < bus->count && bus->entries[position]->base <= last))
		result = -EEXIST;
	else
		result = bus_reserve(bus);
	if (result == 0) {
		memmove(&bus->entries[position + 1], &bus->entries[position],
			(bus->count - position) * sizeof(struct bus_entry *));
		bus->entries[position] = entry;
		bus->count++;
	}
	pthread_rwlock_unlock(&bus->lock);
	if (result)
		free(entry);
	return result;
}

/* The entry at @index goes. Caller holds the lock for writing: nobody enters meanwhile. */
static void bus_take_out(struct bus *bus, size_t index)
{
	struct bus_entry *entry = bus->entries[index];

	memmove(&bus->entries[index], &bus->entries[index + 1],
		(bus->count - index - 1) * sizeof(struct bus_entry *));
	bus->count--;
	/* Who leaves after this has seen ENTRY_LEAVING waits for the lock, and finds it listed. */
	pthread_mutex_lock(&bus->leaving_lock);
	if (atomic_fetch_or_explicit(&entry->users, ENTRY_LEAVING, memory_order_acquire) == 0) {
		free(entry);
	} else {
		entry->next = bus->leaving;
		bus->leaving = entry;
	}
	pthread_mutex_unlock(&bus->leaving_lock);
}

int bus_withdraw(struct bus *bus, const struct bus_region *region)
{
	int result = -ENOENT;

	pthread_rwlock_wrlock(&bus->lock);
	/* By identity: the caller may have changed region->base already. */
	for (size_t i = 0; i < bus->count; i++) {
		if (bus->entries[i]->region != region)
			continue;
		bus_take_out(bus, i);
		result = 0;
		break;
	}
	pthread_rwlock_unlock(&bus->lock);
	return result;
}

/* Caller holds leaving_lock. */
static bool bus_is_leaving(const struct bus *bus, const struct bus_region *region)
{
	const struct bus_entry *entry = bus->leaving;

	while (entry && entry->region != region)
		entry = entry->next;
	return entry != NULL;
}

int bus_remove(struct bus *bus, const struct bus_region *region)
{
	int result = bus_withdraw(bus, region);

	/* A region that moved under a running handler may be leaving more than once. */
	pthread_mutex_lock(&bus->leaving_lock);
	while (bus_is_leaving(bus, region))
		pthread_cond_wait(&bus->left, &bus->leaving_lock);
	pthread_mutex_unlock(&bus->leaving_lock);
	return result;
}

/* The last one has left an entry that was withdrawn. */
static __attribute__((cold, noinline)) void bus_forget(struct bus *bus, struct bus_entry *entry)
{
	struct bus_entry **link;

	pthread_mutex_lock(&bus->leaving_lock);
	for (link = &bus->leaving; *link != entry; link = &(*link)->next)
		continue;
	*link = entry->next;
	free(entry);
	pthread_cond_broadcast(&bus->left);
	pthread_mutex_unlock(&bus->leaving_lock);
}

/* The end of an access that bus_find() began. */
static inline void bus_leave(struct bus *bus, struct bus_entry *entry)
{
	uint32_t before = atomic_fetch_sub_explicit(&entry->users, 1, memory_order_acq_rel);

	/* Nobody else counts a withdrawn entry up, so there is one last one. */
	if (__builtin_expect(before == (ENTRY_LEAVING | 1), 0))
		bus_forget(bus, entry);
}

/*
 * What one look-up found. The access counts as a user of the entry from bus_find() to bus_leave(),
 * so that the entry stays, although it may be withdrawn as soon as the lock is released.
 */
struct bus_target {
	struct bus_entry *entry;
	uint64_t offset;
	uint64_t room; /* bytes to the region's end; nothing found: to the next region */
};

static bool bus_find(struct bus *bus, uint64_t address, struct bus_target *target)
{
	bool found = false;
	size_t position;

	pthread_rwlock_rdlock(&bus->lock);
	position = bus_upper_bound(bus, address);
	target->room = position < bus->count ? bus->entries[position]->base - address : UINT64_MAX;
	if (position > 0) {
		struct bus_entry *entry = bus->entries[position - 1];

		if (address - entry->base < entry->size) {
			target->entry = entry;
			target->offset = address - entry->base;
			target->room = entry->size - target->offset;
			atomic_fetch_add_explicit(&entry->users, 1, memory_order_relaxed);
			found = true;
		}
	}
	pthread_rwlock_unlock(&bus->lock);
	return found;
}

/* The access itself, and its end. */
static inline void target_read(struct bus *bus, const struct bus_target *target, uint8_t *data,
			       unsigned int size)
{
	struct bus_entry *entry = target->entry;
	uint64_t value = UINT64_MAX;

	if (entry->ops->read)
		value = entry->ops->read(entry->opaque, target->offset, size);
	bus_leave(bus, entry);
	for (unsigned int i = 0; i < size; i++)
		data[i] = (uint8_t)(value >> (8 * i));
}

static inline void target_write(struct bus *bus, const struct bus_target *target,
				const uint8_t *data, unsigned int size)
{
	struct bus_entry *entry = target->entry;
	uint64_t value = 0;

	for (unsigned int i = 0; i < size; i++)
		value |= (uint64_t)data[i] << (8 * i);
	if (entry->ops->write)
		entry->ops->write(entry->opaque, target->offset, value, size);
	bus_leave(bus, entry);
}

bool bus_read(struct bus *bus, uint64_t address, void *data, unsigned int size)
{
	uint8_t *bytes = data;
	struct bus_target target;
	bool claimed = size > 0;

	if (is_power_of_two(size) && size <= ACCESS_MAX) {
		bool found = bus_find(bus, address, &target);

		if (found && target.room >= size) {
			target_read(bus, &target, bytes, size);
			return true;
		}
		if (found)
			bus_leave(bus, target.entry); /* straddles its end */
		else if (target.room >= size)
			claimed = false;
	}
	memset(bytes, 0xff, size);
	if (size > ACCESS_MAX || !claimed)
		return false;
	for (unsigned int i = 0; i < size; i++) {
		uint64_t byte_address;

		if (__builtin_add_overflow(address, i, &byte_address) ||
		    !bus_find(bus, byte_address, &target))
			claimed = false;
		else
			target_read(bus, &target, &bytes[i], 1);
	}
	return claimed;
}

bool bus_write(struct bus *bus, uint64_t address, const void *data, unsigned int size)
{
	const uint8_t *bytes = data;
	struct bus_target target;
	bool claimed = size > 0;

	if (size > ACCESS_MAX)
		return false;
	if (is_power_of_two(size)) {
		bool found = bus_find(bus, address, &target);

		if (found && target.room >= size) {
			target_write(bus, &target, bytes, size);
			return true;
		}
		if (found)
			bus_leave(bus, target.entry); /* straddles its end */
		else if (target.room >= size)
			return false;
	}
	for (unsigned int i = 0; i < size; i++) {
		uint64_t byte_address;

		if (__builtin_add_overflow(address, i, &byte_address) ||
		    !bus_find(bus, byte_address, &target))
			claimed = false;
		else
			target_write(bus, &target, &bytes[i], 1);
	}
	return claimed;
}

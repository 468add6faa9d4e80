/* SPDX-License-Identifier: Apache-2.0 */
#include "core/bus.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/ranges.h"

#define ACCESS_MAX 8u

int bus_init(struct bus *bus, uint64_t limit)
{
	*bus = (struct bus){.limit = limit};
	return pthread_rwlock_init(&bus->lock, NULL) == 0 ? 0 : -ENOMEM;
}

void bus_destroy(struct bus *bus)
{
	free(bus->regions);
	bus->regions = NULL;
	bus->count = 0;
	bus->capacity = 0;
	pthread_rwlock_destroy(&bus->lock);
}

static uint64_t region_last(const struct bus_region *region)
{
	return region->base + (region->size - 1);
}

static uint64_t region_start(const void *regions, size_t index)
{
	return ((struct bus_region *const *)regions)[index]->base;
}

/* The number of regions that start at or below @address. Caller holds the lock. */
static size_t bus_upper_bound(const struct bus *bus, uint64_t address)
{
	return ranges_upper_bound(bus->regions, bus->count, address, region_start);
}

int bus_add(struct bus *bus, struct bus_region *region)
{
	uint64_t last;
	size_t position;
	int result = 0;

	if (!range_last(region->base, region->size, &last))
		return -EINVAL;
	if (bus->limit && last >= bus->limit)
		return -EINVAL;

	pthread_rwlock_wrlock(&bus->lock);
	position = bus_upper_bound(bus, region->base);
	if ((position > 0 && region_last(bus->regions[position - 1]) >= region->base) ||
	    (position < bus->count && bus->regions[position]->base <= last)) {
		result = -EEXIST;
		goto unlock;
	}
	if (bus->count == bus->capacity) {
		size_t capacity = bus->capacity ? bus->capacity * 2 : 32;
		struct bus_region **regions =
			reallocarray(bus->regions, capacity, sizeof(struct bus_region *));

		if (!regions) {
			result = -ENOMEM;
			goto unlock;
		}
		bus->regions = regions;
		bus->capacity = capacity;
	}
	memmove(&bus->regions[position + 1], &bus->regions[position],
		(bus->count - position) * sizeof(struct bus_region *));
	bus->regions[position] = region;
	bus->count++;
unlock:
	pthread_rwlock_unlock(&bus->lock);
	return result;
}

int bus_remove(struct bus *bus, struct bus_region *region)
{
	int result = -ENOENT;

	pthread_rwlock_wrlock(&bus->lock);
	/* By identity: the caller may have changed region->base already. */
	for (size_t i = 0; i < bus->count; i++) {
		if (bus->regions[i] != region)
			continue;
		memmove(&bus->regions[i], &bus->regions[i + 1],
			(bus->count - i - 1) * sizeof(struct bus_region *));
		bus->count--;
		result = 0;
		break;
	}
	pthread_rwlock_unlock(&bus->lock);
	return result;
}

/*
 * What one look-up found. It is a copy: the region may be removed as soon as the lock is released,
 * and its owner may then give it another base.
 */
struct bus_target {
	const struct bus_ops *ops;
	void *opaque;
	uint64_t offset;
	uint64_t room; /* bytes to the region's end; nothing found: to the next region */
};

static bool bus_find(struct bus *bus, uint64_t address, struct bus_target *target)
{
	bool found = false;
	size_t position;

	pthread_rwlock_rdlock(&bus->lock);
	position = bus_upper_bound(bus, address);
	target->room = position < bus->count ? bus->regions[position]->base - address : UINT64_MAX;
	if (position > 0) {
		const struct bus_region *region = bus->regions[position - 1];

		if (address - region->base < region->size) {
			target->ops = region->ops;
			target->opaque = region->opaque;
			target->offset = address - region->base;
			target->room = region->size - target->offset;
			found = true;
		}
	}
	pthread_rwlock_unlock(&bus->lock);
	return found;
}

static void target_read(const struct bus_target *target, uint8_t *data, unsigned int size)
{
	uint64_t value = UINT64_MAX;

	if (target->ops->read)
		value = target->ops->read(target->opaque, target->offset, size);
	for (unsigned int i = 0; i < size; i++)
		data[i] = (uint8_t)(value >> (8 * i));
}

static void target_write(const struct bus_target *target, const uint8_t *data, unsigned int size)
{
	uint64_t value = 0;

	if (!target->ops->write)
		return;
	for (unsigned int i = 0; i < size; i++)
		value |= (uint64_t)data[i] << (8 * i);
	target->ops->write(target->opaque, target->offset, value, size);
}

bool bus_read(struct bus *bus, uint64_t address, void *data, unsigned int size)
{
	uint8_t *bytes = data;
	struct bus_target target;
	bool claimed = size > 0;

	memset(bytes, 0xff, size);
	if (size > ACCESS_MAX)
		return false;
	if (is_power_of_two(size)) {
		bool found = bus_find(bus, address, &target);

		if (found && target.room >= size) {
			target_read(&target, bytes, size);
			return true;
		}
		if (!found && target.room >= size)
			return false;
	}
	for (unsigned int i = 0; i < size; i++) {
		uint64_t byte_address;

		if (__builtin_add_overflow(address, i, &byte_address) ||
		    !bus_find(bus, byte_address, &target))
			claimed = false;
		else
			target_read(&target, &bytes[i], 1);
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
			target_write(&target, bytes, size);
			return true;
		}
		if (!found && target.room >= size)
			return false;
	}
	for (unsigned int i = 0; i < size; i++) {
		uint64_t byte_address;

		if (__builtin_add_overflow(address, i, &byte_address) ||
		    !bus_find(bus, byte_address, &target))
			claimed = false;
		else
			target_write(&target, &bytes[i], 1);
	}
	return claimed;
}

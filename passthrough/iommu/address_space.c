/* SPDX-License-Identifier: Apache-2.0 */
#include "passthrough/iommu/address_space.h"

#include "passthrough/iommu/internal.h"

static void space_lock(const struct address_space *space)
{
	if (space->owner)
		pthread_mutex_lock(&space->owner->lock);
}

static void space_unlock(const struct address_space *space)
{
	if (space->owner)
		pthread_mutex_unlock(&space->owner->lock);
}

void address_space_init(struct address_space *space, const struct address_space_ops *ops,
			struct iommu_spaces *owner)
{
	*space = (struct address_space){.ops = ops, .owner = owner, .references = 1, .users = 1};
	pthread_mutex_init(&space->hold_lock, NULL);
	space_lock(space);
	if (owner) {
		space->next = owner->first;
		owner->first = space;
	}
	space_unlock(space);
}

int address_space_map(struct address_space *space, const struct address_space_range *range)
{
	return space->ops->map(space, range);
}

int address_space_unmap(struct address_space *space, uint64_t address, uint64_t size)
{
	return space->ops->unmap(space, address, size);
}

uint64_t address_space_limit(struct address_space *space)
{
	return space->ops->limit ? space->ops->limit(space) : 0;
}

static void space_unmap_ram(struct address_space *space, const struct guest_ram_block *blocks,
			    size_t count)
{
	for (size_t i = 0; i < count; i++)
		space->ops->unmap(space, blocks[i].gpa, blocks[i].size);
	atomic_store_explicit(&space->ram_size, 0, memory_order_relaxed);
}

static int space_map_ram(struct address_space *space, const struct guest_ram_block *blocks,
			 size_t count, size_t *failed)
{
	uint64_t total = 0;

	for (size_t i = 0; i < count; i++) {
		const struct address_space_range range = {
			.address = blocks[i].gpa,
			.size = blocks[i].size,
			.host = blocks[i].host,
			.fd = blocks[i].fd,
			.fd_offset = blocks[i].fd_offset,
		};
		int result = space->ops->map(space, &range);

		if (result) {
			*failed = i;
			space_unmap_ram(space, blocks, i);
			return result;
		}
		total += blocks[i].size;
	}
	atomic_store_explicit(&space->ram_size, total, memory_order_relaxed);
	return 0;
}

int address_space_hold_ram(struct address_space *space, const struct guest_ram_block *blocks,
			   size_t count, size_t *failed)
{
	int result = 0;

	pthread_mutex_lock(&space->hold_lock);
	if (!space->holds)
		result = space_map_ram(space, blocks, count, failed);
	if (!result)
		space->holds++;
	pthread_mutex_unlock(&space->hold_lock);
	return result;
}

void address_space_drop_ram(struct address_space *space, const struct guest_ram_block *blocks,
			    size_t count)
{
	pthread_mutex_lock(&space->hold_lock);
	/* What was in a released space went with it. */
	if (!--space->holds && !atomic_load(&space->released))
		space_unmap_ram(space, blocks, count);
	pthread_mutex_unlock(&space->hold_lock);
}

uint64_t address_space_ram_to_pin(struct address_space *space, uint64_t size)
{
	const struct address_space *one;
	uint64_t total = size;

	if (!space->ops->pins_ram)
		return 0;
	space_lock(space);
	for (one = space->owner ? space->owner->first : NULL; one; one = one->next)
		if (one != space && one->ops->pins_ram)
			total += atomic_load_explicit(&one->ram_size, memory_order_relaxed);
	space_unlock(space);
	return total;
}

bool address_space_is_shared(const struct address_space *space)
{
	bool shared;

	space_lock(space);
	shared = space->users > 1;
	space_unlock(space);
	return shared;
}

/* Under the owner's lock: no further device becomes a user. */
static void space_unlist(struct address_space *space)
{
	struct address_space **link = space->owner ? &space->owner->first : NULL;

	while (link && *link && *link != space)
		link = &(*link)->next;
	if (link && *link)
		*link = space->next;
}

/* Under the owner's lock; returns whether that was the last user. */
static bool space_lose_user(struct address_space *space)
{
	if (--space->users)
		return false;
	atomic_store(&space->released, true);
	atomic_store_explicit(&space->ram_size, 0, memory_order_relaxed);
	space_unlist(space);
	return true;
}

void address_space_leave(struct address_space *space, int with)
{
	bool last;

	space_lock(space);
	last = space_lose_user(space);
	space_unlock(space);
	if (last && space->ops->release)
		space->ops->release(space, with);
}

void address_space_put(struct address_space *space, bool left)
{
	bool last;

	if (!space)
		return;
	space_lock(space);
	if (!left)
		space_lose_user(space);
	last = !--space->references;
	space_unlock(space);
	if (!last)
		return;
	pthread_mutex_destroy(&space->hold_lock);
	if (space->ops->close)
		space->ops->close(space);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "core/guest_lent.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

int guest_lent_init(struct guest_lent *lent)
{
	*lent = (struct guest_lent){.taken_back = NULL};
	return pthread_mutex_init(&lent->lock, NULL) == 0 ? 0 : -ENOMEM;
}

void guest_lent_destroy(struct guest_lent *lent)
{
	for (size_t i = 0; i < GUEST_MEMORY_LENT_MAX; i++)
		free(atomic_load(&lent->pieces[i]));
	while (lent->taken_back) {
		struct guest_lent_piece *piece = lent->taken_back;

		lent->taken_back = piece->next;
		munmap(piece->block.host, piece->block.size);
		free(piece);
	}
	pthread_mutex_destroy(&lent->lock);
}

int guest_lent_add(struct guest_lent *lent, uint64_t gpa, uint64_t size, void *host)
{
	struct guest_lent_piece *piece;
	uint64_t end;
	int result = -ENOSPC;

	if (size == 0 || __builtin_add_overflow(gpa, size, &end))
		return -EINVAL;
	piece = calloc(1, sizeof(*piece));
	if (!piece)
		return -ENOMEM;
	piece->block = (struct guest_ram_block){.gpa = gpa, .size = size, .host = host, .fd = -1};
	pthread_mutex_lock(&lent->lock);
	for (size_t i = 0; i < GUEST_MEMORY_LENT_MAX && result; i++) {
		if (atomic_load_explicit(&lent->pieces[i], memory_order_relaxed))
			continue;
		atomic_store_explicit(&lent->pieces[i], piece, memory_order_release);
		result = 0;
	}
	pthread_mutex_unlock(&lent->lock);
	if (result)
		free(piece);
	return result;
}

/* The lowest piece inside [from, end) leaves the table; NULL when there is none. Under the lock. */
static struct guest_lent_piece *take_lowest(struct guest_lent *lent, const uint8_t *from,
					    const uint8_t *end)
{
	struct guest_lent_piece *lowest = NULL;
	size_t index = 0;

	for (size_t i = 0; i < GUEST_MEMORY_LENT_MAX; i++) {
		struct guest_lent_piece *piece =
			atomic_load_explicit(&lent->pieces[i], memory_order_relaxed);
		const uint8_t *host = piece ? piece->block.host : NULL;

		if (!piece || host < from || host >= end ||
		    piece->block.size > (uint64_t)(end - host))
			continue;
		if (!lowest || host < (const uint8_t *)lowest->block.host) {
			lowest = piece;
			index = i;
		}
	}
	if (lowest)
		atomic_store_explicit(&lent->pieces[index], NULL, memory_order_relaxed);
	return lowest;
}

int guest_lent_take_back(struct guest_lent *lent, void *host, size_t size)
{
	uint8_t *at = host;
	uint8_t *end = at + size;
	struct guest_lent_piece *piece;
	int result = 0;

	pthread_mutex_lock(&lent->lock);
	while ((piece = take_lowest(lent, at, end))) {
		uint8_t *start = piece->block.host;

		if (start > at)
			munmap(at, (size_t)(start - at));
		/* In one step: there is no moment at which the addresses are free. */
		if (mmap(start, piece->block.size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
			 0) == MAP_FAILED)
			result = -errno;
		piece->next = lent->taken_back;
		lent->taken_back = piece;
		at = start + piece->block.size;
	}
	pthread_mutex_unlock(&lent->lock);
	if (at < end)
		munmap(at, (size_t)(end - at));
	return result;
}

const struct guest_ram_block *guest_lent_find(const struct guest_lent *lent, uint64_t gpa)
{
	for (size_t i = 0; i < GUEST_MEMORY_LENT_MAX; i++) {
		const struct guest_lent_piece *piece =
			atomic_load_explicit(&lent->pieces[i], memory_order_acquire);

		if (piece && gpa >= piece->block.gpa && gpa - piece->block.gpa < piece->block.size)
			return &piece->block;
	}
	return NULL;
}

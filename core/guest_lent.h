/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_GUEST_LENT_H
#define CORE_GUEST_LENT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "core/guest_memory.h"

/*
 * Device memory that the guest uses as ordinary RAM, and what stays of it when it goes. Used by
 * guest_memory.c only; the contract is in guest_memory.h.
 *
 * A look-up takes no lock: it loads a pointer to a piece that never changes. A piece that was taken
 * back leaves the table, but it and its addresses stay until guest_lent_destroy(): a thread may
 * have looked it up just before.
 */
struct guest_lent_piece {
	struct guest_ram_block block;
	struct guest_lent_piece *next; /* in taken_back */
};

struct guest_lent {
	_Atomic(struct guest_lent_piece *) pieces[GUEST_MEMORY_LENT_MAX];
	pthread_mutex_t lock; /* for changes of pieces, and for taken_back */
	struct guest_lent_piece *taken_back;
};

/* Returns 0 or -ENOMEM. */
int guest_lent_init(struct guest_lent *lent);

/* Unmaps what was taken back. What is still lent is its lender's. */
void guest_lent_destroy(struct guest_lent *lent);

/* See guest_memory_lend() and guest_memory_take_back(). */
int guest_lent_add(struct guest_lent *lent, uint64_t gpa, uint64_t size, void *host);
int guest_lent_take_back(struct guest_lent *lent, void *host, size_t size);

/* The piece that holds @gpa, or NULL. Any thread. */
const struct guest_ram_block *guest_lent_find(const struct guest_lent *lent, uint64_t gpa);

#endif

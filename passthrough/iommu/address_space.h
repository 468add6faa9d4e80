/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PASSTHROUGH_IOMMU_ADDRESS_SPACE_H
#define PASSTHROUGH_IOMMU_ADDRESS_SPACE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/guest_memory.h"

/*
 * An I/O address space: what devices reach by DMA, and under which addresses. Concepts:
 *
 *   space  a type 1 container, an I/O address space of iommufd (IOAS), or what a vfio-user server
 *          has been told. Its addresses are guest physical addresses.
 *   range  a piece of guest RAM, or of the memory of a device (a BAR window, DPA).
 *   user   a device whose DMA goes through the space. The kernel's spaces have several, so that
 *          guest RAM is pinned and mapped once for all of them; a server's space has one.
 *   hold   a user's wish that guest RAM be in the space: the first one maps it, the last one takes
 *          it out.
 *
 * A range of device memory is mapped and unmapped by the device that has it, and then reachable for
 * all users of the space.
 *
 * Threads: every function may be called from any thread, several at once. A user calls nothing
 * after address_space_put().
 */
struct address_space;
struct iommu_spaces;

struct address_space_range {
	uint64_t address; /* guest physical */
	uint64_t size;
	void *host;         /* where it is mapped in this process; NULL when only the fd is known */
	int fd;             /* the file behind it, -1: none */
	uint64_t fd_offset; /* of the first byte in fd */
	bool readonly;      /* devices may only read */
	bool device_memory; /* a BAR or DPA mapping (PFNMAP), not RAM */
};

struct address_space_ops {
	const char *name; /* "type1", "ioas", "no-iommu", "vfio-user" */
	/* Guest RAM in it is locked in memory and counts as such (RLIMIT_MEMLOCK). */
	bool pins_ram;
	/* The other side maps RAM itself: it must be a MAP_SHARED memfd. */
	bool needs_shared_ram;
	/* A reset of a device takes the device's windows out of it. */
	bool reset_revokes_windows;

	/* Returns 0, -EEXIST, -EINVAL, -ENOMEM (memory lock limit), -ENOSPC, -EFAULT (device memory
	 * that this kernel cannot map), -ENODEV (server lost) or another -errno. */
	int (*map)(struct address_space *space, const struct address_space_range *range);
	/* Exactly what one map() made. */
	int (*unmap)(struct address_space *space, uint64_t address, uint64_t size);
	/* The first address above all that map() can take; 0: none, or none known. NULL: none. */
	uint64_t (*limit)(struct address_space *space);
	/*
	 * No user is left that has not been given back to the host, but some still hold a
	 * reference. The numbers of the space's descriptors stay taken, by the file of @with. NULL:
	 * nothing to do.
	 */
	void (*release)(struct address_space *space, int with);
	/* Frees the space. NULL: it is part of something else, which is freed later. */
	void (*close)(struct address_space *space);
};

/* Embedded as the first member by each implementation; all fields but ops are address_space.c's. */
struct address_space {
	const struct address_space_ops *ops;
	struct iommu_spaces *owner; /* whose spaces are shared; NULL: this one is not */
	/* Under the owner's lock; without an owner there is one user. */
	struct address_space *next; /* in the owner's list */
	unsigned int references;    /* users that have not put it */
	unsigned int users;         /* ... and have not left it */
	atomic_bool released;
	_Atomic uint64_t ram_size; /* bytes of guest RAM in it */

	pthread_mutex_t hold_lock; /* taken after nothing of ours */
	unsigned int holds;
};

/*
 * address_space_init() - with one user, the caller. @owner: NULL, or whose list it is in from now
 * on, so that further devices may become users.
 */
void address_space_init(struct address_space *space, const struct address_space_ops *ops,
			struct iommu_spaces *owner);

int address_space_map(struct address_space *space, const struct address_space_range *range);
int address_space_unmap(struct address_space *space, uint64_t address, uint64_t size);
uint64_t address_space_limit(struct address_space *space);

/*
 * address_space_hold_ram() - a user wants guest RAM in the space. Returns 0, or the -errno of map()
 * with *@failed (the index of the block); nothing is held and mapped then that was not before.
 */
int address_space_hold_ram(struct address_space *space, const struct guest_ram_block *blocks,
			   size_t count, size_t *failed);
/* The same user, once, with the same blocks. */
void address_space_drop_ram(struct address_space *space, const struct guest_ram_block *blocks,
			    size_t count);

/*
 * address_space_ram_to_pin() - bytes of RAM that this process will have locked for DMA in all
 * spaces of the owner once @size bytes of guest RAM are held in @space too; 0 when @space locks
 * none.
 */
uint64_t address_space_ram_to_pin(struct address_space *space, uint64_t size);

/* Whether it has more than one user now. */
bool address_space_is_shared(const struct address_space *space);

/* The user's device is the host's again: it reaches nothing by the space any more. See release().
 */
void address_space_leave(struct address_space *space, int with);

/* The end of a user's reference; @left: it has called address_space_leave(). The last one closes
 * the space. NULL is allowed. */
void address_space_put(struct address_space *space, bool left);

#endif

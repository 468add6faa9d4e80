/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PASSTHROUGH_IOMMU_SPACES_H
#define PASSTHROUGH_IOMMU_SPACES_H

#include <pthread.h>

#include "passthrough/iommu/address_space.h"

/*
 * What the kernel VFIO devices of one machine share: I/O address spaces, so that guest RAM is
 * pinned and mapped once, open IOMMU groups, which the kernel opens only once, and the iommufd.
 * Created by the machine before its first device, destroyed after its last.
 */
struct iommu_spaces;

/* Returns 0 or -ENOMEM. */
int iommu_spaces_create(struct iommu_spaces **spaces);

/* No device of it is open. NULL is allowed. */
void iommu_spaces_destroy(struct iommu_spaces *spaces);

/*
 * iommu_spaces_join() - offer each space to @attach, until it returns 0: then the caller is a user
 * of
 * *@space. Returns 0; -ENOENT: none was suitable, which @attach says with -EINVAL, -EADDRINUSE or
 * -EPERM (the answers of the kernel to a device that does not go with the others); or its -errno.
 */
int iommu_spaces_join(struct iommu_spaces *spaces,
		      int (*attach)(struct address_space *space, void *opaque), void *opaque,
		      struct address_space **space);

/* A function that is open in this machine. Part of its transport; see struct vfio_transport.busy.
 */
struct iommu_function {
	struct iommu_function *next;
	uint32_t address;                  /* pci_address_number(); IOMMU_NO_ADDRESS: not known */
	const struct address_space *space; /* of the character device way, else NULL */
	uint32_t device_id;                /* ... iommufd's number of it */
	const atomic_bool *busy;
};

#define IOMMU_NO_ADDRESS UINT32_MAX

void iommu_spaces_add_function(struct iommu_spaces *spaces, struct iommu_function *function);
/* One that was never added is allowed. */
void iommu_spaces_remove_function(struct iommu_spaces *spaces, struct iommu_function *function);

enum iommu_function_state {
	IOMMU_FUNCTION_NOT_OURS = 0, /* this machine has not opened it */
	IOMMU_FUNCTION_QUIET,        /* it has, and the guest does not drive it */
	IOMMU_FUNCTION_BUSY,
};

/* By address; by iommufd's number, of a device that shares an iommufd with the user of @space. */
enum iommu_function_state iommu_spaces_find_address(struct iommu_spaces *spaces, uint32_t address);
enum iommu_function_state iommu_spaces_find_id(struct iommu_spaces *spaces,
					       const struct address_space *space,
					       uint32_t device_id);

#endif

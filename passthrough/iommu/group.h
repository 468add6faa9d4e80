/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PASSTHROUGH_IOMMU_GROUP_H
#define PASSTHROUGH_IOMMU_GROUP_H

#include "core/kvm.h"
#include "core/log.h"
#include "passthrough/iommu/address_space.h"
#include "passthrough/iommu/system.h"

/*
 * An open IOMMU group in a container. The kernel opens a group once: the functions of a group that
 * one machine has share it, and with it the address space.
 */
struct iommu_group;

struct iommu_group_options {
	const char *name; /* of the device, for messages */
	const struct logger *logger;
	struct vfio_system system;
	struct kvm_vm *vm;  /* is told of the group; NULL: none */
	const char *number; /* of the group; "": not known, @group_fd is all there is */
	const char *bdf;    /* of the device, for messages */
	/* Open already; the group's, also on failure; -1: none. */
	int group_fd;
	int container_fd;
	bool allow_no_iommu;
};

/*
 * iommu_group_open() - the group of this machine, opened and attached to an address space if this
 * is its first function. Returns 0; -EOPNOTSUPP (no IOMMU, or none that VFIO drives; the permission
 * to go without is missing), -EPERM (devices of it are bound to other drivers), -EBUSY (another
 * process has it), -EACCES, -ENOMEM or another -errno. The log says what and why. One thread at a
 * time.
 */
int iommu_group_open(struct iommu_spaces *spaces, const struct iommu_group_options *options,
		     struct iommu_group **group);

int iommu_group_fd(const struct iommu_group *group);
struct address_space *iommu_group_space(const struct iommu_group *group);

/* The descriptor of the open group with @number, or -1. */
int iommu_group_find(struct iommu_spaces *spaces, unsigned long number);

/* A function of the group is the host's again; after the last one the group's descriptors are files
 * of @with. */
void iommu_group_leave(struct iommu_group *group, int with);

/* The end of a function's reference. @left: it has called iommu_group_leave(). NULL is allowed. */
void iommu_group_put(struct iommu_group *group, bool left);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PASSTHROUGH_IOMMU_TYPE1_H
#define PASSTHROUGH_IOMMU_TYPE1_H

#include "passthrough/iommu/address_space.h"
#include "passthrough/iommu/system.h"

/*
 * type1_space_create() - the space of a VFIO container whose IOMMU is set. @container_fd becomes
 * the space's, also on failure. @no_iommu: nothing translates the device's DMA, so there is no map.
 * Returns 0 or -ENOMEM.
 */
int type1_space_create(const struct vfio_system *system, int container_fd, bool no_iommu,
		       struct iommu_spaces *owner, struct address_space **space);

/* The container of a space with a type 1 IOMMU; -1: another kind of space. */
int type1_space_container(const struct address_space *space);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PASSTHROUGH_IOMMU_IOAS_H
#define PASSTHROUGH_IOMMU_IOAS_H

#include "passthrough/iommu/address_space.h"

struct iommufd;

/*
 * ioas_space_create() - a new I/O address space of @iommufd, which it holds a reference of. Returns
 * 0, -ENOMEM or the errno of IOMMU_IOAS_ALLOC.
 */
int ioas_space_create(struct iommufd *iommufd, struct iommu_spaces *owner,
		      struct address_space **space);

/* For VFIO_DEVICE_ATTACH_IOMMUFD_PT: the number of a space of @iommufd. Returns 0, or -EINVAL when
 * it is another kind of space, or one of another iommufd. */
int ioas_space_id(const struct address_space *space, const struct iommufd *iommufd, uint32_t *id);

/* Whether both are spaces of one iommufd. */
bool ioas_same_iommufd(const struct address_space *space, const struct address_space *other);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PASSTHROUGH_IOMMU_IOMMUFD_H
#define PASSTHROUGH_IOMMU_IOMMUFD_H

#include <stdbool.h>

#include "passthrough/iommu/system.h"

/*
 * An open iommufd. A device is bound to one for good, so the spaces that it can share with others
 * are those of that one: a machine opens /dev/iommu once.
 */
struct iommufd;
struct iommu_spaces;

/*
 * iommufd_open() - the machine's iommufd, opened if this is its first device; or the one that is
 * the same file as @given (>= 0), which becomes the iommufd's, also on failure. Returns 0, -ENOMEM
 * or the errno of open(). One thread at a time.
 */
int iommufd_open(struct iommu_spaces *spaces, const struct vfio_system *system, int given,
		 struct iommufd **iommufd);

/* One more user. */
struct iommufd *iommufd_get(struct iommufd *iommufd);

int iommufd_fd(const struct iommufd *iommufd);
const struct vfio_system *iommufd_system(const struct iommufd *iommufd);
int iommufd_ioctl(const struct iommufd *iommufd, unsigned long request, void *argument);

/* The devices of a user are the host's again; after the last one the descriptor is the file of
 * @with. */
void iommufd_leave(struct iommufd *iommufd, int with);

/* The end of a user's reference. @left: it has called iommufd_leave(). */
void iommufd_put(struct iommufd *iommufd, bool left);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PASSTHROUGH_IOMMU_INTERNAL_H
#define PASSTHROUGH_IOMMU_INTERNAL_H

#include <pthread.h>

#include "passthrough/iommu/address_space.h"

struct iommu_group;
struct iommu_function;
struct iommufd;

/* What the files of the room share of a machine's spaces. */
struct iommu_spaces {
	pthread_mutex_t lock; /* the lists, and the counts of what is in them; taken last */
	struct address_space *first;
	struct iommu_group *groups;
	struct iommufd *iommufds;
	struct iommu_function *functions;
};

#endif

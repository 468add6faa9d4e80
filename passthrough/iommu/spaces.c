/* SPDX-License-Identifier: Apache-2.0 */
#include "passthrough/iommu/spaces.h"

#include <errno.h>
#include <stdlib.h>

#include "passthrough/iommu/internal.h"
#include "passthrough/iommu/ioas.h"

int iommu_spaces_create(struct iommu_spaces **spaces)
{
	*spaces = calloc(1, sizeof(**spaces));
	if (!*spaces)
		return -ENOMEM;
	pthread_mutex_init(&(*spaces)->lock, NULL);
	return 0;
}

void iommu_spaces_destroy(struct iommu_spaces *spaces)
{
	if (!spaces)
		return;
	pthread_mutex_destroy(&spaces->lock);
	free(spaces);
}

/* The one behind @before (the first for NULL) with one more user; NULL: there is none. */
static struct address_space *spaces_next(struct iommu_spaces *spaces, struct address_space *before)
{
	struct address_space *space;

	pthread_mutex_lock(&spaces->lock);
	space = before ? before->next : spaces->first;
	if (space) {
		space->references++;
		space->users++;
	}
	pthread_mutex_unlock(&spaces->lock);
	return space;
}

int iommu_spaces_join(struct iommu_spaces *spaces,
		      int (*attach)(struct address_space *space, void *opaque), void *opaque,
		      struct address_space **space)
{
	struct address_space *one = spaces_next(spaces, NULL);

	while (one) {
		int result = attach(one, opaque);
		struct address_space *next;

		if (!result) {
			*space = one;
			return 0;
		}
		next = result == -EINVAL || result == -EADDRINUSE || result == -EPERM
			       ? spaces_next(spaces, one)
			       : NULL;
		address_space_put(one, false);
		if (!next && result != -EINVAL && result != -EADDRINUSE && result != -EPERM)
			return result;
		one = next;
	}
	return -ENOENT;
}

void iommu_spaces_add_function(struct iommu_spaces *spaces, struct iommu_function *function)
{
	pthread_mutex_lock(&spaces->lock);
	function->next = spaces->functions;
	spaces->functions = function;
	pthread_mutex_unlock(&spaces->lock);
}

void iommu_spaces_remove_function(struct iommu_spaces *spaces, struct iommu_function *function)
{
	struct iommu_function **link = &spaces->functions;

	pthread_mutex_lock(&spaces->lock);
	while (*link && *link != function)
		link = &(*link)->next;
	if (*link)
		*link = function->next;
	pthread_mutex_unlock(&spaces->lock);
}

static enum iommu_function_state function_state(const struct iommu_function *function)
{
	if (!function)
		return IOMMU_FUNCTION_NOT_OURS;
	return atomic_load(function->busy) ? IOMMU_FUNCTION_BUSY : IOMMU_FUNCTION_QUIET;
}

enum iommu_function_state iommu_spaces_find_address(struct iommu_spaces *spaces, uint32_t address)
{
	enum iommu_function_state state;
	const struct iommu_function *one;

	pthread_mutex_lock(&spaces->lock);
	for (one = spaces->functions; one; one = one->next)
		if (one->address == address && address != IOMMU_NO_ADDRESS)
			break;
	state = function_state(one);
	pthread_mutex_unlock(&spaces->lock);
	return state;
}

enum iommu_function_state iommu_spaces_find_id(struct iommu_spaces *spaces,
					       const struct address_space *space,
					       uint32_t device_id)
{
	enum iommu_function_state state;
	const struct iommu_function *one;

	pthread_mutex_lock(&spaces->lock);
	for (one = spaces->functions; one; one = one->next)
		if (one->space && one->device_id == device_id &&
		    ioas_same_iommufd(one->space, space))
			break;
	state = function_state(one);
	pthread_mutex_unlock(&spaces->lock);
	return state;
}

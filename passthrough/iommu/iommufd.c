/* SPDX-License-Identifier: Apache-2.0 */
#include "passthrough/iommu/iommufd.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>

#include "passthrough/iommu/internal.h"

struct iommufd {
	struct iommu_spaces *owner;
	struct iommufd *next;
	struct vfio_system system;
	int fd;
	bool given; /* somebody else may have it as well: only for devices that are given with it */
	/* Under the owner's lock: users that have not put it, and that have not left it. */
	unsigned int references;
	unsigned int users;
};

static struct iommufd *iommufd_find(struct iommu_spaces *spaces, int given)
{
	struct iommufd *one;

	pthread_mutex_lock(&spaces->lock);
	for (one = spaces->iommufds; one; one = one->next)
		if (given < 0 ? !one->given
			      : one->system.ops->same_file(one->system.opaque, one->fd, given))
			break;
	if (one) {
		one->references++;
		one->users++;
	}
	pthread_mutex_unlock(&spaces->lock);
	return one;
}

int iommufd_open(struct iommu_spaces *spaces, const struct vfio_system *system, int given,
		 struct iommufd **iommufd)
{
	struct iommufd *one = iommufd_find(spaces, given);
	int fd = given;

	*iommufd = one;
	if (one || !(one = calloc(1, sizeof(*one)))) {
		vfio_system_close(system, &fd);
		return *iommufd ? 0 : -ENOMEM;
	}
	if (fd < 0)
		fd = vfio_system_open(system, "/dev/iommu", O_RDWR);
	if (fd < 0) {
		free(one);
		return fd;
	}
	*one = (struct iommufd){.owner = spaces,
				.system = *system,
				.fd = fd,
				.given = given >= 0,
				.references = 1,
				.users = 1};
	pthread_mutex_lock(&spaces->lock);
	one->next = spaces->iommufds;
	spaces->iommufds = one;
	pthread_mutex_unlock(&spaces->lock);
	*iommufd = one;
	return 0;
}

struct iommufd *iommufd_get(struct iommufd *iommufd)
{
	pthread_mutex_lock(&iommufd->owner->lock);
	iommufd->references++;
	iommufd->users++;
	pthread_mutex_unlock(&iommufd->owner->lock);
	return iommufd;
}

int iommufd_fd(const struct iommufd *iommufd)
{
	return iommufd->fd;
}

const struct vfio_system *iommufd_system(const struct iommufd *iommufd)
{
	return &iommufd->system;
}

int iommufd_ioctl(const struct iommufd *iommufd, unsigned long request, void *argument)
{
	return vfio_system_ioctl(&iommufd->system, iommufd->fd, request, argument);
}

/* One user less. Returns whether it was the last one: then nobody finds it any more. */
static bool iommufd_lose_user(struct iommufd *iommufd)
{
	struct iommufd **link = &iommufd->owner->iommufds;
	bool last;

	pthread_mutex_lock(&iommufd->owner->lock);
	last = !--iommufd->users;
	while (last && *link && *link != iommufd)
		link = &(*link)->next;
	if (last && *link)
		*link = iommufd->next;
	pthread_mutex_unlock(&iommufd->owner->lock);
	return last;
}

void iommufd_leave(struct iommufd *iommufd, int with)
{
	if (iommufd_lose_user(iommufd))
		vfio_system_replace(&iommufd->system, iommufd->fd, with);
}

void iommufd_put(struct iommufd *iommufd, bool left)
{
	bool last;

	if (!left)
		iommufd_lose_user(iommufd);
	pthread_mutex_lock(&iommufd->owner->lock);
	last = !--iommufd->references;
	pthread_mutex_unlock(&iommufd->owner->lock);
	if (!last)
		return;
	vfio_system_close(&iommufd->system, &iommufd->fd);
	free(iommufd);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "passthrough/iommu/group.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "passthrough/iommu/internal.h"
#include "passthrough/iommu/spaces.h"
#include "passthrough/iommu/type1.h"

#define CONTAINER_PATH "/dev/vfio/vfio"

struct iommu_group {
	struct iommu_spaces *owner;
	struct iommu_group *next;
	struct vfio_system system;
	struct kvm_vm *vm;
	char number[32];
	int fd;
	bool no_iommu;
	bool given;        /* who gave us the descriptor may keep it open */
	bool in_container; /* somebody who prepared it has put it into one */
	bool attached;     /* we have */
	bool kvm_told;
	bool left; /* the space, as the host has all its functions again */
	struct address_space *space;
	/* Under the owner's lock: functions that have not put it, and that have not left it. */
	unsigned int references;
	unsigned int users;
};

int iommu_group_fd(const struct iommu_group *group)
{
	return group->fd;
}

struct address_space *iommu_group_space(const struct iommu_group *group)
{
	return group->space;
}

int iommu_group_find(struct iommu_spaces *spaces, unsigned long number)
{
	const struct iommu_group *group;
	int fd = -1;

	pthread_mutex_lock(&spaces->lock);
	for (group = spaces->groups; group && fd < 0; group = group->next)
		if (group->number[0] && strtoul(group->number, NULL, 10) == number)
			fd = group->fd;
	pthread_mutex_unlock(&spaces->lock);
	return fd;
}

/* The open group that is meant, with one more user; NULL: it is not open. */
static struct iommu_group *group_find(struct iommu_spaces *spaces,
				      const struct iommu_group_options *options)
{
	const struct vfio_system *system = &options->system;
	struct iommu_group *group;

	pthread_mutex_lock(&spaces->lock);
	for (group = spaces->groups; group; group = group->next)
		if ((options->number[0] && !strcmp(group->number, options->number)) ||
		    (options->group_fd >= 0 &&
		     system->ops->same_file(system->opaque, group->fd, options->group_fd)))
			break;
	if (group) {
		group->references++;
		group->users++;
	}
	pthread_mutex_unlock(&spaces->lock);
	return group;
}

static int group_fail(const struct iommu_group_options *options, int result, const char *operation,
		      const char *remedy)
{
	log_error(options->logger, options->name, "IOMMU group %s: %s: %s%s",
		  options->number[0] ? options->number : "of the given fd", operation,
		  strerror(-result), remedy);
	return result;
}

static int group_open_file(struct iommu_group *group, const struct iommu_group_options *options)
{
	char path[64];
	int fd;

	if (group->fd >= 0)
		return 0;
	if (!options->number[0]) {
		log_error(options->logger, options->name,
			  "%s is in no IOMMU group: turn the IOMMU on in firmware and kernel",
			  options->bdf);
		return -EOPNOTSUPP;
	}
	snprintf(path, sizeof(path), "/dev/vfio/%s", options->number);
	fd = vfio_system_open(&group->system, path, O_RDWR);
	if (fd == -ENOENT) {
		/* Without an IOMMU the kernel names the group differently. */
		snprintf(path, sizeof(path), "/dev/vfio/noiommu-%s", options->number);
		fd = vfio_system_open(&group->system, path, O_RDWR);
		if (fd >= 0 && !options->allow_no_iommu) {
			vfio_system_close(&group->system, &fd);
			log_error(options->logger, options->name,
				  "%s has no IOMMU: its DMA could overwrite the host. Only "
				  "noiommu=on accepts that",
				  options->bdf);
			return -EOPNOTSUPP;
		}
		group->no_iommu = fd >= 0;
	}
	if (fd < 0) {
		log_error(options->logger, options->name, "cannot open %s: %s%s", path,
			  strerror(-fd),
			  fd == -EBUSY    ? " (another process uses a device of this group)"
			  : fd == -EACCES ? " (give this user access to the file)"
					  : "");
		return fd;
	}
	group->fd = fd;
	return 0;
}

static int group_check(struct iommu_group *group, const struct iommu_group_options *options)
{
	struct vfio_group_status status = {.argsz = sizeof(status)};
	int result = vfio_system_ioctl(&group->system, group->fd, VFIO_GROUP_GET_STATUS, &status);

	if (result < 0)
		return group_fail(options, result, "its status cannot be read",
				  "; is the given fd one of a VFIO group?");
	if (!(status.flags & VFIO_GROUP_FLAGS_VIABLE)) {
		log_error(options->logger, options->name,
			  "IOMMU group %s has devices that are bound to other drivers: bind all of "
			  "them to VFIO (cxvm host list says which)",
			  options->number);
		return -EPERM;
	}
	group->in_container = status.flags & VFIO_GROUP_FLAGS_CONTAINER_SET;
	if (group->in_container && options->container_fd < 0)
		return group_fail(options, -EBUSY, "it is in a container already",
				  "; end the program that has put it there");
	return 0;
}

/* Out of its container, also when somebody else keeps it open. */
static void group_close_file(struct iommu_group *group)
{
	if (group->given && group->attached)
		vfio_system_ioctl(&group->system, group->fd, VFIO_GROUP_UNSET_CONTAINER, NULL);
	vfio_system_close(&group->system, &group->fd);
}

struct group_attach {
	struct iommu_group *group;
	const struct iommu_group_options *options;
};

static int group_set_container(struct iommu_group *group, int container_fd)
{
	int result;

	if (group->in_container)
		return 0;
	result = vfio_system_ioctl(&group->system, group->fd, VFIO_GROUP_SET_CONTAINER,
				   &container_fd);
	group->attached = result >= 0;
	return group->attached ? 0 : result;
}

/* For iommu_spaces_join(): into the container of a space that other devices have made. */
static int group_try(struct address_space *space, void *opaque)
{
	const struct group_attach *attach = opaque;
	const struct vfio_system *system = &attach->group->system;
	int given = attach->options->container_fd;
	int container_fd = type1_space_container(space);

	if (container_fd < 0 ||
	    (given >= 0 && !system->ops->same_file(system->opaque, container_fd, given)))
		return -EINVAL;
	return group_set_container(attach->group, container_fd);
}

/* Whether the kernel offers an IOMMU for the container; *@type: which. */
static int group_choose_type(struct iommu_group *group, const struct iommu_group_options *options,
			     int container_fd, unsigned long *type)
{
	const struct vfio_system *system = &group->system;

	if (vfio_system_ioctl(system, container_fd, VFIO_GET_API_VERSION, NULL) !=
	    VFIO_API_VERSION) {
		log_error(options->logger, options->name,
			  CONTAINER_PATH " speaks another version of VFIO than this program: "
					 "use a kernel with VFIO API version %d",
			  VFIO_API_VERSION);
		return -EOPNOTSUPP;
	}
	*type = group->no_iommu ? VFIO_NOIOMMU_IOMMU : VFIO_TYPE1v2_IOMMU;
	if (vfio_system_ioctl(system, container_fd, VFIO_CHECK_EXTENSION, (void *)*type) > 0)
		return 0;
	/* A group fd from outside may be a no-IOMMU one. */
	*type = VFIO_NOIOMMU_IOMMU;
	if (group->no_iommu || !options->allow_no_iommu ||
	    vfio_system_ioctl(system, container_fd, VFIO_CHECK_EXTENSION, (void *)*type) <= 0) {
		log_error(options->logger, options->name,
			  "the kernel's VFIO has no type 1 IOMMU: load vfio_iommu_type1");
		return -EOPNOTSUPP;
	}
	group->no_iommu = true;
	return 0;
}

static int group_new_space(struct iommu_group *group, const struct iommu_group_options *options,
			   int container_fd)
{
	unsigned long type;
	const char *step = "it does not go into a container";
	int result = group_choose_type(group, options, container_fd, &type);

	if (result)
		return result;
	result = group_set_container(group, container_fd);
	if (!result) {
		step = "its container gets no IOMMU";
		result = vfio_system_ioctl(&group->system, container_fd, VFIO_SET_IOMMU,
					   (void *)type);
		/* A container that somebody prepared has its IOMMU already. */
		if (result == -EINVAL && group->in_container)
			result = 0;
	}
	if (result < 0)
		return group_fail(options, result, step,
				  result == -EPERM
					  ? "; the platform cannot isolate interrupts, see "
					    "allow_unsafe_interrupts of vfio_iommu_type1"
					  : "; the kernel log may say why");
	return type1_space_create(&group->system, container_fd, group->no_iommu, group->owner,
				  &group->space);
}

/* Into a container of this machine that takes it, else into a new one. *@container_fd: -1, or the
 * one that is left to be closed after the group. */
static int group_attach(struct iommu_group *group, const struct iommu_group_options *options,
			int *container_fd)
{
	struct group_attach attach = {group, options};
	int result = -ENOENT;

	if (!group->no_iommu)
		result = iommu_spaces_join(group->owner, group_try, &attach, &group->space);
	if (result != -ENOENT)
		return result ? group_fail(options, result, "it does not go into the container",
					   "; the kernel log may say why")
			      : 0;
	if (*container_fd < 0)
		*container_fd = vfio_system_open(&group->system, CONTAINER_PATH, O_RDWR);
	if (*container_fd < 0) {
		log_error(options->logger, options->name, "cannot open " CONTAINER_PATH ": %s%s",
			  strerror(-*container_fd),
			  *container_fd == -ENOENT ? " (load the module vfio)" : "");
		return *container_fd;
	}
	result = group_new_space(group, options, *container_fd);
	if (!result)
		*container_fd = -1;
	return result;
}

static void group_tell_kvm(struct iommu_group *group, const struct iommu_group_options *options)
{
	int result = group->vm ? kvm_vm_vfio_file(group->vm, group->fd, true) : -ENODEV;

	group->kvm_told = !result;
	if (group->vm && result)
		log_warning(options->logger, options->name, "KVM's VFIO device: %s",
			    strerror(-result));
}

int iommu_group_open(struct iommu_spaces *spaces, const struct iommu_group_options *options,
		     struct iommu_group **result_group)
{
	struct iommu_group *group = group_find(spaces, options);
	int group_fd = options->group_fd, container_fd = options->container_fd;
	int result;

	if (group || !(group = calloc(1, sizeof(*group)))) {
		vfio_system_close(&options->system, &group_fd);
		vfio_system_close(&options->system, &container_fd);
		*result_group = group;
		return group ? 0 : -ENOMEM;
	}
	group->owner = spaces;
	group->system = options->system;
	group->vm = options->vm;
	group->fd = group_fd;
	group->given = group_fd >= 0;
	group->references = group->users = 1;
	snprintf(group->number, sizeof(group->number), "%s", options->number);
	result = group_open_file(group, options);
	if (!result)
		result = group_check(group, options);
	if (!result)
		result = group_attach(group, options, &container_fd);
	/* The group before its container. */
	if (result)
		group_close_file(group);
	vfio_system_close(&group->system, &container_fd);
	if (result) {
		free(group);
		return result;
	}
	if (group->no_iommu)
		log_warning(options->logger, options->name,
			    "no IOMMU protects the host from this device");
	/* Before a device is opened: the kernel hands KVM to the driver then. */
	group_tell_kvm(group, options);
	pthread_mutex_lock(&spaces->lock);
	group->next = spaces->groups;
	spaces->groups = group;
	pthread_mutex_unlock(&spaces->lock);
	*result_group = group;
	return 0;
}

/* One user less. Returns whether it was the last one: then nobody finds the group any more. */
static bool group_lose_user(struct iommu_group *group)
{
	struct iommu_group **link = &group->owner->groups;
	bool last;

	pthread_mutex_lock(&group->owner->lock);
	last = !--group->users;
	while (last && *link && *link != group)
		link = &(*link)->next;
	if (last && *link)
		*link = group->next;
	pthread_mutex_unlock(&group->owner->lock);
	if (last && group->kvm_told)
		kvm_vm_vfio_file(group->vm, group->fd, false);
	return last;
}

void iommu_group_leave(struct iommu_group *group, int with)
{
	if (!group_lose_user(group))
		return;
	vfio_system_replace(&group->system, group->fd, with);
	group->left = true;
	group->attached = false;
	address_space_leave(group->space, with);
}

void iommu_group_put(struct iommu_group *group, bool left)
{
	bool last;

	if (!group)
		return;
	if (!left)
		group_lose_user(group);
	pthread_mutex_lock(&group->owner->lock);
	last = !--group->references;
	pthread_mutex_unlock(&group->owner->lock);
	if (!last)
		return;
	/* The group before its container. */
	group_close_file(group);
	address_space_put(group->space, group->left);
	free(group);
}

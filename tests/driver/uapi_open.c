/* SPDX-License-Identifier: Apache-2.0 */
/* The two ways to a VFIO device: group and type1 container, character device and iommufd. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "wire/iommufd.h"
#include "tests/driver/uapi_device.h"

/* The driver says EBUSY while it clears the memory of its last user; at most so long. */
#define CLEARING_MS 60000

static int ioctl_when_clear(struct uapi_device *device, int fd, unsigned long request,
			    void *argument)
{
	int result, waited = 0;

	device->busy = 0;
	while ((result = ioctl(fd, request, argument)) < 0 && errno == EBUSY &&
	       waited < CLEARING_MS) {
		device->busy++;
		usleep(1000);
		waited++;
	}
	return result;
}

static int open_group(struct uapi_device *device)
{
	struct vfio_group_status status = {.argsz = sizeof(status)};
	char path[PATH_MAX], link[PATH_MAX];
	ssize_t length;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", device->bdf);
	length = readlink(path, link, sizeof(link) - 1);
	if (length < 0) {
		perror(path);
		return -1;
	}
	link[length] = 0;
	snprintf(path, sizeof(path), "/dev/vfio/%s", basename(link));
	device->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	device->group = open(path, O_RDWR | O_CLOEXEC);
	if (device->container < 0 || device->group < 0) {
		perror(path);
		return -1;
	}
	if (ioctl(device->group, VFIO_GROUP_GET_STATUS, &status) ||
	    !(status.flags & VFIO_GROUP_FLAGS_VIABLE)) {
		fprintf(stderr, "%s: the group is not viable\n", path);
		return -1;
	}
	if (ioctl(device->group, VFIO_GROUP_SET_CONTAINER, &device->container) ||
	    ioctl(device->container, VFIO_SET_IOMMU, (unsigned long)VFIO_TYPE1v2_IOMMU)) {
		perror("VFIO_SET_IOMMU");
		return -1;
	}
	device->fd = ioctl_when_clear(device, device->group, VFIO_GROUP_GET_DEVICE_FD,
				      (void *)(uintptr_t)device->bdf);
	if (device->fd < 0) {
		int error = errno;

		perror("VFIO_GROUP_GET_DEVICE_FD");
		errno = error;
		return -1;
	}
	return 0;
}

/* /dev/vfio/devices/vfioN of the device. 0 or -1. */
static int find_cdev(const char *bdf, char *path, size_t size)
{
	char folder[PATH_MAX];
	const struct dirent *entry;
	int ret = -1;
	DIR *list;

	snprintf(folder, sizeof(folder), "/sys/bus/pci/devices/%s/vfio-dev", bdf);
	list = opendir(folder);
	if (!list) {
		perror(folder);
		return -1;
	}
	while ((entry = readdir(list)) && ret) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, size, "/dev/vfio/devices/%s", entry->d_name);
		ret = 0;
	}
	closedir(list);
	return ret;
}

static int open_cdev(struct uapi_device *device)
{
	struct vfio_cdev_bind bind = {.argsz = sizeof(bind)};
	struct vfio_cdev_attach attach = {.argsz = sizeof(attach)};
	struct iommufd_ioas_alloc alloc = {.size = sizeof(alloc)};
	char path[PATH_MAX] = "";

	if (find_cdev(device->bdf, path, sizeof(path)))
		return -1;
	device->iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	device->fd = open(path, O_RDWR | O_CLOEXEC);
	if (device->iommufd < 0 || device->fd < 0) {
		perror(device->fd < 0 ? path : "/dev/iommu");
		return -1;
	}
	bind.iommufd = device->iommufd;
	if (ioctl_when_clear(device, device->fd, VFIO_CDEV_BIND_IOMMUFD, &bind)) {
		perror("VFIO_DEVICE_BIND_IOMMUFD");
		return -1;
	}
	if (ioctl(device->iommufd, IOMMUFD_IOAS_ALLOC, &alloc)) {
		perror("IOMMU_IOAS_ALLOC");
		return -1;
	}
	device->ioas = attach.pt_id = alloc.out_ioas_id;
	if (ioctl(device->fd, VFIO_CDEV_ATTACH_IOMMUFD_PT, &attach)) {
		perror("VFIO_DEVICE_ATTACH_IOMMUFD_PT");
		return -1;
	}
	return 0;
}

int uapi_open(struct uapi_device *device)
{
	device->container = device->group = device->iommufd = device->fd = -1;
	if (device->cdev ? open_cdev(device) : open_group(device)) {
		int error = errno;

		uapi_close(device);
		errno = error;
		return -1;
	}
	return 0;
}

void uapi_close(struct uapi_device *device)
{
	const int fds[] = {device->fd, device->group, device->container, device->iommufd};

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	device->container = device->group = device->iommufd = device->fd = -1;
}

int uapi_reopen(struct uapi_device *device)
{
	uapi_close(device);
	return uapi_open(device);
}

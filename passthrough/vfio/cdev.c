/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "passthrough/vfio/internal.h"
#include "wire/iommufd.h"

static int cdev_open(struct vfio_kernel *kernel, int *fd, const char *path)
{
	if (*fd >= 0)
		return 0;
	*fd = kernel->system->open(kernel->system_opaque, path, O_RDWR);
	if (*fd >= 0)
		return 0;
	log_error(kernel->options.logger, kernel->name, "cannot open %s: %s", path, strerror(-*fd));
	return *fd;
}

int vfio_kernel_open_cdev(struct vfio_kernel *kernel, const struct vfio_kernel_place *place)
{
	struct vfio_cdev_bind bind = {.argsz = sizeof(bind)};
	struct vfio_cdev_attach attach = {.argsz = sizeof(attach)};
	struct iommufd_ioas_alloc alloc = {.size = sizeof(alloc)};
	char path[VFIO_KERNEL_PATH];
	int result;

	snprintf(path, sizeof(path), "/dev/vfio/devices/%s", place->cdev);
	result = cdev_open(kernel, &kernel->device_fd, path);
	if (!result)
		result = cdev_open(kernel, &kernel->iommufd_fd, "/dev/iommu");
	if (result)
		return result;
	vfio_kernel_tell_kvm(kernel, kernel->device_fd, true);
	bind.iommufd = kernel->iommufd_fd;
	result = vfio_kernel_ioctl(kernel, kernel->device_fd, VFIO_CDEV_BIND_IOMMUFD, &bind);
	if (result < 0) {
		log_error(kernel->options.logger, kernel->name,
			  "the device cannot be bound to iommufd: %s%s", strerror(-result),
			  result == -EBUSY ? " (another process uses it)"
			  : result == -EPERM
				  ? " (its IOMMU group has devices bound to other drivers)"
				  : "");
		return result;
	}
	kernel->device_id = bind.out_devid;
	result = vfio_kernel_ioctl(kernel, kernel->iommufd_fd, IOMMUFD_IOAS_ALLOC, &alloc);
	if (result >= 0) {
		kernel->ioas = alloc.out_ioas_id;
		attach.pt_id = alloc.out_ioas_id;
		result = vfio_kernel_ioctl(kernel, kernel->device_fd, VFIO_CDEV_ATTACH_IOMMUFD_PT,
					   &attach);
	}
	if (result < 0)
		log_error(kernel->options.logger, kernel->name, "no address space for its DMA: %s",
			  strerror(-result));
	return result < 0 ? result : 0;
}

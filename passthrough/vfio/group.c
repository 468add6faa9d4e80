/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "passthrough/vfio/internal.h"
#include "wire/iommufd.h"

static int group_open(struct vfio_kernel *kernel, const struct vfio_kernel_place *place,
		      bool allow_no_iommu)
{
	char path[VFIO_KERNEL_PATH];
	int fd;

	if (kernel->group_fd >= 0)
		return 0;
	if (!place->group[0]) {
		log_error(kernel->options.logger, kernel->name,
			  "%s is in no IOMMU group: turn the IOMMU on in firmware and kernel",
			  place->bdf);
		return -EOPNOTSUPP;
	}
	snprintf(path, sizeof(path), "/dev/vfio/%s", place->group);
	fd = kernel->system->open(kernel->system_opaque, path, O_RDWR);
	if (fd == -ENOENT) {
		/* Without an IOMMU the kernel names the group differently. */
		snprintf(path, sizeof(path), "/dev/vfio/noiommu-%s", place->group);
		fd = kernel->system->open(kernel->system_opaque, path, O_RDWR);
		if (fd >= 0 && !allow_no_iommu) {
			kernel->system->close(kernel->system_opaque, fd);
			log_error(kernel->options.logger, kernel->name,
				  "%s has no IOMMU: its DMA could overwrite the host. Only "
				  "noiommu=on accepts that",
				  place->bdf);
			return -EOPNOTSUPP;
		}
		kernel->no_iommu = fd >= 0;
	}
	if (fd < 0) {
		log_error(kernel->options.logger, kernel->name, "cannot open %s: %s%s", path,
			  strerror(-fd),
			  fd == -EBUSY    ? " (another process uses a device of this group)"
			  : fd == -EACCES ? " (give this user access to the file)"
					  : "");
		return fd;
	}
	kernel->group_fd = fd;
	return 0;
}

static int group_container(struct vfio_kernel *kernel, bool allow_no_iommu)
{
	struct vfio_group_status status = {.argsz = sizeof(status)};
	int result, type;

	result = vfio_kernel_ioctl(kernel, kernel->group_fd, VFIO_GROUP_GET_STATUS, &status);
	if (result < 0)
		return result;
	if (!(status.flags & VFIO_GROUP_FLAGS_VIABLE)) {
		log_error(
			kernel->options.logger, kernel->name,
			"its IOMMU group has devices that are bound to other drivers: bind all of "
			"them to VFIO");
		return -EPERM;
	}
	if (kernel->container_fd < 0)
		kernel->container_fd =
			kernel->system->open(kernel->system_opaque, "/dev/vfio/vfio", O_RDWR);
	if (kernel->container_fd < 0) {
		log_error(kernel->options.logger, kernel->name, "cannot open /dev/vfio/vfio: %s",
			  strerror(-kernel->container_fd));
		return kernel->container_fd;
	}
	if (vfio_kernel_ioctl(kernel, kernel->container_fd, VFIO_GET_API_VERSION, NULL) !=
	    VFIO_API_VERSION)
		return -EOPNOTSUPP;
	type = kernel->no_iommu ? VFIO_NOIOMMU_IOMMU : VFIO_TYPE1v2_IOMMU;
	if (vfio_kernel_ioctl(kernel, kernel->container_fd, VFIO_CHECK_EXTENSION,
			      (void *)(uintptr_t)type) <= 0) {
		/* A group fd from outside may be a no-IOMMU one. */
		if (kernel->no_iommu ||
		    vfio_kernel_ioctl(kernel, kernel->container_fd, VFIO_CHECK_EXTENSION,
				      (void *)(uintptr_t)VFIO_NOIOMMU_IOMMU) <= 0 ||
		    !allow_no_iommu) {
			log_error(kernel->options.logger, kernel->name,
				  "the kernel's VFIO has no type 1 IOMMU: load vfio_iommu_type1");
			return -EOPNOTSUPP;
		}
		kernel->no_iommu = true;
		type = VFIO_NOIOMMU_IOMMU;
	}
	if (!(status.flags & VFIO_GROUP_FLAGS_CONTAINER_SET)) {
		result = vfio_kernel_ioctl(kernel, kernel->group_fd, VFIO_GROUP_SET_CONTAINER,
					   &kernel->container_fd);
		if (result < 0)
			return result;
	}
	result = vfio_kernel_ioctl(kernel, kernel->container_fd, VFIO_SET_IOMMU,
				   (void *)(uintptr_t)type);
	/* A container that somebody prepared has its IOMMU already. */
	return result == -EINVAL && (status.flags & VFIO_GROUP_FLAGS_CONTAINER_SET) ? 0 : result;
}

int vfio_kernel_open_group(struct vfio_kernel *kernel, const struct vfio_kernel_place *place,
			   bool allow_no_iommu)
{
	int result = group_open(kernel, place, allow_no_iommu);

	if (!result)
		result = group_container(kernel, allow_no_iommu);
	if (result) {
		if (result != -EOPNOTSUPP && result != -EPERM)
			log_error(kernel->options.logger, kernel->name,
				  "its IOMMU group cannot be used: %s", strerror(-result));
		return result;
	}
	if (kernel->no_iommu)
		log_warning(kernel->options.logger, kernel->name,
			    "no IOMMU protects the host from this device");
	/* Before the device is opened: the kernel hands KVM to the driver then. */
	vfio_kernel_tell_kvm(kernel, kernel->group_fd, true);
	if (kernel->device_fd >= 0)
		return 0;
	result = vfio_kernel_ioctl(kernel, kernel->group_fd, VFIO_GROUP_GET_DEVICE_FD,
				   (void *)(uintptr_t)place->bdf);
	if (result < 0) {
		log_error(kernel->options.logger, kernel->name, "VFIO does not open %s: %s",
			  place->bdf, strerror(-result));
		return result;
	}
	kernel->device_fd = result;
	return 0;
}

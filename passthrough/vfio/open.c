/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <string.h>

#include "passthrough/iommu/ioas.h"
#include "passthrough/iommu/iommufd.h"
#include "passthrough/vfio/internal.h"
#include "wire/iommufd.h"

int vfio_kernel_open_group(struct vfio_kernel *kernel, const struct vfio_kernel_place *place)
{
	const struct iommu_group_options group = {
		.name = kernel->name,
		.logger = kernel->options.logger,
		.system = kernel->system,
		.vm = kernel->vm,
		.number = place->group,
		.bdf = place->bdf,
		.group_fd = kernel->asked.group_fd,
		.container_fd = kernel->asked.container_fd,
		.allow_no_iommu = kernel->asked.allow_no_iommu,
	};
	uint64_t since = 0;
	int result;

	kernel->device_fd = kernel->asked.device_fd;
	result = iommu_group_open(kernel->spaces, &group, &kernel->group);
	if (result)
		return result;
	kernel->transport.space = iommu_group_space(kernel->group);
	if (kernel->device_fd >= 0)
		return 0;
	do
		result = vfio_system_ioctl(&kernel->system, iommu_group_fd(kernel->group),
					   VFIO_GROUP_GET_DEVICE_FD, (void *)(uintptr_t)place->bdf);
	while (result == -EBUSY && vfio_kernel_await_clearing(kernel, place->bdf, &since));
	if (result < 0) {
		const char *hint = vfio_kernel_open_hint(kernel, place->bdf, result);

		log_error(kernel->options.logger, kernel->name, "VFIO does not open %s: %s%s",
			  place->bdf, strerror(-result),
			  hint[0] ? hint : "; the kernel log may say why");
		return result;
	}
	kernel->device_fd = result;
	return 0;
}

/* Best effort, and before the device is bound: the kernel hands KVM to the driver then. */
static void cdev_tell_kvm(struct vfio_kernel *kernel)
{
	int result = kernel->vm ? kvm_vm_vfio_file(kernel->vm, kernel->device_fd, true) : -ENODEV;

	kernel->kvm_told = !result;
	if (kernel->vm && result)
		log_warning(kernel->options.logger, kernel->name, "KVM's VFIO device: %s",
			    strerror(-result));
}

static int cdev_bind(struct vfio_kernel *kernel, const struct iommufd *iommufd, const char *bdf)
{
	struct vfio_cdev_bind bind = {.argsz = sizeof(bind), .iommufd = iommufd_fd(iommufd)};
	uint64_t since = 0;
	int result;

	do
		result = vfio_kernel_ioctl(kernel, VFIO_CDEV_BIND_IOMMUFD, &bind);
	while (result == -EBUSY && vfio_kernel_await_clearing(kernel, bdf, &since));
	if (result < 0) {
		log_error(kernel->options.logger, kernel->name,
			  "the device cannot be bound to iommufd: %s%s", strerror(-result),
			  result == -EPERM ? " (its IOMMU group has devices bound to other drivers)"
					   : vfio_kernel_open_hint(kernel, bdf, result));
		return result;
	}
	kernel->function.device_id = bind.out_devid;
	return 0;
}

struct cdev_attach {
	struct vfio_kernel *kernel;
	const struct iommufd *iommufd;
};

static int cdev_try(struct address_space *space, void *opaque)
{
	const struct cdev_attach *attach = opaque;
	struct vfio_cdev_attach request = {.argsz = sizeof(request)};
	int result = ioas_space_id(space, attach->iommufd, &request.pt_id);

	if (!result)
		result = vfio_kernel_ioctl(attach->kernel, VFIO_CDEV_ATTACH_IOMMUFD_PT, &request);
	return result < 0 ? result : 0;
}

/* To an address space of this machine that takes the device, else to a new one. */
static int cdev_attach(struct vfio_kernel *kernel, struct iommufd *iommufd)
{
	struct cdev_attach attach = {kernel, iommufd};
	const char *step = "it cannot be attached to the address space of the other devices";
	struct address_space *space = NULL;
	int result = iommu_spaces_join(kernel->spaces, cdev_try, &attach, &space);

	if (result == -ENOENT) {
		step = "no address space for its DMA";
		result = ioas_space_create(iommufd, kernel->spaces, &space);
		if (!result) {
			step = "it cannot be attached to an address space for its DMA";
			result = cdev_try(space, &attach);
		}
		if (result) {
			address_space_put(space, false);
			space = NULL;
		}
	}
	if (result)
		log_error(kernel->options.logger, kernel->name,
			  "%s: %s; the kernel log may say why", step, strerror(-result));
	kernel->transport.space = space;
	return result;
}

int vfio_kernel_open_cdev(struct vfio_kernel *kernel, const struct vfio_kernel_place *place)
{
	int iommufd_given = kernel->asked.iommufd_fd, container_fd = kernel->asked.container_fd;
	char path[VFIO_KERNEL_PATH];
	struct iommufd *iommufd;
	int result;

	/* A container has no part in this way. */
	vfio_system_close(&kernel->system, &container_fd);
	kernel->device_fd = kernel->asked.device_fd;
	snprintf(path, sizeof(path), "/dev/vfio/devices/%s", place->cdev);
	if (kernel->device_fd < 0)
		kernel->device_fd = vfio_system_open(&kernel->system, path, O_RDWR);
	result = kernel->device_fd;
	if (result >= 0) {
		snprintf(path, sizeof(path), "/dev/iommu");
		result = iommufd_open(kernel->spaces, &kernel->system, iommufd_given, &iommufd);
	} else {
		vfio_system_close(&kernel->system, &iommufd_given);
	}
	if (result < 0) {
		log_error(kernel->options.logger, kernel->name, "cannot open %s: %s%s", path,
			  strerror(-result),
			  result == -EACCES  ? " (give this user access to the file)"
			  : result == -EBUSY ? " (another process uses the device)"
					     : "");
		return result;
	}
	cdev_tell_kvm(kernel);
	result = cdev_bind(kernel, iommufd, place->bdf);
	if (!result)
		result = cdev_attach(kernel, iommufd);
	kernel->function.space = kernel->transport.space;
	/* From now on the space keeps it open. */
	iommufd_put(iommufd, false);
	return result;
}

void vfio_kernel_give_back(struct vfio_kernel *kernel, int with)
{
	if (kernel->kvm_told)
		kvm_vm_vfio_file(kernel->vm, kernel->device_fd, false);
	kernel->kvm_told = false;
	vfio_system_replace(&kernel->system, kernel->device_fd, with);
	if (kernel->group)
		iommu_group_leave(kernel->group, with);
	else
		address_space_leave(kernel->transport.space, with);
	kernel->released = true;
}

void vfio_kernel_close_files(struct vfio_kernel *kernel)
{
	if (kernel->kvm_told)
		kvm_vm_vfio_file(kernel->vm, kernel->device_fd, false);
	/* The device before its group, the group before its container. */
	vfio_system_close(&kernel->system, &kernel->device_fd);
	if (kernel->group)
		iommu_group_put(kernel->group, kernel->released);
	else
		address_space_put(kernel->transport.space, kernel->released);
}

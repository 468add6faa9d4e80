/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>

#include "passthrough/vfio/internal.h"
#include "wire/iommufd.h"

#define INFO_LIMIT 65536u /* no information structure is longer */

static struct vfio_kernel *kernel_of(struct vfio_transport *transport)
{
	return (struct vfio_kernel *)transport;
}

int vfio_kernel_ioctl(struct vfio_kernel *kernel, int fd, unsigned long request, void *argument)
{
	int result;

	do
		result = kernel->system->ioctl(kernel->system_opaque, fd, request, argument);
	while (result == -EINTR);
	return result;
}

/* VFIO UAPI: the first call says how much room the chain needs, the second fills it. */
static int kernel_info(struct vfio_kernel *kernel, unsigned long request, uint32_t fixed,
		       uint32_t index, uint8_t **info, uint32_t *length)
{
	uint32_t size = fixed;
	uint8_t *image = NULL;

	for (unsigned int i = 0; i < 3; i++) {
		uint8_t *larger = realloc(image, size);
		uint32_t needed;
		int result;

		if (!larger) {
			free(image);
			return -ENOMEM;
		}
		image = larger;
		memset(image, 0, size);
		memcpy(image, &size, sizeof(size));
		memcpy(image + 8, &index, sizeof(index));
		result = vfio_kernel_ioctl(kernel, kernel->device_fd, request, image);
		if (result < 0) {
			free(image);
			return result;
		}
		needed = image_get_long(image, 0);
		if (needed <= size) {
			*info = image;
			*length = size;
			return 0;
		}
		if (needed > INFO_LIMIT)
			break;
		size = needed;
	}
	free(image);
	return -EPROTO;
}

static int kernel_device_info(struct vfio_transport *transport, uint8_t **info, uint32_t *length)
{
	struct vfio_kernel *kernel = kernel_of(transport);
	int result = kernel_info(kernel, VFIO_DEVICE_GET_INFO, 24, 0, info, length);

	if (result)
		return result;
	kernel->device_flags = image_get_long(*info, 4);
	kernel->num_irqs = image_get_long(*info, 12);
	vfio_kernel_watch(kernel);
	vfio_kernel_warn_without_reset(kernel);
	return 0;
}

static int kernel_region_info(struct vfio_transport *transport, uint32_t index, uint8_t **info,
			      uint32_t *length)
{
	struct vfio_kernel *kernel = kernel_of(transport);
	struct vfio_kernel_region *region;
	int result;

	if (index >= VFIO_INFO_MAX_REGIONS)
		return -EINVAL;
	result = kernel_info(kernel, VFIO_DEVICE_GET_REGION_INFO, 32, index, info, length);
	if (result)
		return result;
	region = &kernel->regions[index];
	region->known = true;
	region->flags = image_get_long(*info, 4);
	region->size = image_get_quad(*info, 16);
	region->offset = image_get_quad(*info, 24);
	return 0;
}

static int kernel_irq_info(struct vfio_transport *transport, uint32_t index, uint32_t *flags,
			   uint32_t *count)
{
	struct vfio_kernel *kernel = kernel_of(transport);
	struct vfio_irq_info info = {.argsz = sizeof(info), .index = index};
	int result = vfio_kernel_ioctl(kernel, kernel->device_fd, VFIO_DEVICE_GET_IRQ_INFO, &info);

	if (result < 0)
		return result;
	*flags = info.flags;
	*count = info.count;
	return 0;
}

/* Where [offset, offset + length) of region @index is in the device's file. */
static int kernel_position(const struct vfio_kernel *kernel, uint32_t index, uint64_t offset,
			   uint64_t length, uint64_t *position)
{
	const struct vfio_kernel_region *region;

	if (index >= VFIO_INFO_MAX_REGIONS || !kernel->regions[index].known)
		return -EINVAL;
	region = &kernel->regions[index];
	if (offset > region->size || length > region->size - offset)
		return -EINVAL;
	*position = region->offset + offset;
	return 0;
}

static int kernel_read(struct vfio_transport *transport, uint32_t index, uint64_t offset,
		       void *data, uint32_t length)
{
	struct vfio_kernel *kernel = kernel_of(transport);
	uint64_t position;
	ssize_t count;
	int result = kernel_position(kernel, index, offset, length, &position);

	if (result)
		return result;
	count = kernel->system->pread(kernel->system_opaque, kernel->device_fd, data, length,
				      position);
	if (count < 0)
		return (int)count;
	return (size_t)count == length ? 0 : -EIO;
}

static int kernel_read_dwords(struct vfio_transport *transport, uint32_t index,
			      const uint64_t *offsets, uint32_t *values, uint32_t count)
{
	int result = 0;

	for (uint32_t i = 0; i < count && !result; i++)
		result = kernel_read(transport, index, offsets[i], &values[i], 4);
	return result;
}

static int kernel_write(struct vfio_transport *transport, uint32_t index, uint64_t offset,
			const void *data, uint32_t length, bool posted)
{
	struct vfio_kernel *kernel = kernel_of(transport);
	uint64_t position;
	ssize_t count;
	int result = kernel_position(kernel, index, offset, length, &position);

	(void)posted;
	if (result)
		return result;
	count = kernel->system->pwrite(kernel->system_opaque, kernel->device_fd, data, length,
				       position);
	if (count < 0)
		return (int)count;
	return (size_t)count == length ? 0 : -EIO;
}

static int kernel_map(struct vfio_transport *transport, uint32_t index, uint64_t offset,
		      uint64_t size, void **host, int *fd, uint64_t *fd_offset)
{
	struct vfio_kernel *kernel = kernel_of(transport);
	uint64_t position;
	int result = kernel_position(kernel, index, offset, size, &position);

	if (!result)
		result = kernel->system->mmap(kernel->system_opaque, kernel->device_fd, position,
					      (size_t)size, host);
	if (result)
		return result;
	*fd = kernel->device_fd;
	*fd_offset = position;
	return 0;
}

/* The kernel's mappings stay; a fault that is not a lost device is a reset in progress. */
static bool kernel_mapping_intact(struct vfio_transport *transport, uint32_t index)
{
	(void)index;
	return !kernel_of(transport)->lost;
}

void vfio_kernel_tell_kvm(struct vfio_kernel *kernel, int fd, bool add)
{
	struct kvm_create_device create = {.type = KVM_DEV_TYPE_VFIO};
	int32_t file = fd;
	struct kvm_device_attr attribute = {
		.group = KVM_VFIO_FILE,
		.attr = add ? KVM_VFIO_FILE_ADD : KVM_VFIO_FILE_DEL,
		.addr = (uint64_t)(uintptr_t)&file,
	};
	int result = 0;

	if (!kernel->vm)
		return;
	if (kernel->vm->vfio_fd <= 0 && add) {
		result = kvm_vm_ioctl(kernel->vm, KVM_CREATE_DEVICE, &create);
		if (result >= 0)
			kernel->vm->vfio_fd = (int)create.fd;
	}
	if (kernel->vm->vfio_fd > 0)
		result = kernel->vm->ops->ioctl(kernel->vm->ops_opaque, kernel->vm->vfio_fd,
						KVM_SET_DEVICE_ATTR, &attribute);
	/* Without it everything works, but KVM does not know that DMA may be non-coherent. */
	if (result < 0)
		log_warning(kernel->options.logger, kernel->name, "KVM's VFIO device: %s",
			    strerror(-result));
	kernel->kvm_told = add && result >= 0;
}

static void kernel_close_fd(struct vfio_kernel *kernel, int *fd)
{
	if (*fd >= 0)
		kernel->system->close(kernel->system_opaque, *fd);
	*fd = -1;
}

static void kernel_close(struct vfio_transport *transport)
{
	struct vfio_kernel *kernel = kernel_of(transport);

	vfio_kernel_unwatch(kernel);
	if (kernel->kvm_told)
		vfio_kernel_tell_kvm(kernel,
				     kernel->group_fd >= 0 ? kernel->group_fd : kernel->device_fd,
				     false);
	/* The device before its group, the group before its container. */
	kernel_close_fd(kernel, &kernel->device_fd);
	kernel_close_fd(kernel, &kernel->group_fd);
	kernel_close_fd(kernel, &kernel->container_fd);
	kernel_close_fd(kernel, &kernel->iommufd_fd);
	free(kernel->name);
	free(kernel);
}

/* The two ways differ in how they are opened and where they map DMA, which struct vfio_kernel
 * knows. */
#define KERNEL_TRANSPORT_OPS(way, revokes)                                                         \
	{                                                                                          \
		.name = (way), .pins_ram = true, .gates_memory = true,                             \
		.reset_revokes_windows = (revokes), .get_device_info = kernel_device_info,         \
		.get_region_info = kernel_region_info, .get_irq_info = kernel_irq_info,            \
		.region_read = kernel_read, .region_read_dwords = kernel_read_dwords,              \
		.region_write = kernel_write, .map = kernel_map,                                   \
		.mapping_intact = kernel_mapping_intact, .set_irqs = vfio_kernel_set_irqs,         \
		.reset = vfio_kernel_reset, .dma_map = vfio_kernel_dma_map,                        \
		.dma_unmap = vfio_kernel_dma_unmap, .dma_limit = vfio_kernel_dma_limit,            \
		.release = vfio_kernel_release, .close = kernel_close,                             \
	}

static const struct vfio_transport_ops kernel_group_ops = KERNEL_TRANSPORT_OPS("vfio-group", false);
/* Its windows are dma-bufs, which the kernel takes out of the map at a reset and does not put back.
 */
static const struct vfio_transport_ops kernel_cdev_ops = KERNEL_TRANSPORT_OPS("vfio-cdev", true);

/* Both /dev/iommu and the device's own file: the newer way. */
static bool kernel_prefers_cdev(const struct vfio_kernel *kernel,
				const struct vfio_kernel_place *place)
{
	char name[16];

	return place->cdev[0] && kernel->system->find_entry(kernel->system_opaque, "/dev", "iommu",
							    name, sizeof(name)) == 0;
}

static int kernel_connect(struct vfio_kernel *kernel, const struct vfio_kernel_options *options)
{
	bool by_fd = kernel->device_fd >= 0 || kernel->group_fd >= 0;
	struct vfio_kernel_place place = {.bdf = ""};
	bool cdev = kernel->iommufd_fd >= 0 || (kernel->device_fd >= 0 && kernel->group_fd < 0);
	int result;

	if ((kernel->iommufd_fd >= 0 && kernel->group_fd >= 0) || (!by_fd && !options->host)) {
		log_error(kernel->options.logger, kernel->name,
			  "needs a host device, a device fd (with an iommufd), or a group fd");
		return -EINVAL;
	}
	/* A group alone does not say which of its devices; sysfs is not asked when all is open. */
	if (kernel->device_fd < 0) {
		if (!options->host)
			return -EINVAL;
		result = vfio_kernel_locate(kernel, options->host, &place);
		if (result)
			return result;
		memcpy(kernel->group, place.group, sizeof(kernel->group));
		cdev = kernel->iommufd_fd >= 0 || (!by_fd && kernel_prefers_cdev(kernel, &place));
	}
	kernel->transport.ops = cdev ? &kernel_cdev_ops : &kernel_group_ops;
	return cdev ? vfio_kernel_open_cdev(kernel, &place)
		    : vfio_kernel_open_group(kernel, &place, options->allow_no_iommu);
}

static void kernel_close_options(const struct vfio_kernel_options *options,
				 const struct vfio_system_ops *system)
{
	const int fds[] = {options->device_fd, options->group_fd, options->container_fd,
			   options->iommufd_fd};

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			system->close(options->system_opaque, fds[i]);
}

int vfio_kernel_open(const struct vfio_kernel_options *options, struct vfio_transport **transport)
{
	const struct vfio_system_ops *system =
		options->system ? options->system : &vfio_real_system;
	struct vfio_kernel *kernel = calloc(1, sizeof(*kernel));
	int result;

	if (kernel)
		kernel->name = strdup(options->transport.name);
	if (!kernel || !kernel->name) {
		free(kernel);
		kernel_close_options(options, system);
		return -ENOMEM;
	}
	kernel->transport.ops = &kernel_group_ops;
	kernel->options = options->transport;
	kernel->system = system;
	kernel->system_opaque = options->system_opaque;
	kernel->vm = options->vm;
	kernel->limit = (struct log_ratelimit)LOG_RATELIMIT_DEFAULT;
	kernel->device_fd = options->device_fd;
	kernel->group_fd = options->group_fd;
	kernel->container_fd = options->container_fd;
	kernel->iommufd_fd = options->iommufd_fd;
	kernel->error.fd = kernel->request.fd = -1;
	result = kernel_connect(kernel, options);
	if (result) {
		kernel_close(&kernel->transport);
		return result;
	}
	*transport = &kernel->transport;
	return 0;
}

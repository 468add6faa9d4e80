/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/vfio.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "passthrough/vfio/internal.h"

#define INFO_LIMIT 65536u /* no information structure is longer */

/* What is asked for first: the structures with their chain fields, but no chain. */
#define DEVICE_INFO_FIXED 24u /* to the end of pad, which older headers do not have */
#define REGION_INFO_FIXED sizeof(struct vfio_region_info)

#define DEVICE_INFO(field) offsetof(struct vfio_device_info, field)
#define REGION_INFO(field) offsetof(struct vfio_region_info, field)

static struct vfio_kernel *kernel_of(struct vfio_transport *transport)
{
	return (struct vfio_kernel *)transport;
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
		memcpy(image + REGION_INFO(index), &index, sizeof(index));
		result = vfio_kernel_ioctl(kernel, request, image);
		if (result < 0) {
			free(image);
			return result;
		}
		needed = bytes_get_le32(image + REGION_INFO(argsz));
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
	int result = kernel_info(kernel, VFIO_DEVICE_GET_INFO, DEVICE_INFO_FIXED, 0, info, length);

	if (result)
		return result;
	kernel->device_flags = bytes_get_le32(*info + DEVICE_INFO(flags));
	kernel->num_irqs = bytes_get_le32(*info + DEVICE_INFO(num_irqs));
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
	result = kernel_info(kernel, VFIO_DEVICE_GET_REGION_INFO, REGION_INFO_FIXED, index, info,
			     length);
	if (result)
		return result;
	region = &kernel->regions[index];
	region->known = true;
	region->flags = bytes_get_le32(*info + REGION_INFO(flags));
	region->size = bytes_get_le64(*info + REGION_INFO(size));
	region->offset = bytes_get_le64(*info + REGION_INFO(offset));
	return 0;
}

static int kernel_irq_info(struct vfio_transport *transport, uint32_t index, uint32_t *flags,
			   uint32_t *count)
{
	struct vfio_kernel *kernel = kernel_of(transport);
	struct vfio_irq_info info = {.argsz = sizeof(info), .index = index};
	int result = vfio_kernel_ioctl(kernel, VFIO_DEVICE_GET_IRQ_INFO, &info);

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
	count = kernel->system.ops->pread(kernel->system.opaque, kernel->device_fd, data, length,
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
	count = kernel->system.ops->pwrite(kernel->system.opaque, kernel->device_fd, data, length,
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
		result = kernel->system.ops->mmap(kernel->system.opaque, kernel->device_fd,
						  position, (size_t)size, host);
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

/*
 * The kernel waits for the last file of the device (and of its mappings, which are gone by now). A
 * vCPU may be about to read or write one of the descriptors: their numbers stay taken, by the
 * eventfd of the request, which refuses everything that is done to a device.
 */
static void kernel_release(struct vfio_transport *transport)
{
	struct vfio_kernel *kernel = kernel_of(transport);

	kernel->lost = true;
	iommu_spaces_remove_function(kernel->spaces, &kernel->function);
	vfio_kernel_give_back(kernel, kernel->request.fd);
}

static void kernel_close(struct vfio_transport *transport)
{
	struct vfio_kernel *kernel = kernel_of(transport);

	vfio_kernel_unwatch(kernel);
	iommu_spaces_remove_function(kernel->spaces, &kernel->function);
	vfio_kernel_close_files(kernel);
	if (kernel->own_spaces)
		iommu_spaces_destroy(kernel->spaces);
	free(kernel->name);
	free(kernel);
}

static const struct vfio_transport_ops kernel_ops = {
	.gates_memory = true,
	.get_device_info = kernel_device_info,
	.get_region_info = kernel_region_info,
	.get_irq_info = kernel_irq_info,
	.region_read = kernel_read,
	.region_read_dwords = kernel_read_dwords,
	.region_write = kernel_write,
	.map = kernel_map,
	.mapping_intact = kernel_mapping_intact,
	.set_irqs = vfio_kernel_set_irqs,
	.reset = vfio_kernel_reset,
	.release = kernel_release,
	.close = kernel_close,
};

/* Both /dev/iommu and the device's own file: the newer way. */
static bool kernel_prefers_cdev(const struct vfio_kernel *kernel,
				const struct vfio_kernel_place *place)
{
	char name[16];

	return place->cdev[0] && kernel->system.ops->find_entry(kernel->system.opaque, "/dev",
								"iommu", name, sizeof(name)) == 0;
}

/* The descriptors that were given, when nobody has taken them yet. */
static void close_given(const struct vfio_kernel_options *given, const struct vfio_system *system)
{
	int fds[] = {given->device_fd, given->group_fd, given->container_fd, given->iommufd_fd};

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		vfio_system_close(system, &fds[i]);
}

/* Which device, and *@cdev: by which way. */
static int kernel_find(struct vfio_kernel *kernel, struct vfio_kernel_place *place, bool *cdev)
{
	const struct vfio_kernel_options *asked = &kernel->asked;
	bool by_fd = asked->device_fd >= 0 || asked->group_fd >= 0;
	int result;

	*cdev = asked->iommufd_fd >= 0 || (asked->device_fd >= 0 && asked->group_fd < 0);
	/* A group alone does not say which of its devices. */
	if ((asked->iommufd_fd >= 0 && asked->group_fd >= 0) ||
	    (asked->device_fd < 0 && !asked->host)) {
		log_error(kernel->options.logger, kernel->name,
			  "needs a host device, a device fd (with an iommufd), or a group fd with "
			  "the host device's name");
		return -EINVAL;
	}
	/* sysfs is not asked when all is open. */
	if (asked->device_fd >= 0)
		return 0;
	result = vfio_kernel_locate(kernel, place);
	if (!result)
		*cdev = asked->iommufd_fd >= 0 || (!by_fd && kernel_prefers_cdev(kernel, place));
	return result;
}

static int kernel_connect(struct vfio_kernel *kernel)
{
	struct vfio_kernel_place place = {.bdf = ""};
	bool cdev;
	int result = kernel_find(kernel, &place, &cdev);

	if (result) {
		close_given(&kernel->asked, &kernel->system);
		return result;
	}
	kernel->transport.name = cdev ? "vfio-cdev" : "vfio-group";
	result = cdev ? vfio_kernel_open_cdev(kernel, &place)
		      : vfio_kernel_open_group(kernel, &place);
	if (result)
		return result;
	kernel->function.busy = &kernel->transport.busy;
	kernel->function.address =
		place.bdf[0] ? pci_address_number(&place.address) : IOMMU_NO_ADDRESS;
	iommu_spaces_add_function(kernel->spaces, &kernel->function);
	log_debug(kernel->options.logger, kernel->name, "opened as %s; its address space is %s%s",
		  kernel->transport.name, kernel->transport.space->ops->name,
		  address_space_is_shared(kernel->transport.space) ? ", shared" : "");
	return 0;
}

static int kernel_create(const struct vfio_kernel_options *options,
			 struct vfio_kernel **result_kernel)
{
	const struct vfio_system system = {options->system ? options->system : &vfio_real_system,
					   options->system_opaque};
	struct vfio_kernel *kernel = calloc(1, sizeof(*kernel));
	char *name = strdup(options->transport.name);
	struct iommu_spaces *own = NULL;

	if (!kernel || !name || (!options->spaces && iommu_spaces_create(&own))) {
		free(name);
		free(kernel);
		close_given(options, &system);
		return -ENOMEM;
	}
	kernel->asked = *options;
	kernel->system = system;
	kernel->name = name;
	kernel->own_spaces = !options->spaces;
	kernel->spaces = options->spaces ? options->spaces : own;
	kernel->transport.ops = &kernel_ops;
	kernel->options = options->transport;
	kernel->vm = options->vm;
	kernel->limit = (struct log_ratelimit)LOG_RATELIMIT_DEFAULT;
	kernel->device_fd = -1;
	kernel->error.fd = kernel->request.fd = -1;
	*result_kernel = kernel;
	return 0;
}

int vfio_kernel_open(const struct vfio_kernel_options *options, struct vfio_transport **transport)
{
	struct vfio_kernel *kernel;
	int result = kernel_create(options, &kernel);

	if (result)
		return result;
	result = kernel_connect(kernel);
	kernel->asked.host = NULL;
	if (result) {
		kernel_close(&kernel->transport);
		return result;
	}
	*transport = &kernel->transport;
	return 0;
}

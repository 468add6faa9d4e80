/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/vfio.h>
#include <string.h>

#include "passthrough/vfio/internal.h"
#include "wire/iommufd.h"

#define RESET_FUNCTIONS 16u /* most that a hot reset may hit */
#define RESET_GROUPS    8u  /* ... and the groups that they are in */

/* A hot reset that hits nothing but this device and functions that it may hit. */
struct hot_reset {
	uint32_t functions;
	uint32_t group_count; /* group way: the descriptors that prove that they are ours */
	int groups[RESET_GROUPS];
};

/* PCI_DEVFN as the kernel numbers functions of the host */
static uint32_t dependent_address(const struct vfio_pci_dependent_device *device)
{
	return (uint32_t)device->segment << 16 | (uint32_t)device->bus << 8 | device->devfn;
}

/*
 * By character device the kernel says whether all functions are in groups of our iommufd, and which
 * of them are open. One that somebody else has open by the same iommufd is not ours to reset; nor
 * is one that the guest drives.
 */
static bool hot_reset_hits_iommufd(struct vfio_kernel *kernel,
				   const struct vfio_pci_hot_reset_info *info)
{
	if (!(info->flags & VFIO_HOT_RESET_DEV_ID) || !(info->flags & VFIO_HOT_RESET_DEV_ID_OWNED))
		return false;
	for (uint32_t i = 0; i < info->count; i++) {
		uint32_t id = info->devices[i].group_id;

		if (id != kernel->function.device_id && id != VFIO_HOT_RESET_UNOPENED &&
		    iommu_spaces_find_id(kernel->spaces, kernel->transport.space, id) !=
			    IOMMU_FUNCTION_QUIET)
			return false;
	}
	return true;
}

/* The descriptor of an open group, once. */
static bool hot_reset_add_group(struct hot_reset *reset, int fd)
{
	for (uint32_t i = 0; i < reset->group_count; i++)
		if (reset->groups[i] == fd)
			return true;
	if (fd < 0 || reset->group_count == RESET_GROUPS)
		return false;
	reset->groups[reset->group_count++] = fd;
	return true;
}

/*
 * By group: the members of a group that this machine has open are bound to VFIO (else the group
 * would not be viable), and nobody else can have them open. One that the guest drives is not reset
 * behind its back.
 */
static bool hot_reset_hits_groups(struct vfio_kernel *kernel,
				  const struct vfio_pci_hot_reset_info *info,
				  struct hot_reset *reset)
{
	for (uint32_t i = 0; i < info->count; i++) {
		uint32_t address = dependent_address(&info->devices[i]);

		if (!hot_reset_add_group(
			    reset, iommu_group_find(kernel->spaces, info->devices[i].group_id)))
			return false;
		if (address != kernel->function.address &&
		    iommu_spaces_find_address(kernel->spaces, address) == IOMMU_FUNCTION_BUSY)
			return false;
	}
	return true;
}

/* Returns 0 with *@reset; -EOPNOTSUPP: it would hit what is not ours to reset; or another -errno.
 */
static int hot_reset_check(struct vfio_kernel *kernel, struct hot_reset *reset)
{
	uint8_t storage[sizeof(struct vfio_pci_hot_reset_info) +
			RESET_FUNCTIONS * sizeof(struct vfio_pci_dependent_device)] = {0};
	struct vfio_pci_hot_reset_info *info = (struct vfio_pci_hot_reset_info *)(void *)storage;
	bool ours;
	int result;

	memset(reset, 0, sizeof(*reset));
	info->argsz = sizeof(storage);
	result = vfio_kernel_ioctl(kernel, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, info);
	if (result < 0)
		return result == -ENOSPC ? -EOPNOTSUPP : result;
	if (!info->count || info->count > RESET_FUNCTIONS)
		return -EOPNOTSUPP;
	reset->functions = info->count;
	if (!kernel->group)
		ours = info->count == 1 || hot_reset_hits_iommufd(kernel, info);
	else if (info->count == 1)
		ours = hot_reset_add_group(reset, iommu_group_fd(kernel->group));
	else
		ours = hot_reset_hits_groups(kernel, info, reset);
	return ours ? 0 : -EOPNOTSUPP;
}

static int kernel_hot_reset(struct vfio_kernel *kernel)
{
	uint32_t storage[sizeof(struct vfio_pci_hot_reset) / sizeof(uint32_t) + RESET_GROUPS] = {0};
	struct vfio_pci_hot_reset *request = (struct vfio_pci_hot_reset *)(void *)storage;
	struct hot_reset reset;
	int result = hot_reset_check(kernel, &reset);

	if (result)
		return result;
	log_debug(kernel->options.logger, kernel->name, "hot reset of %u functions",
		  reset.functions);
	request->argsz = (uint32_t)(sizeof(*request) + reset.group_count * sizeof(int));
	request->count = reset.group_count;
	memcpy(storage + sizeof(*request) / sizeof(storage[0]), reset.groups,
	       reset.group_count * sizeof(int));
	return vfio_kernel_ioctl(kernel, VFIO_DEVICE_PCI_HOT_RESET, request);
}

void vfio_kernel_warn_without_reset(struct vfio_kernel *kernel)
{
	struct hot_reset reset;

	if (!(kernel->device_flags & VFIO_DEVICE_FLAGS_RESET) && hot_reset_check(kernel, &reset))
		log_warning(kernel->options.logger, kernel->name,
			    "the host cannot reset it: it comes to the guest as its last user left "
			    "it, and may go on with that user's DMA until its driver stops it");
}

int vfio_kernel_reset(struct vfio_transport *transport)
{
	struct vfio_kernel *kernel = (struct vfio_kernel *)transport;
	int result = -ENOTTY;

	if (kernel->lost)
		return -ENODEV;
	if (transport->reset_by_power_only) {
		result = kernel_hot_reset(kernel);
		if (result >= 0 || result == -EAGAIN)
			return result < 0 ? result : 0;
		if (!kernel->weak_reset_told)
			log_warning(kernel->options.logger, kernel->name,
				    "the host can reset it by power management only (%s for a hot "
				    "reset), which may leave its DMA as its last user left it "
				    "until the guest's driver resets it; give it a slot of its own",
				    strerror(-result));
		kernel->weak_reset_told = true;
		result = -ENOTTY;
	}
	/* The flag is of the time when the device was opened; its own reset may be refused later.
	 */
	if (kernel->device_flags & VFIO_DEVICE_FLAGS_RESET)
		result = vfio_kernel_ioctl(kernel, VFIO_DEVICE_RESET, NULL);
	if (result == -ENOTTY || result == -EINVAL)
		result = kernel_hot_reset(kernel);
	return result < 0 ? result : 0;
}

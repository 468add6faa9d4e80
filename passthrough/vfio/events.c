/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "passthrough/vfio/internal.h"
#include "wire/iommufd.h"

int vfio_kernel_set_irqs(struct vfio_transport *transport, uint32_t index, uint32_t flags,
			 uint32_t start, uint32_t count, const int *fds)
{
	struct vfio_kernel *kernel = (struct vfio_kernel *)transport;
	size_t data = flags & VFIO_IRQ_SET_DATA_EVENTFD ? count * sizeof(int) : 0;
	struct vfio_irq_set *set = calloc(1, sizeof(*set) + data);
	int result;

	if (!set)
		return -ENOMEM;
	set->argsz = (uint32_t)(sizeof(*set) + data);
	set->flags = flags;
	set->index = index;
	set->start = start;
	set->count = count;
	if (data && fds)
		memcpy(set->data, fds, data);
	result = vfio_kernel_ioctl(kernel, kernel->device_fd, VFIO_DEVICE_SET_IRQS, set);
	free(set);
	return result < 0 ? result : 0;
}

static void kernel_error(void *opaque, uint32_t epoll_events)
{
	struct vfio_kernel *kernel = opaque;

	(void)epoll_events;
	if (!vfio_event_drain(&kernel->error) || kernel->lost)
		return;
	kernel->lost = true;
	if (kernel->options.events.lost)
		kernel->options.events.lost(kernel->options.events.opaque,
					    "the host reported an uncorrectable error of it");
}

static void kernel_request(void *opaque, uint32_t epoll_events)
{
	struct vfio_kernel *kernel = opaque;

	(void)epoll_events;
	if (!vfio_event_drain(&kernel->request))
		return;
	log_limited(kernel->options.logger, &kernel->limit, LOG_LEVEL_WARNING, kernel->name,
		    "the host wants the device back");
	if (kernel->options.events.requested)
		kernel->options.events.requested(kernel->options.events.opaque);
}

static void watch_one(struct vfio_kernel *kernel, struct vfio_event *event, uint32_t index,
		      event_callback callback)
{
	struct vfio_irq_info info = {.argsz = sizeof(info), .index = index};

	if (index >= kernel->num_irqs ||
	    vfio_kernel_ioctl(kernel, kernel->device_fd, VFIO_DEVICE_GET_IRQ_INFO, &info) < 0 ||
	    !info.count)
		return;
	if (!vfio_event_open(event, kernel->options.loop, callback, kernel) &&
	    vfio_kernel_set_irqs(&kernel->transport, index,
				 VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, 0, 1,
				 &event->fd))
		vfio_event_close(event);
}

void vfio_kernel_watch(struct vfio_kernel *kernel)
{
	if (!kernel->options.loop)
		return;
	watch_one(kernel, &kernel->error, VFIO_PCI_ERR_IRQ_INDEX, kernel_error);
	watch_one(kernel, &kernel->request, VFIO_PCI_REQ_IRQ_INDEX, kernel_request);
}

/*
 * The kernel waits for the last file of the device (and of its mappings, which are gone by now). A
 * vCPU may be about to read or write one of the descriptors: their numbers stay taken, by the
 * eventfd of the request, which refuses everything that is done to a device.
 */
void vfio_kernel_release(struct vfio_transport *transport)
{
	struct vfio_kernel *kernel = (struct vfio_kernel *)transport;
	const int fds[] = {kernel->device_fd, kernel->group_fd, kernel->container_fd,
			   kernel->iommufd_fd};

	kernel->lost = true;
	if (kernel->kvm_told)
		vfio_kernel_tell_kvm(kernel,
				     kernel->group_fd >= 0 ? kernel->group_fd : kernel->device_fd,
				     false);
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			kernel->system->replace(kernel->system_opaque, fds[i], kernel->request.fd);
}

void vfio_kernel_unwatch(struct vfio_kernel *kernel)
{
	vfio_event_close(&kernel->error);
	vfio_event_close(&kernel->request);
}

/*
 * Whether a bus reset hits nothing but this device and other members of its group: those are bound
 * to VFIO as well (else the group would not be viable), and nobody else can have them open while we
 * have the group. An iommufd may be shared with other devices of this machine: functions that one
 * of those has open are not for this device to reset.
 */
static bool hot_reset_is_ours(const struct vfio_kernel *kernel,
			      const struct vfio_pci_hot_reset_info *info)
{
	if (info->count == 1)
		return true;
	if (kernel->iommufd_fd >= 0) {
		if (!(info->flags & VFIO_HOT_RESET_DEV_ID) ||
		    !(info->flags & VFIO_HOT_RESET_DEV_ID_OWNED))
			return false;
		for (uint32_t i = 0; i < info->count; i++)
			if (info->devices[i].group_id != kernel->device_id &&
			    info->devices[i].group_id != VFIO_HOT_RESET_UNOPENED)
				return false;
		return info->count > 0;
	}
	if (kernel->group_fd < 0 || !kernel->group[0])
		return false;
	for (uint32_t i = 0; i < info->count; i++)
		if (info->devices[i].group_id != strtoul(kernel->group, NULL, 10))
			return false;
	return info->count > 0;
}

/* How many functions a hot reset hits, all of them ours; -EOPNOTSUPP or another -errno. */
static int hot_reset_check(struct vfio_kernel *kernel)
{
	uint8_t storage[sizeof(struct vfio_pci_hot_reset_info) +
			8 * sizeof(struct vfio_pci_dependent_device)] = {0};
	struct vfio_pci_hot_reset_info *info = (struct vfio_pci_hot_reset_info *)(void *)storage;
	int result;

	info->argsz = sizeof(storage);
	result = vfio_kernel_ioctl(kernel, kernel->device_fd, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO,
				   info);
	if (result < 0)
		return result == -ENOSPC ? -EOPNOTSUPP : result;
	return hot_reset_is_ours(kernel, info) ? (int)info->count : -EOPNOTSUPP;
}

static int kernel_hot_reset(struct vfio_kernel *kernel)
{
	uint32_t storage[4] = {0};
	struct vfio_pci_hot_reset *reset = (struct vfio_pci_hot_reset *)(void *)storage;
	int count = hot_reset_check(kernel);

	if (count < 0)
		return count;
	log_debug(kernel->options.logger, kernel->name, "hot reset of %d functions", count);
	reset->argsz = sizeof(*reset);
	if (kernel->group_fd >= 0) {
		reset->argsz += (uint32_t)sizeof(int);
		reset->count = 1;
		memcpy(storage + 3, &kernel->group_fd, sizeof(int));
	}
	return vfio_kernel_ioctl(kernel, kernel->device_fd, VFIO_DEVICE_PCI_HOT_RESET, reset);
}

void vfio_kernel_warn_without_reset(struct vfio_kernel *kernel)
{
	if (!(kernel->device_flags & VFIO_DEVICE_FLAGS_RESET) && hot_reset_check(kernel) < 0)
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
	/* The flag is of the time when the device was opened; later its own reset may be refused.
	 */
	if (kernel->device_flags & VFIO_DEVICE_FLAGS_RESET)
		result = vfio_kernel_ioctl(kernel, kernel->device_fd, VFIO_DEVICE_RESET, NULL);
	if (result == -ENOTTY || result == -EINVAL)
		result = kernel_hot_reset(kernel);
	return result < 0 ? result : 0;
}

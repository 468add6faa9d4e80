/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>

#include "passthrough/vfio/internal.h"

int vfio_kernel_ioctl(struct vfio_kernel *kernel, unsigned long request, void *argument)
{
	return vfio_system_ioctl(&kernel->system, kernel->device_fd, request, argument);
}

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
	result = vfio_kernel_ioctl(kernel, VFIO_DEVICE_SET_IRQS, set);
	free(set);
	return result < 0 ? result : 0;
}

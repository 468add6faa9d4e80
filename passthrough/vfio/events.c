/* SPDX-License-Identifier: Apache-2.0 */
#include <linux/vfio.h>

#include "passthrough/vfio/internal.h"

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
	    vfio_kernel_ioctl(kernel, VFIO_DEVICE_GET_IRQ_INFO, &info) < 0 || !info.count)
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

void vfio_kernel_unwatch(struct vfio_kernel *kernel)
{
	vfio_event_close(&kernel->error);
	vfio_event_close(&kernel->request);
}

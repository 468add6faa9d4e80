/* SPDX-License-Identifier: Apache-2.0 */
#include <linux/vfio.h>

#include "passthrough/vfio-user/internal.h"

/*
 * The interrupts of a vfio-user device that are not the guest's: an uncorrectable error (its link
 * went down, for example) and the server's wish to have the device back. As with kernel VFIO.
 */

static void events_error(void *opaque, uint32_t epoll_events)
{
	struct vfio_user_client *client = opaque;

	(void)epoll_events;
	if (vfio_event_drain(&client->error))
		vfio_user_channel_fail(&client->channel,
				       "the server reported an uncorrectable error of it");
}

static void events_request(void *opaque, uint32_t epoll_events)
{
	struct vfio_user_client *client = opaque;

	(void)epoll_events;
	if (!vfio_event_drain(&client->request) || vfio_user_channel_is_lost(&client->channel))
		return;
	log_limited(client->options.logger, &client->limit, LOG_LEVEL_WARNING, client->name,
		    "the server wants the device back");
	/* First, so that nothing that is given up waits for a server that is in a hurry, or slow.
	 */
	vfio_user_channel_fail(&client->channel, "the server took it back");
	if (client->options.events.requested)
		client->options.events.requested(client->options.events.opaque);
}

/*
 * Best effort, and without waiting for an answer: a server without these interrupts is a device
 * that never fails by itself.
 */
static void events_watch_one(struct vfio_user_client *client, struct vfio_event *event,
			     uint32_t index, event_callback callback)
{
	struct vfio_user_irq_set set = {
		.argsz = sizeof(set),
		.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = index,
		.count = 1,
	};
	struct vfio_user_call call = {
		.command = VFIO_USER_DEVICE_SET_IRQS,
		.no_reply = true,
		.fixed = &set,
		.fixed_length = sizeof(set),
		.fds = &event->fd,
		.fd_count = 1,
	};

	if (index >= client->irq_count || !client->irqs[index].count ||
	    !(client->irqs[index].flags & VFIO_IRQ_INFO_EVENTFD))
		return;
	if (!vfio_event_open(event, client->options.loop, callback, client) &&
	    vfio_user_simple_call(client, &call))
		vfio_event_close(event);
}

void vfio_user_watch(struct vfio_user_client *client)
{
	if (!client->options.loop)
		return;
	events_watch_one(client, &client->error, VFIO_PCI_ERR_IRQ_INDEX, events_error);
	events_watch_one(client, &client->request, VFIO_PCI_REQ_IRQ_INDEX, events_request);
}

void vfio_user_unwatch(struct vfio_user_client *client)
{
	vfio_event_close(&client->error);
	vfio_event_close(&client->request);
}

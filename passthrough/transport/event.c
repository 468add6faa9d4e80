/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/fd.h"
#include "passthrough/transport/event.h"

int vfio_event_open(struct vfio_event *event, struct event_loop *loop, event_callback callback,
		    void *opaque)
{
	int result;

	event->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (event->fd < 0)
		return -errno;
	result = event_loop_add(loop, event->fd, EPOLLIN, callback, opaque, &event->source);
	if (result)
		vfio_event_close(event);
	return result;
}

bool vfio_event_drain(const struct vfio_event *event)
{
	return fd_take_count(event->fd);
}

void vfio_event_close(struct vfio_event *event)
{
	event_source_remove(event->source);
	event->source = NULL;
	fd_close(&event->fd);
}

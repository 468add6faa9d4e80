/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PASSTHROUGH_TRANSPORT_EVENT_H
#define PASSTHROUGH_TRANSPORT_EVENT_H

#include <stdbool.h>

#include "core/event_loop.h"

/* An interrupt of a device that the VMM takes itself: its error and request indices. */
struct vfio_event {
	int fd; /* eventfd, -1: none; initialised by the owner */
	struct event_source *source;
};

/*
 * vfio_event_open() - @callback(@opaque) is called in @loop's thread for each signal. Returns 0,
 * -EMFILE, -ENFILE or -ENOMEM; @event is closed then.
 */
int vfio_event_open(struct vfio_event *event, struct event_loop *loop, event_callback callback,
		    void *opaque);

/* Takes what was signalled, so that one signal is one message. Returns whether there was any. */
bool vfio_event_drain(const struct vfio_event *event);

/* A closed event is allowed. In the loop's thread, or when the loop does not run. */
void vfio_event_close(struct vfio_event *event);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <sys/eventfd.h>

#include "passthrough/transport/event.h"

static void nothing(void *opaque, uint32_t events)
{
	(void)opaque;
	(void)events;
}

/* The server of a device shares the eventfd, and so its O_NONBLOCK. */
Test(vfio_event, an_eventfd_that_blocks_stops_nobody, .timeout = 10)
{
	struct vfio_event event = {.fd = -1};
	struct event_loop *loop;

	cr_assert_eq(event_loop_create(&loop), 0);
	cr_assert_eq(vfio_event_open(&event, loop, nothing, NULL), 0);
	cr_assert_eq(fcntl(event.fd, F_SETFL, 0), 0);
	cr_expect_not(vfio_event_drain(&event));
	cr_assert_eq(eventfd_write(event.fd, 3), 0);
	cr_expect(vfio_event_drain(&event));
	cr_expect_not(vfio_event_drain(&event));
	vfio_event_close(&event);
	event_loop_destroy(loop);
}

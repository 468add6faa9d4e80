/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PASSTHROUGH_VFIO_USER_CLIENT_H
#define PASSTHROUGH_VFIO_USER_CLIENT_H

#include "passthrough/transport/transport.h"

/*
 * The transport to a vfio-user server. The server may die, stall or lie at any time: the device is
 * then lost for good (there is no reconnection: a server that comes back has forgotten the device's
 * state, and a new machine or a hotplug starts afresh) and everything else goes on.
 */

/*
 * vfio_user_connect() - connect to the socket at @path and negotiate. Returns 0, -ENOENT,
 * -ECONNREFUSED, -EACCES, -ENAMETOOLONG (socket path), -EPROTO (not a server that we understand),
 * -ENODEV (it died or stalled), -ENOMEM or another errno of socket().
 */
int vfio_user_connect(const char *path, const struct vfio_transport_options *options,
		      struct vfio_transport **transport);

/* As above on a connected socket @fd, which becomes the transport's, also on failure. */
int vfio_user_attach(int fd, const struct vfio_transport_options *options,
		     struct vfio_transport **transport);

#endif

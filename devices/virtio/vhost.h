/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEVICES_VIRTIO_VHOST_H
#define DEVICES_VIRTIO_VHOST_H

#include "devices/virtio/device.h"

/*
 * What the vhost devices of the kernel have in common (linux/vhost.h): the kernel serves queues by
 * itself, with the kick and call eventfds of the transport. A struct of one owner; not locked.
 */
struct vhost {
	int fd; /* -1: none */
	uint64_t features;
	bool started;
	uint16_t base[4]; /* where each queue goes on after a stop */
};

/* Open @path and become the owner. Returns 0 or -errno; fd is -1 then. */
int vhost_open(struct vhost *vhost, const char *path);
void vhost_close(struct vhost *vhost);

/*
 * vhost_start() - tell the kernel the memory, the features and the first device->kernel_queues
 * queues, which continue at base[]. Queues that the driver did not enable are left out. The caller
 * then sets the backend. Returns 0 or -errno.
 */
int vhost_start(struct vhost *vhost, struct virtio_device *device);

/* After the caller took the backend away: remember where the queues are. */
void vhost_stop(struct vhost *vhost, struct virtio_device *device);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEVICES_VIRTIO_CONSOLE_H
#define DEVICES_VIRTIO_CONSOLE_H

#include "devices/virtio/device.h"

/* One console port (virtio 1.2, 5.3), hvc0 in Linux, between two file descriptors. */
struct virtio_console_options {
	struct virtio_environment environment;
	const char *name; /* "console0"; copied */
	int input_fd;     /* host to guest; -1: none. Stays the caller's */
	int output_fd;    /* guest to host; -1: dropped. Stays the caller's; may equal input_fd */
	uint16_t columns; /* 0: VIRTIO_CONSOLE_F_SIZE is not offered */
	uint16_t rows;
};

/* Returns 0 or -ENOMEM. */
int virtio_console_create(const struct virtio_console_options *options,
			  struct virtio_device **device);

/* The host's terminal changed its size. Any thread. */
void virtio_console_resize(struct virtio_device *device, uint16_t columns, uint16_t rows);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEVICES_VIRTIO_RNG_H
#define DEVICES_VIRTIO_RNG_H

#include "devices/virtio/device.h"

/* Entropy (virtio 1.2, 5.4) from getrandom(2). */
struct virtio_rng_options {
	struct virtio_environment environment;
	const char *name; /* "rng0"; copied */
};

/* Returns 0 or -ENOMEM. */
int virtio_rng_create(const struct virtio_rng_options *options, struct virtio_device **device);

#endif

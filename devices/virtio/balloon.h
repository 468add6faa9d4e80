/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEVICES_VIRTIO_BALLOON_H
#define DEVICES_VIRTIO_BALLOON_H

#include "devices/virtio/device.h"

/*
 * The memory balloon (virtio 1.2, 5.5). Inflated and reported pages are given back to the host with
 * MADV_DONTNEED (private) or MADV_REMOVE (shared); only whole pages of the backing, so hugetlb
 * blocks give back nothing smaller than their page.
 */
struct virtio_balloon_options {
	struct virtio_environment environment;
	const char *name; /* "balloon0"; copied */
	uint64_t size;    /* bytes to take from the guest at start; multiple of 4096 */
	bool deflate_on_oom;
	bool free_page_reporting;
	/* Devices that are passed through keep all RAM pinned: count, but give nothing back. */
	bool keep_pages;
	bool statistics; /* ask the guest for its memory statistics on demand */
};

/* Returns 0, -EINVAL (size) or -ENOMEM. */
int virtio_balloon_create(const struct virtio_balloon_options *options,
			  struct virtio_device **device);

/* Ask for another size. Returns 0 or -EINVAL (no multiple of 4096, more than RAM). Any thread. */
int virtio_balloon_set_size(struct virtio_device *device, uint64_t size);

/* What is asked for and what the driver says it gave. Any thread. */
void virtio_balloon_get_size(struct virtio_device *device, uint64_t *target, uint64_t *actual);

#define VIRTIO_BALLOON_STATISTICS 16u

/* The last statistics; entry i is tag i of virtio 1.2, 5.5.6.3, UINT64_MAX when not told. Asks the
 * guest for new ones. Returns 0, -ENODATA (none yet) or
 * -ENOTSUP (not enabled). Any thread. */
int virtio_balloon_get_statistics(struct virtio_device *device,
				  uint64_t statistics[VIRTIO_BALLOON_STATISTICS]);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEVICES_VIRTIO_BLK_H
#define DEVICES_VIRTIO_BLK_H

#include "devices/virtio/rate_limiter.h"
#include "devices/virtio/device.h"

/*
 * A disk (virtio 1.2, 5.2) on a raw file or a block device. Requests of one batch go to the kernel
 * with one io_uring_enter, are completed in a batch and announced with one interrupt; where
 * io_uring is not permitted the same requests are done with preadv2/pwritev2 in the loop's thread.
 * Features: RO, FLUSH, DISCARD, WRITE_ZEROES, BLK_SIZE, TOPOLOGY, SEG_MAX, MQ, CONFIG_WCE is not
 * offered (the cache is write-back; the driver flushes).
 */
struct virtio_blk_options {
	struct virtio_environment environment;
	const char *name; /* "disk0"; copied */
	const char *path; /* of the image; copied; also in messages when fd is given */
	int fd;           /* -1: open path; else the open image, owned by the device on success */
	bool readonly;    /* opened O_RDONLY, VIRTIO_BLK_F_RO */
	bool direct;      /* O_DIRECT; its alignment becomes the disk's logical block size */
	bool no_lock;     /* else: an OFD lock, shared when readonly, exclusive if not */
	bool no_io_uring; /* always preadv/pwritev */
	uint16_t num_queues; /* 0: 1; at most 64 */
	uint16_t queue_size; /* 0: 256; power of two */
	const char *serial;  /* NULL, or up to 20 bytes of ASCII; default: the name */
	struct rate_limiter_options rate_limiter;
};

/*
 * Returns 0; -ENOENT, -EACCES, -EISDIR ... of open; -EINVAL (not a multiple of 512 bytes, empty,
 * neither file nor block device, bad serial or queue numbers); -EBUSY (locked by another process);
 * -ENOMEM. The log names path, operation, cause and what would fix it.
 */
int virtio_blk_create(const struct virtio_blk_options *options, struct virtio_device **device);

/*
 * virtio_blk_foreign_format() - the name of a format that is not raw, by the first bytes of the
 * image @fd, which may be read in blocks of @block_size only; NULL: none that is known.
 */
const char *virtio_blk_foreign_format(int fd, uint32_t block_size);

/*
 * virtio_blk_prepare() - make the ring now, in the thread that runs the environment's loop and
 * before a filter forbids it; else the first kick does. Where rings are forbidden or too old to be
 * restricted to the disk's own requests, the disk works without one. Returns 0 or -errno of
 * eventfd(2).
 */
int virtio_blk_prepare(struct virtio_device *device);

#endif

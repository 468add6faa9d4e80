/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEVICES_VIRTIO_BLK_INTERNAL_H
#define DEVICES_VIRTIO_BLK_INTERNAL_H

#include <liburing.h>
#include <linux/virtio_blk.h>
#include <sys/types.h>

#include "devices/virtio/blk.h"

#define BLK_SECTOR     512u
#define BLK_MAX_QUEUES 64u

/* virtio_blk_image.c: the file behind the disk. */
struct blk_image {
	int fd;
	char *path;
	bool readonly;
	bool direct;
	bool block_device;
	bool locked;                  /* by blk_image_open() */
	uint64_t size;                /* bytes, multiple of block_size */
	uint32_t block_size;          /* logical: what the guest is told */
	uint32_t physical_block_size; /* topology */
};

/* As virtio_blk_create(); logs. blk_image_close() is allowed on { .fd = -1 }. */
int blk_image_open(struct blk_image *image, const struct virtio_blk_options *options,
		   const char *name);
void blk_image_close(struct blk_image *image);

struct blk_request {
	struct blk_request *next; /* free list */
	uint16_t queue;
	uint16_t head;
	uint32_t type;        /* VIRTIO_BLK_T_* */
	uint8_t *status;      /* in guest memory */
	struct iovec *iovecs; /* room for any chain */
	struct iovec *data;   /* what is left to transfer, inside iovecs */
	uint32_t data_count;
	uint32_t written; /* bytes that the driver gets besides the status */
	uint64_t offset;  /* in the image, of what is left */
	uint64_t bytes;   /* left */
	int fallocate_mode;
	uint8_t *bounce; /* aligned copy for O_DIRECT, or NULL */
	struct iovec bounce_iov;
	uint32_t bounce_bytes; /* of the guest's buffers that iovecs describes */
	struct iovec *guest;   /* them */
	uint32_t guest_count;
};

struct blk_queue {
	struct blk_request *requests;
	struct iovec *iovecs;
	struct blk_request *free;
	bool pending; /* the driver said that there is more */
	bool dirty;   /* something was pushed since the last interrupt */
};

enum blk_counter {
	BLK_READ_BYTES,
	BLK_WRITE_BYTES,
	BLK_READS,
	BLK_WRITES,
	BLK_FLUSHES,
	BLK_DISCARDS,
	BLK_ERRORS,
	BLK_THROTTLED,
	BLK_COUNTERS,
};

struct blk {
	struct virtio_device device;
	char *name;
	struct blk_image image;
	struct virtio_blk_config config;
	char serial[VIRTIO_BLK_ID_BYTES];
	bool use_ring;
	struct virtio_counter counters[BLK_COUNTERS];
	struct log_ratelimit io_limit;

	/* Below: owned by whoever may run the queues (the loop's thread, or reset and pause). */
	bool prepared;
	bool ring_ready;
	struct io_uring ring;
	int completion_fd;
	struct event_source *completion_source;
	struct event_source *timer;
	bool timer_armed;
	struct blk_queue *queues;
	uint32_t in_flight;
	struct rate_limiter limiter;
	struct blk_request *throttled; /* popped and waiting for tokens */
	uint8_t *zeroes;               /* for write-zeroes without kernel support */
};

static inline void blk_count(struct blk *blk, enum blk_counter counter, uint64_t amount)
{
	atomic_fetch_add_explicit(&blk->counters[counter].value, amount, memory_order_relaxed);
}

/*
 * virtio_blk_request.c: one request, independent of how it reaches the kernel.
 * blk_request_parse(): 1: transfer it; 0: it is answered already (*status is set); -EPROTO: the
 * chain is no request at all. blk_request_result() digests the kernel's answer: true when what is
 * left must be transferred (again); else *status is final.
 */
int blk_request_parse(struct blk *blk, struct blk_request *request, struct virtqueue_chain *chain,
		      uint8_t *status);
bool blk_request_result(struct blk *blk, struct blk_request *request, ssize_t result,
			uint8_t *status);
void blk_request_finish(struct blk *blk, struct blk_request *request, uint8_t status);

/* virtio_blk_engine.c: the path to the kernel. */
int blk_engine_prepare(struct blk *blk);
/* Only the ring, which is for good: use_ring is false when there is none. Returns 0 or -errno. */
int blk_engine_prepare_ring(struct blk *blk);
void blk_engine_release(struct blk *blk);
/* Queue (or do at once) a parsed request. */
void blk_engine_submit(struct blk *blk, struct blk_request *request);
/* Hand what was queued to the kernel: one system call. */
void blk_engine_flush(struct blk *blk);
/* Complete what is done. Returns how many. */
unsigned int blk_engine_reap(struct blk *blk);
/*
 * Wait for all that is in flight. @finish: what came back short is transferred to its end; else it
 * is dropped. Any thread: it polls, because only the loop's thread may call io_uring_enter.
 */
void blk_engine_drain(struct blk *blk, bool finish);
/* Completions signal completion_fd only while nobody looks anyway. Returns true when some are
 * there already after arming. */
bool blk_engine_arm(struct blk *blk, bool armed);

#endif

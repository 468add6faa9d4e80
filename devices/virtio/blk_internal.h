/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEVICES_VIRTIO_BLK_INTERNAL_H
#define DEVICES_VIRTIO_BLK_INTERNAL_H

#include <liburing.h>
#include <linux/virtio_blk.h>
#include <sys/types.h>

#include "core/budget.h"
#include "devices/virtio/blk.h"

#define BLK_SECTOR     512u
#define BLK_MAX_QUEUES 64u
/* What the kernel gets of a request at once: a guest may ask for 4 GiB, and a stop waits for it. */
#define BLK_PIECE 1048576u

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
	bool copied;         /* buffers that O_DIRECT does not take: each piece has a copy */
	bool resumed;        /* a piece of it is done */
	uint8_t *copy;       /* aligned, of the piece that is under way; or NULL */
	uint32_t copy_bytes; /* a guarantee, not part of the quota, when copy_free is set */
	bool copy_free;
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
	struct blk_request *todo;      /* a piece of them is next, first come first served */
	struct blk_request *todo_last;
	uint32_t copies; /* pieces under way that have one */
	bool stuck;      /* the kernel did not give requests back: for good */
	uint8_t *zeroes; /* for write-zeroes without kernel support */
};

static inline void blk_count(struct blk *blk, enum blk_counter counter, uint64_t amount)
{
	atomic_fetch_add_explicit(&blk->counters[counter].value, amount, memory_order_relaxed);
}

/*
 * virtio_blk_request.c: one request, independent of how it reaches the kernel.
 * blk_request_parse(): 1: transfer it; 0: it is answered already (*status is set); -EPROTO: the
 * chain is no request at all. blk_request_result() digests the kernel's answer to a piece: true
 * when what is left must be transferred; else *status is final.
 */
int blk_request_parse(struct blk *blk, struct blk_request *request, struct virtqueue_chain *chain,
		      uint8_t *status);
/*
 * blk_request_piece() - what of it goes to the kernel next: whole buffers up to BLK_PIECE bytes, or
 * the beginning of a larger one, or a copy. Returns false when it needs a copy for which there is
 * no memory now.
 */
struct blk_piece {
	const struct iovec *iov; /* the request's own, or &one */
	unsigned int count;
	uint64_t bytes;
	struct iovec one;
};
bool blk_request_piece(struct blk *blk, struct blk_request *request, struct blk_piece *piece);
bool blk_request_result(struct blk *blk, struct blk_request *request, ssize_t result,
			uint8_t *status);
void blk_request_finish(struct blk *blk, struct blk_request *request, uint8_t status);

/* virtio_blk_engine.c: the path to the kernel. */
int blk_engine_prepare(struct blk *blk);
/* Only the ring, which is for good: use_ring is false when there is none. Returns 0 or -errno. */
int blk_engine_prepare_ring(struct blk *blk);
void blk_engine_release(struct blk *blk);
/* Put a parsed request, or what is left of one, behind those that wait for blk_engine_work(). */
void blk_engine_submit(struct blk *blk, struct blk_request *request);
/*
 * Begin (or without a ring do) the next pieces of the requests that wait, within the budget.
 * Returns how many. Some stay when the memory for copies is used up: those under way give it back.
 */
unsigned int blk_engine_work(struct blk *blk, struct budget *budget);
/* Hand what was queued to the kernel: one system call. */
void blk_engine_flush(struct blk *blk);
/* Complete what is done. Returns how many. */
unsigned int blk_engine_reap(struct blk *blk);
/*
 * Wait for all that is in flight, at most BLK_DRAIN_MS. @finish: what is left of requests is
 * transferred as far as the time allows and then waits for blk_engine_work(); else it is dropped.
 * Any thread: it polls, because only the loop's thread may call io_uring_enter. Returns false when
 * the kernel did not give all back (the host's storage hangs): the disk is stuck, and what the
 * requests use must stay as it is.
 */
#define BLK_DRAIN_MS 10000u
bool blk_engine_drain(struct blk *blk, bool finish);
/* Completions signal completion_fd only while nobody looks anyway. Returns true when some are
 * there already after arming. */
bool blk_engine_arm(struct blk *blk, bool armed);

#endif

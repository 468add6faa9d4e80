/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/fd.h"
#include "devices/virtio/blk_internal.h"

#define SUBMISSION_ENTRIES 256u
#define REAP_BATCH         64u
#define DRAIN_POLL_MS      1000

/* What becomes of a request whose transfer has to go on. */
enum blk_rest {
	BLK_REST_LATER,   /* it waits for its turn */
	BLK_REST_AT_ONCE, /* here and now, without the ring, while there is time */
	BLK_REST_DROP,    /* nobody waits for it any more */
};

static bool is_transfer(const struct blk_request *request)
{
	return request->type == VIRTIO_BLK_T_IN || request->type == VIRTIO_BLK_T_OUT;
}

/*
 * The next piece, without the ring. Returns -EAGAIN when there is no memory for a copy now, 1 when
 * more of the request is left, 0 when *@status is final.
 */
static int do_piece(struct blk *blk, struct blk_request *request, uint64_t *bytes, uint8_t *status)
{
	struct blk_piece piece = {.count = 0};
	int fd = blk->image.fd;
	ssize_t result;

	if (is_transfer(request) && !blk_request_piece(blk, request, &piece))
		return -EAGAIN;
	switch (request->type) {
	case VIRTIO_BLK_T_IN:
		result = preadv(fd, piece.iov, (int)piece.count, (off_t)request->offset);
		break;
	case VIRTIO_BLK_T_OUT:
		result = pwritev(fd, piece.iov, (int)piece.count, (off_t)request->offset);
		break;
	case VIRTIO_BLK_T_FLUSH:
		result = fdatasync(fd);
		break;
	default:
		result = fallocate(fd, request->fallocate_mode, (off_t)request->offset,
				   (off_t)request->bytes);
		break;
	}
	*bytes = piece.bytes;
	return blk_request_result(blk, request, result < 0 ? -errno : result, status);
}

/* To the end of the request, or the time. True: *@status is final. */
static bool do_synchronously(struct blk *blk, struct blk_request *request, uint64_t end_ms,
			     uint8_t *status)
{
	uint64_t bytes;
	int result;

	do
		result = do_piece(blk, request, &bytes, status);
	while (result > 0 && clock_now_ms() < end_ms);
	return result == 0;
}

static struct io_uring_sqe *next_entry(struct blk *blk)
{
	struct io_uring_sqe *entry = io_uring_get_sqe(&blk->ring);

	if (!entry && io_uring_submit(&blk->ring) >= 0)
		entry = io_uring_get_sqe(&blk->ring);
	return entry;
}

/* The next piece, by the ring. -EAGAIN: there is no memory for a copy, or no room in the ring. */
static int submit_piece(struct blk *blk, struct blk_request *request, uint64_t *bytes)
{
	struct blk_piece piece = {.count = 0};
	struct io_uring_sqe *entry;

	if (is_transfer(request) && !blk_request_piece(blk, request, &piece))
		return -EAGAIN;
	entry = next_entry(blk);
	if (!entry)
		return -EAGAIN;
	/* Descriptor 0 is the registered image: the kernel need not look it up each time. */
	switch (request->type) {
	case VIRTIO_BLK_T_IN:
		if (piece.count == 1)
			io_uring_prep_read(entry, 0, piece.iov->iov_base,
					   (unsigned int)piece.iov->iov_len, request->offset);
		else
			io_uring_prep_readv(entry, 0, piece.iov, piece.count, request->offset);
		break;
	case VIRTIO_BLK_T_OUT:
		if (piece.count == 1)
			io_uring_prep_write(entry, 0, piece.iov->iov_base,
					    (unsigned int)piece.iov->iov_len, request->offset);
		else
			io_uring_prep_writev(entry, 0, piece.iov, piece.count, request->offset);
		break;
	case VIRTIO_BLK_T_FLUSH:
		io_uring_prep_fsync(entry, 0, IORING_FSYNC_DATASYNC);
		break;
	default:
		io_uring_prep_fallocate(entry, 0, request->fallocate_mode, (off_t)request->offset,
					(off_t)request->bytes);
		break;
	}
	entry->flags |= IOSQE_FIXED_FILE;
	/* What the page cache has is else copied by this thread, in the middle of its turn. */
	if (request->resumed || piece.bytes < request->bytes)
		entry->flags |= IOSQE_ASYNC;
	io_uring_sqe_set_data(entry, request);
	blk->in_flight++;
	*bytes = piece.bytes;
	return 0;
}

void blk_engine_submit(struct blk *blk, struct blk_request *request)
{
	request->next = NULL;
	if (blk->todo)
		blk->todo_last->next = request;
	else
		blk->todo = request;
	blk->todo_last = request;
}

/* One piece of the first request that waits. -EAGAIN: it goes on waiting. */
static int work_first(struct blk *blk, uint64_t *bytes)
{
	struct blk_request *request = blk->todo;
	uint8_t status = VIRTIO_BLK_S_IOERR;
	int result = blk->ring_ready ? submit_piece(blk, request, bytes)
				     : do_piece(blk, request, bytes, &status);

	/* Nothing of this disk is under way that would give memory back: there is none. */
	if (result == -EAGAIN && request->copied && !request->copy && !blk->copies)
		result = 0;
	else if (result == -EAGAIN || result > 0)
		return result;
	else if (blk->ring_ready)
		request = NULL; /* the kernel's now */
	blk->todo = blk->todo->next;
	if (request)
		blk_request_finish(blk, request, status);
	return result;
}

unsigned int blk_engine_work(struct blk *blk, struct budget *budget)
{
	unsigned int count = 0;
	uint64_t bytes = 0;

	while (blk->todo && !budget_spent(budget) && work_first(blk, &bytes) >= 0) {
		budget_charge(budget, 1, bytes);
		count++;
	}
	return count;
}

void blk_engine_flush(struct blk *blk)
{
	if (!blk->ring_ready || io_uring_sq_ready(&blk->ring) == 0)
		return;
	if (io_uring_submit(&blk->ring) < 0 && blk->completion_fd >= 0) {
		uint64_t one = 1;
		ssize_t n = write(blk->completion_fd, &one, sizeof(one)); /* try again soon */

		(void)n;
	}
}

static void transfer_rest(struct blk *blk, struct blk_request *request, enum blk_rest rest,
			  uint64_t end_ms)
{
	uint8_t status = VIRTIO_BLK_S_IOERR;

	if (rest == BLK_REST_DROP ||
	    (rest == BLK_REST_AT_ONCE && do_synchronously(blk, request, end_ms, &status)))
		blk_request_finish(blk, request, status);
	else
		blk_engine_submit(blk, request);
}

static unsigned int reap(struct blk *blk, enum blk_rest rest, uint64_t end_ms)
{
	struct io_uring_cqe *entries[REAP_BATCH];
	unsigned int total = 0, count, i;

	if (!blk->ring_ready || blk->in_flight == 0)
		return 0;
	while ((count = io_uring_peek_batch_cqe(&blk->ring, entries, REAP_BATCH)) > 0) {
		for (i = 0; i < count; i++) {
			struct blk_request *request = io_uring_cqe_get_data(entries[i]);
			uint8_t status = VIRTIO_BLK_S_IOERR;

			blk->in_flight--;
			if (blk_request_result(blk, request, entries[i]->res, &status))
				transfer_rest(blk, request, rest, end_ms);
			else
				blk_request_finish(blk, request, status);
		}
		io_uring_cq_advance(&blk->ring, count);
		total += count;
	}
	return total;
}

unsigned int blk_engine_reap(struct blk *blk)
{
	return reap(blk, BLK_REST_LATER, 0);
}

/* Entries that the kernel has not taken, because io_uring_enter failed: it reads the tail there
 * only, so they can be taken back. */
static void take_back_unsubmitted(struct blk *blk, enum blk_rest rest, uint64_t end_ms)
{
	struct io_uring_sq *queue = &blk->ring.sq;
	unsigned int taken = *queue->khead, end = queue->sqe_tail;

	queue->sqe_head = queue->sqe_tail = taken;
	*queue->ktail = taken;
	for (; taken != end; taken++) {
		const struct io_uring_sqe *entry = &queue->sqes[taken & queue->ring_mask];

		blk->in_flight--;
		transfer_rest(blk, (struct blk_request *)(uintptr_t)entry->user_data, rest, end_ms);
	}
}

/* Requests that no piece of is under way. */
static void drain_todo(struct blk *blk, enum blk_rest rest, uint64_t end_ms)
{
	struct blk_request *request = blk->todo;

	blk->todo = NULL;
	while (request) {
		struct blk_request *next = request->next;

		transfer_rest(blk, request, rest, end_ms);
		request = next;
	}
}

bool blk_engine_drain(struct blk *blk, bool finish)
{
	enum blk_rest rest = finish ? BLK_REST_AT_ONCE : BLK_REST_DROP;
	struct pollfd done = {.fd = blk->completion_fd, .events = POLLIN};
	uint64_t end_ms = clock_now_ms() + BLK_DRAIN_MS;

	if (blk->ring_ready)
		take_back_unsubmitted(blk, rest, end_ms);
	while (blk->in_flight) {
		eventfd_t signals;

		/* In this order: what completes after the look signals once more. */
		io_uring_cq_eventfd_toggle(&blk->ring, true);
		(void)eventfd_read(blk->completion_fd, &signals);
		atomic_thread_fence(memory_order_seq_cst);
		if (reap(blk, rest, end_ms))
			continue;
		if (clock_now_ms() >= end_ms)
			return false;
		(void)poll(&done, 1, DRAIN_POLL_MS);
	}
	drain_todo(blk, rest, end_ms);
	return true;
}

bool blk_engine_arm(struct blk *blk, bool armed)
{
	if (!blk->ring_ready)
		return false;
	io_uring_cq_eventfd_toggle(&blk->ring, armed);
	if (!armed)
		return false;
	/* The flag before the look: whatever completes from now on signals. */
	atomic_thread_fence(memory_order_seq_cst);
	return io_uring_cq_ready(&blk->ring) > 0;
}

static struct io_uring_restriction allow(uint8_t operation)
{
	return (struct io_uring_restriction){.opcode = IORING_RESTRICTION_SQE_OP,
					     .sqe_op = operation};
}

/*
 * What is done by a ring passes by seccomp. So this one does what a disk needs, on the registered
 * image only, and takes no registration ever after. It is not usable before this.
 */
static int restrict_ring(struct blk *blk)
{
	struct io_uring_restriction rules[8];
	unsigned int count = 0;

	memset(rules, 0, sizeof(rules));
	rules[count++] = (struct io_uring_restriction){
		.opcode = IORING_RESTRICTION_SQE_FLAGS_REQUIRED, .sqe_flags = IOSQE_FIXED_FILE};
	rules[count++] = (struct io_uring_restriction){
		.opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED, .sqe_flags = IOSQE_ASYNC};
	rules[count++] = allow(IORING_OP_READ);
	rules[count++] = allow(IORING_OP_READV);
	rules[count++] = allow(IORING_OP_FSYNC);
	if (!blk->image.readonly) {
		rules[count++] = allow(IORING_OP_WRITE);
		rules[count++] = allow(IORING_OP_WRITEV);
		rules[count++] = allow(IORING_OP_FALLOCATE);
	}
	/* Without the library's functions for it: 2.3 declares but does not export them. */
	if (syscall(SYS_io_uring_register, blk->ring.ring_fd, IORING_REGISTER_RESTRICTIONS, rules,
		    count) ||
	    syscall(SYS_io_uring_register, blk->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL,
		    0))
		return -errno;
	return 0;
}

static void prepare_ring(struct blk *blk)
{
	struct io_uring_params parameters = {.flags =
						     IORING_SETUP_CQSIZE | IORING_SETUP_R_DISABLED};
	uint32_t total = (uint32_t)blk->device.queue_count * blk->device.queue_max_size;
	uint32_t entries = total < SUBMISSION_ENTRIES ? total : SUBMISSION_ENTRIES;
	int result;

	/* One request is one entry: with room for all of them nothing can overflow. */
	parameters.cq_entries = total < entries * 2 ? entries * 2 : total;
	result = io_uring_queue_init_params(entries, &blk->ring, &parameters);
	if (result)
		goto no_ring;
	result = io_uring_register_files(&blk->ring, &blk->image.fd, 1);
	if (!result)
		result = io_uring_register_eventfd(&blk->ring, blk->completion_fd);
	if (!result)
		result = restrict_ring(blk);
	if (result) {
		io_uring_queue_exit(&blk->ring);
		goto no_ring;
	}
	blk->ring_ready = true;
	return;
no_ring:
	log_info(blk->device.environment.logger, blk->name,
		 "disk %s: io_uring: %s; using preadv and pwritev", blk->image.path,
		 strerror(-result));
	blk->use_ring = false;
}

int blk_engine_prepare_ring(struct blk *blk)
{
	if (blk->completion_fd < 0)
		blk->completion_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (blk->completion_fd < 0)
		return -errno;
	if (blk->use_ring && !blk->ring_ready)
		prepare_ring(blk);
	return 0;
}

int blk_engine_prepare(struct blk *blk)
{
	uint16_t size = blk->device.queue_max_size, q, i;
	uint32_t room = VIRTQUEUE_CHAIN_IOVECS(size);
	int result = blk_engine_prepare_ring(blk);

	if (result)
		return result;
	if (!blk->queues) {
		blk->queues = calloc(blk->device.queue_count, sizeof(*blk->queues));
		if (!blk->queues)
			return -ENOMEM;
	}
	for (q = 0; q < blk->device.queue_count; q++) {
		struct blk_queue *queue = &blk->queues[q];

		/* Large and untouched: only what is used at once becomes resident. */
		if (!queue->requests)
			queue->requests = calloc(size, sizeof(*queue->requests));
		if (!queue->iovecs)
			queue->iovecs = calloc((size_t)size * room, sizeof(*queue->iovecs));
		if (!queue->requests || !queue->iovecs)
			return -ENOMEM;
		queue->free = NULL;
		for (i = size; i-- > 0;) {
			queue->requests[i].queue = q;
			queue->requests[i].iovecs = queue->iovecs + (size_t)i * room;
			queue->requests[i].next = queue->free;
			queue->free = &queue->requests[i];
		}
		queue->pending = false;
		queue->dirty = false;
	}
	return 0;
}

void blk_engine_release(struct blk *blk)
{
	uint16_t q;

	/* The kernel still reads and writes by them. */
	if (blk->stuck)
		return;
	if (blk->ring_ready)
		io_uring_queue_exit(&blk->ring);
	blk->ring_ready = false;
	fd_close(&blk->completion_fd);
	for (q = 0; blk->queues && q < blk->device.queue_count; q++) {
		free(blk->queues[q].requests);
		free(blk->queues[q].iovecs);
	}
	free(blk->queues);
	blk->queues = NULL;
	free(blk->zeroes);
	blk->zeroes = NULL;
}

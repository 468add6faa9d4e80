/* SPDX-License-Identifier: Apache-2.0 */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/falloc.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "core/atomics.h"
#include "devices/virtio/blk_internal.h"

/* Requests as virtio 1.2, 5.2.6 describes them; no assumption about how they are cut into
 * descriptors (2.7.4). */

#define HEADER_BYTES     16u
#define ZERO_BUFFER      65536u
#define MEMORY_ALIGNMENT 512u

/* Drop @bytes at the front of an array of iovecs. */
static void strip_front(struct iovec **iov, uint32_t *count, uint64_t bytes)
{
	while (*count && bytes >= (*iov)->iov_len) {
		bytes -= (*iov)->iov_len;
		(*iov)++;
		(*count)--;
	}
	if (*count && bytes) {
		(*iov)->iov_base = (uint8_t *)(*iov)->iov_base + bytes;
		(*iov)->iov_len -= bytes;
	}
}

static bool in_range(const struct blk *blk, uint64_t sector, uint64_t bytes)
{
	uint64_t sectors = blk->image.size / BLK_SECTOR;

	return sector <= sectors && bytes / BLK_SECTOR <= sectors - sector &&
	       bytes % blk->image.block_size == 0 &&
	       sector * BLK_SECTOR % blk->image.block_size == 0;
}

static bool aligned_for_direct(const struct blk *blk, const struct blk_request *request)
{
	uint32_t i;

	for (i = 0; i < request->data_count; i++)
		if ((uintptr_t)request->data[i].iov_base % MEMORY_ALIGNMENT ||
		    request->data[i].iov_len % blk->image.block_size)
			return false;
	return true;
}

/*
 * O_DIRECT wants aligned memory; guests rarely use other, so a copy is good enough. Each device may
 * have one whatever the others hold: it gets on.
 */
static bool make_copy(struct blk *blk, struct blk_request *request, uint32_t bytes)
{
	struct quota *quota = blk->device.environment.copies;
	bool within = !quota || quota_take(quota, bytes);
	void *copy;

	if (!within && blk->copies)
		return false;
	if (posix_memalign(&copy, 4096, bytes)) {
		if (within && quota)
			quota_give(quota, bytes);
		return false;
	}
	request->copy = copy;
	request->copy_bytes = bytes;
	request->copy_free = !within || !quota;
	blk->copies++;
	if (request->type == VIRTIO_BLK_T_OUT)
		virtqueue_iov_read(request->data, request->data_count, 0, copy, bytes);
	return true;
}

static void drop_copy(struct blk *blk, struct blk_request *request)
{
	if (!request->copy)
		return;
	free(request->copy);
	request->copy = NULL;
	blk->copies--;
	if (!request->copy_free)
		quota_give(blk->device.environment.copies, request->copy_bytes);
}

bool blk_request_piece(struct blk *blk, struct blk_request *request, struct blk_piece *piece)
{
	uint64_t bytes = request->bytes < BLK_PIECE ? request->bytes : BLK_PIECE;

	*piece = (struct blk_piece){.iov = &piece->one, .count = 1, .bytes = bytes};
	if (request->copied) {
		if (!request->copy && !make_copy(blk, request, (uint32_t)bytes))
			return false;
		piece->bytes = request->copy_bytes;
		piece->one = (struct iovec){request->copy, request->copy_bytes};
		return true;
	}
	if (request->data_count && request->data[0].iov_len > BLK_PIECE) {
		piece->one = (struct iovec){request->data[0].iov_base, BLK_PIECE};
		return true;
	}
	*piece = (struct blk_piece){.iov = request->data};
	while (piece->count < request->data_count && piece->count < IOV_MAX &&
	       piece->bytes + request->data[piece->count].iov_len <= BLK_PIECE)
		piece->bytes += request->data[piece->count++].iov_len;
	return true;
}

static int parse_transfer(struct blk *blk, struct blk_request *request, uint64_t sector,
			  uint8_t *status)
{
	bool write = request->type == VIRTIO_BLK_T_OUT;

	*status = VIRTIO_BLK_S_IOERR;
	if ((write && blk->image.readonly) || !in_range(blk, sector, request->bytes)) {
		blk_count(blk, BLK_ERRORS, 1);
		log_limited(blk->device.environment.logger, &blk->io_limit, LOG_LEVEL_WARNING,
			    blk->name,
			    "disk %s: %s of %" PRIu64 " bytes at sector %" PRIu64 " refused: %s",
			    blk->image.path, write ? "write" : "read", request->bytes, sector,
			    write && blk->image.readonly
				    ? "the disk is read-only"
				    : "beyond the end or no multiple of the block size");
		return 0;
	}
	blk_count(blk, write ? BLK_WRITES : BLK_READS, 1);
	if (request->bytes == 0) {
		*status = VIRTIO_BLK_S_OK;
		return 0;
	}
	request->offset = sector * BLK_SECTOR;
	request->written = write ? 0 : (uint32_t)request->bytes;
	request->copied = blk->image.direct && !aligned_for_direct(blk, request);
	return 1;
}

/* DISCARD and WRITE_ZEROES carry segments; max_*_seg is 1 (5.2.6.2: more is not allowed). */
static int parse_range(struct blk *blk, struct blk_request *request, uint8_t *status)
{
	struct virtio_blk_discard_write_zeroes segment;
	bool zeroes = request->type == VIRTIO_BLK_T_WRITE_ZEROES;
	uint32_t flags, limit;
	uint64_t sector, bytes;

	*status = VIRTIO_BLK_S_UNSUPP;
	if (request->bytes != sizeof(segment) ||
	    virtqueue_iov_read(request->data, request->data_count, 0, &segment, sizeof(segment)) !=
		    sizeof(segment))
		return 0;
	flags = le32toh(segment.flags);
	if (flags & (zeroes ? ~(uint32_t)VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : ~0u))
		return 0; /* 5.2.6.2: unknown flags, or unmap on a discard */
	*status = VIRTIO_BLK_S_IOERR;
	sector = le64toh(segment.sector);
	bytes = (uint64_t)le32toh(segment.num_sectors) * BLK_SECTOR;
	limit = le32toh(zeroes ? blk->config.max_write_zeroes_sectors
			       : blk->config.max_discard_sectors);
	if (blk->image.readonly || bytes / BLK_SECTOR > limit || !in_range(blk, sector, bytes)) {
		blk_count(blk, BLK_ERRORS, 1);
		return 0;
	}
	blk_count(blk, BLK_DISCARDS, 1);
	request->offset = sector * BLK_SECTOR;
	request->bytes = bytes;
	request->fallocate_mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	if (zeroes && !(flags & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP))
		request->fallocate_mode = FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE;
	if (bytes == 0) {
		*status = VIRTIO_BLK_S_OK;
		return 0;
	}
	return 1;
}

int blk_request_parse(struct blk *blk, struct blk_request *request, struct virtqueue_chain *chain,
		      uint8_t *status)
{
	struct virtio_blk_outhdr header;
	struct iovec *out = chain->iov, *in = chain->iov + chain->out_count;
	uint32_t out_count = chain->out_count, in_count = chain->in_count;

	request->head = chain->head;
	request->written = 0;
	request->copied = false;
	request->resumed = false;
	request->copy = NULL;
	request->fallocate_mode = 0;
	if (chain->in_bytes == 0 ||
	    virtqueue_iov_read(out, out_count, 0, &header, HEADER_BYTES) != HEADER_BYTES)
		return -EPROTO;
	strip_front(&out, &out_count, HEADER_BYTES);
	/* The status is the very last writable byte. */
	in[in_count - 1].iov_len--;
	request->status = (uint8_t *)in[in_count - 1].iov_base + in[in_count - 1].iov_len;
	if (in[in_count - 1].iov_len == 0)
		in_count--;

	request->type = le32toh(header.type);
	switch (request->type) {
	case VIRTIO_BLK_T_IN:
		request->data = in;
		request->data_count = in_count;
		request->bytes = chain->in_bytes - 1;
		return parse_transfer(blk, request, le64toh(header.sector), status);
	case VIRTIO_BLK_T_OUT:
		request->data = out;
		request->data_count = out_count;
		request->bytes = chain->out_bytes - HEADER_BYTES;
		return parse_transfer(blk, request, le64toh(header.sector), status);
	case VIRTIO_BLK_T_FLUSH:
		blk_count(blk, BLK_FLUSHES, 1);
		request->bytes = 0;
		*status = VIRTIO_BLK_S_OK;
		return blk->image.readonly ? 0 : 1;
	case VIRTIO_BLK_T_GET_ID:
		request->written = (uint32_t)virtqueue_iov_write(in, in_count, 0, blk->serial,
								 sizeof(blk->serial));
		*status = VIRTIO_BLK_S_OK;
		return 0;
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
		request->data = out;
		request->data_count = out_count;
		request->bytes = chain->out_bytes - HEADER_BYTES;
		return parse_range(blk, request, status);
	default:
		*status = VIRTIO_BLK_S_UNSUPP;
		return 0;
	}
}

/* Plain writes of zeroes, where the file system cannot do better. */
static bool write_zeroes_instead(struct blk *blk, struct blk_request *request)
{
	uint32_t capacity = VIRTQUEUE_CHAIN_IOVECS(blk->device.queues[request->queue].max_size);
	uint64_t left = request->bytes;

	if (!blk->zeroes)
		blk->zeroes = aligned_alloc(4096, ZERO_BUFFER);
	if (!blk->zeroes)
		return false;
	memset(blk->zeroes, 0, ZERO_BUFFER);
	request->fallocate_mode = 0;
	request->type = VIRTIO_BLK_T_OUT;
	request->data = request->iovecs;
	request->data_count = 0;
	while (left && request->data_count < capacity) {
		size_t part = left < ZERO_BUFFER ? (size_t)left : ZERO_BUFFER;

		request->data[request->data_count++] =
			(struct iovec){.iov_base = blk->zeroes, .iov_len = part};
		left -= part;
	}
	return left == 0; /* max_write_zeroes_sectors makes it fit */
}

static const char *type_name(uint32_t type)
{
	switch (type) {
	case VIRTIO_BLK_T_IN:
		return "read";
	case VIRTIO_BLK_T_OUT:
		return "write";
	case VIRTIO_BLK_T_FLUSH:
		return "flush";
	case VIRTIO_BLK_T_DISCARD:
		return "discard";
	default:
		return "write zeroes";
	}
}

static void transferred(struct blk *blk, struct blk_request *request, size_t bytes)
{
	blk_count(blk, request->type == VIRTIO_BLK_T_IN ? BLK_READ_BYTES : BLK_WRITE_BYTES, bytes);
	if (request->copy && request->type == VIRTIO_BLK_T_IN)
		virtqueue_iov_write(request->data, request->data_count, 0, request->copy, bytes);
	drop_copy(blk, request);
	request->resumed = true;
	strip_front(&request->data, &request->data_count, bytes);
	request->offset += bytes;
	request->bytes -= bytes;
}

bool blk_request_result(struct blk *blk, struct blk_request *request, ssize_t result,
			uint8_t *status)
{
	bool transfer = request->type == VIRTIO_BLK_T_IN || request->type == VIRTIO_BLK_T_OUT;

	/* Cancelled: the loop's thread ended before the request did; whoever drains repeats it. */
	if (result == -EINTR || result == -EAGAIN || result == -ECANCELED)
		return true;
	if (request->fallocate_mode && (result == -EOPNOTSUPP || result == -ENOTTY)) {
		if (request->type == VIRTIO_BLK_T_WRITE_ZEROES &&
		    write_zeroes_instead(blk, request))
			return true;
		result = request->type == VIRTIO_BLK_T_DISCARD ? 0 : result; /* only advice */
	}
	if (transfer && result > 0 && (uint64_t)result <= request->bytes) {
		transferred(blk, request, (size_t)result);
		if (request->bytes)
			return true; /* a piece, or a short transfer: go on with the rest */
	} else if (transfer && result == 0) {
		result = -EIO; /* the image became shorter under us */
	}
	*status = result < 0 ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK;
	if (result < 0) {
		request->written = 0;
		blk_count(blk, BLK_ERRORS, 1);
		log_limited(blk->device.environment.logger, &blk->io_limit, LOG_LEVEL_ERROR,
			    blk->name,
			    "disk %s: %s at byte %" PRIu64 ": %s; the guest gets an I/O error",
			    blk->image.path, type_name(request->type), request->offset,
			    strerror((int)-result));
	}
	return false;
}

void blk_request_finish(struct blk *blk, struct blk_request *request, uint8_t status)
{
	struct blk_queue *queue = &blk->queues[request->queue];

	if (status != VIRTIO_BLK_S_OK)
		request->written = 0;
	/* virtqueue_push() publishes it. */
	shared_store8_relaxed(request->status, status);
	virtqueue_push(&blk->device.queues[request->queue], request->head, request->written + 1);
	queue->dirty = true;
	drop_copy(blk, request);
	request->next = queue->free;
	queue->free = request;
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEVICES_VIRTIO_VIRTQUEUE_H
#define DEVICES_VIRTIO_VIRTQUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "core/guest_memory.h"

/*
 * A split virtqueue (virtio 1.2, 2.7), device side: the only code that reads descriptors. The ring
 * belongs to a hostile guest: every value is read once, every address goes through
 * guest_memory_at(), chains are bounded by the queue size, and the first rule that the driver
 * breaks marks the queue broken for good (until the next reset).
 *
 * One thread at a time works on a running queue; the fields "set by the transport" are not changed
 * while it runs.
 */
#define VIRTQUEUE_MAX_SIZE 1024u

/* iovecs that hold any chain of a queue of @size entries: buffers that lie across the border of two
 * RAM blocks are split, a few spare entries allow for that. */
#define VIRTQUEUE_CHAIN_IOVECS(size) ((size) + 16u)

struct virtqueue {
	/* Set by the transport. */
	uint16_t max_size;
	uint16_t size; /* power of two, at most max_size */
	bool enabled;
	uint64_t descriptor_area;
	uint64_t driver_area;
	uint64_t device_area;

	/* Set by virtqueue_start(); host addresses, aligned, inside one RAM block each. */
	const struct guest_memory *memory;
	void *descriptors;
	void *available;
	void *used;
	bool running;
	bool broken;
	bool event_index; /* VIRTIO_F_RING_EVENT_IDX was negotiated */
	bool indirect;    /* VIRTIO_F_RING_INDIRECT_DESC was negotiated */
	uint16_t next_available;
	uint16_t next_used;
	uint16_t in_flight; /* chains popped and not yet pushed */
	uint16_t signalled_used;
	bool signalled_valid;
	const char *error; /* why it is broken; a constant text */
};

struct virtqueue_chain {
	uint16_t head;
	uint32_t out_count; /* iov[0 .. out_count): the device reads */
	uint32_t in_count;  /* the in_count entries after them: the device writes */
	uint64_t out_bytes;
	uint64_t in_bytes;
	struct iovec *iov; /* the caller's array */
};

/*
 * virtqueue_start() - resolve the three areas and begin at index 0. Returns 0; -EINVAL (size 0, no
 * power of two or too large; an area misaligned, 2.7) or -EFAULT (an area is not in RAM).
 */
int virtqueue_start(struct virtqueue *queue, const struct guest_memory *memory, bool event_index,
		    bool indirect);

/* Back to the state after creation; max_size stays. Every popped chain is forgotten. */
void virtqueue_reset(struct virtqueue *queue);

/*
 * virtqueue_pop() - take the next chain. @iov has room for @capacity entries. Returns 1 (a chain),
 * 0 (nothing available) or -EPROTO: the driver broke a rule, the queue is broken from now on and
 * queue->error says which rule; the caller reports it with virtio_device_broken(). Broken or
 * stopped queues return 0.
 */
int virtqueue_pop(struct virtqueue *queue, struct virtqueue_chain *chain, struct iovec *iov,
		  uint32_t capacity);

/*
 * virtqueue_push() - give a chain back; @written is the number of bytes that were written at its
 * beginning. virtqueue_stage() and virtqueue_publish() do the same for several chains that must
 * appear at once: stage(0, ...), stage(1, ...), publish(2).
 */
void virtqueue_push(struct virtqueue *queue, uint16_t head, uint32_t written);
void virtqueue_stage(struct virtqueue *queue, uint16_t index, uint16_t head, uint32_t written);
void virtqueue_publish(struct virtqueue *queue, uint16_t count);

/* True when the driver wants an interrupt for what was pushed since the last call (2.7.7, 2.7.10).
 */
bool virtqueue_needs_interrupt(struct virtqueue *queue);

/*
 * virtqueue_enable_kicks() - ask for a notification at the next new buffer; returns true when one
 * is there already, then the caller goes on popping. virtqueue_disable_kicks(): no notifications
 * wanted (advice to the driver).
 */
bool virtqueue_enable_kicks(struct virtqueue *queue);
void virtqueue_disable_kicks(struct virtqueue *queue);

/* Copy between iovecs and a buffer, from byte @offset of the vector on. Return the bytes copied. */
size_t virtqueue_iov_read(const struct iovec *iov, uint32_t count, size_t offset, void *buffer,
			  size_t length);
size_t virtqueue_iov_write(const struct iovec *iov, uint32_t count, size_t offset,
			   const void *buffer, size_t length);

/* The iovecs of [offset, offset + length) of @iov, into @out (room for @capacity). Returns the
 * number of entries; entries are cut when they do not fit. */
uint32_t virtqueue_iov_slice(const struct iovec *iov, uint32_t count, size_t offset, size_t length,
			     struct iovec *out, uint32_t capacity);

#endif

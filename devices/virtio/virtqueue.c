/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio/virtqueue.h"

#include <endian.h>
#include <errno.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include "core/atomics.h"

/*
 * Layout of the three areas (virtio 1.2, 2.7):
 *   descriptor area: size * 16 bytes, aligned to 16
 *   driver area:     flags, idx, ring[size], used_event: 16 bits each, aligned to 2
 *   device area:     flags, idx, ring[size] of { u32 id, u32 len }, avail_event, aligned to 4
 * All values are little endian. The guest's processors write the first two while we read, hence
 * the atomic accesses; a descriptor is copied whole, once, before anything in it is looked at.
 */
#define DESCRIPTOR_BYTES 16u
#define RING_INDEX       2u
#define RING_HEADER      4u
#define USED_ENTRY       8u

static uint16_t load_word(const void *area, size_t offset)
{
	return le16toh(shared_load16_relaxed((const uint8_t *)area + offset));
}

static void store_word(void *area, size_t offset, uint16_t value)
{
	shared_store16_relaxed((uint8_t *)area + offset, htole16(value));
}

static size_t used_event_offset(const struct virtqueue *queue)
{
	return RING_HEADER + 2u * queue->size;
}

static size_t avail_event_offset(const struct virtqueue *queue)
{
	return RING_HEADER + USED_ENTRY * queue->size;
}

int virtqueue_start(struct virtqueue *queue, const struct guest_memory *memory, bool event_index,
		    bool indirect)
{
	uint64_t size = queue->size;

	queue->running = false;
	if (size == 0 || (size & (size - 1)) || size > queue->max_size || size > VIRTQUEUE_MAX_SIZE)
		return -EINVAL;
	if (queue->descriptor_area % 16 || queue->driver_area % 2 || queue->device_area % 4)
		return -EINVAL;
	queue->descriptors =
		guest_memory_at(memory, queue->descriptor_area, size * DESCRIPTOR_BYTES);
	queue->available = guest_memory_at(memory, queue->driver_area, RING_HEADER + 2 * size + 2);
	queue->used =
		guest_memory_at(memory, queue->device_area, RING_HEADER + USED_ENTRY * size + 2);
	if (!queue->descriptors || !queue->available || !queue->used)
		return -EFAULT;
	queue->memory = memory;
	queue->event_index = event_index;
	queue->indirect = indirect;
	queue->next_available = 0;
	queue->next_used = 0;
	queue->in_flight = 0;
	queue->signalled_used = 0;
	queue->signalled_valid = false;
	queue->broken = false;
	queue->error = NULL;
	queue->running = true;
	return 0;
}

void virtqueue_reset(struct virtqueue *queue)
{
	uint16_t max_size = queue->max_size;

	memset(queue, 0, sizeof(*queue));
	queue->max_size = max_size;
	queue->size = max_size;
}

static int queue_broken(struct virtqueue *queue, const char *why)
{
	queue->broken = true;
	queue->error = why;
	return -EPROTO;
}

struct descriptor {
	uint64_t address;
	uint32_t length;
	uint16_t flags;
	uint16_t next;
};

/* @table is inside guest RAM and @index inside the table: checked by the callers. */
static struct descriptor read_descriptor(const void *table, uint32_t index)
{
	struct vring_desc raw;

	memcpy(&raw, (const uint8_t *)table + (size_t)index * DESCRIPTOR_BYTES, sizeof(raw));
	/* From here on the compiler must use this copy and cannot fetch from the guest again. */
	__asm__ volatile("" : "+m"(raw));
	return (struct descriptor){
		.address = le64toh(raw.addr),
		.length = le32toh(raw.len),
		.flags = le16toh(raw.flags),
		.next = le16toh(raw.next),
	};
}

struct walk {
	struct virtqueue *queue;
	struct virtqueue_chain *chain;
	uint32_t capacity;
	uint32_t buffers; /* descriptors with a buffer, at most the queue size (2.7.5.3.1) */
};

static int add_segment(struct walk *walk, void *host, uint64_t length, bool writable)
{
	struct virtqueue_chain *chain = walk->chain;
	uint32_t count = chain->out_count + chain->in_count;

	if (count >= walk->capacity)
		return queue_broken(walk->queue, "descriptor chain has too many segments");
	chain->iov[count] = (struct iovec){.iov_base = host, .iov_len = length};
	if (writable) {
		chain->in_count++;
		chain->in_bytes += length;
	} else {
		chain->out_count++;
		chain->out_bytes += length;
	}
	return 0;
}

/* A buffer that lies in neighbouring RAM blocks (NUMA nodes): one segment for each. */
static int add_split_buffer(struct walk *walk, uint64_t address, uint64_t length, bool writable)
{
	size_t count, i;
	const struct guest_ram_block *blocks = guest_memory_blocks(walk->queue->memory, &count);

	for (i = 0; i < count && length; i++) {
		uint64_t part;
		void *host;
		int result;

		if (address < blocks[i].gpa || address - blocks[i].gpa >= blocks[i].size)
			continue;
		part = blocks[i].size - (address - blocks[i].gpa);
		if (part > length)
			part = length;
		host = guest_memory_at(walk->queue->memory, address, part);
		if (!host)
			break;
		result = add_segment(walk, host, part, writable);
		if (result)
			return result;
		address += part;
		length -= part;
	}
	return length ? queue_broken(walk->queue, "descriptor points outside guest memory") : 0;
}

static int add_buffer(struct walk *walk, const struct descriptor *descriptor)
{
	struct virtqueue_chain *chain = walk->chain;
	bool writable = descriptor->flags & VRING_DESC_F_WRITE;
	uint64_t total = chain->out_bytes + chain->in_bytes + descriptor->length;
	void *host;

	if (++walk->buffers > walk->queue->size)
		return queue_broken(walk->queue, "descriptor chain is a loop or too long");
	if (descriptor->length == 0)
		return queue_broken(walk->queue, "descriptor of zero length");
	if (!writable && chain->in_count)
		return queue_broken(walk->queue, "readable descriptor after a writable one");
	/* 2.7.5.2: a chain of more than 2^32 bytes is prohibited; used.len could not count it. */
	if (total > UINT32_MAX)
		return queue_broken(walk->queue, "descriptor chain is longer than 2^32 bytes");
	host = guest_memory_at(walk->queue->memory, descriptor->address, descriptor->length);
	if (!host)
		return add_split_buffer(walk, descriptor->address, descriptor->length, writable);
	return add_segment(walk, host, descriptor->length, writable);
}

/* The table of an indirect descriptor (2.7.5.3); it is always the last of the direct chain. */
static int walk_indirect(struct walk *walk, const struct descriptor *indirect)
{
	uint32_t count = indirect->length / DESCRIPTOR_BYTES, index = 0;
	const void *table;

	if (!walk->queue->indirect)
		return queue_broken(walk->queue, "indirect descriptor was not negotiated");
	if (indirect->flags & VRING_DESC_F_NEXT)
		return queue_broken(walk->queue, "indirect descriptor with a next one");
	if (count == 0 || indirect->length % DESCRIPTOR_BYTES)
		return queue_broken(walk->queue, "indirect table has a bad length");
	table = guest_memory_at(walk->queue->memory, indirect->address, indirect->length);
	if (!table)
		return queue_broken(walk->queue, "indirect table is outside guest memory");
	for (;;) {
		struct descriptor descriptor;
		int result;

		if (index >= count)
			return queue_broken(walk->queue, "descriptor index outside the table");
		descriptor = read_descriptor(table, index);
		if (descriptor.flags & VRING_DESC_F_INDIRECT)
			return queue_broken(walk->queue, "indirect descriptor inside a table");
		result = add_buffer(walk, &descriptor);
		if (result)
			return result;
		if (!(descriptor.flags & VRING_DESC_F_NEXT))
			return 0;
		index = descriptor.next;
	}
}

static int walk_chain(struct walk *walk, uint16_t head)
{
	uint16_t index = head;

	for (;;) {
		struct descriptor descriptor;
		int result;

		if (index >= walk->queue->size)
			return queue_broken(walk->queue, "descriptor index outside the table");
		descriptor = read_descriptor(walk->queue->descriptors, index);
		if (descriptor.flags & VRING_DESC_F_INDIRECT)
			return walk_indirect(walk, &descriptor);
		result = add_buffer(walk, &descriptor);
		if (result)
			return result;
		if (!(descriptor.flags & VRING_DESC_F_NEXT))
			return 0;
		index = descriptor.next;
	}
}

int virtqueue_pop(struct virtqueue *queue, struct virtqueue_chain *chain, struct iovec *iov,
		  uint32_t capacity)
{
	struct walk walk = {.queue = queue, .chain = chain, .capacity = capacity};
	uint16_t available, pending;
	int result;

	if (!queue->running || queue->broken)
		return 0;
	/* Acquire: the ring entry and the descriptors were written before the index. */
	available = le16toh(shared_load16_acquire((const uint8_t *)queue->available + RING_INDEX));
	pending = (uint16_t)(available - queue->next_available);
	if (pending == 0)
		return 0;
	if (pending > queue->size)
		return queue_broken(queue, "available index ran ahead of the queue size");
	/* Also bounds what a device must remember when the same head is offered again and again. */
	if (queue->in_flight >= queue->size)
		return queue_broken(queue, "more chains in flight than the queue has entries");

	memset(chain, 0, sizeof(*chain));
	chain->iov = iov;
	chain->head = load_word(queue->available,
				RING_HEADER + 2u * (queue->next_available & (queue->size - 1u)));
	result = walk_chain(&walk, chain->head);
	if (result)
		return result;
	queue->next_available++;
	queue->in_flight++;
	return 1;
}

void virtqueue_stage(struct virtqueue *queue, uint16_t index, uint16_t head, uint32_t written)
{
	uint16_t slot = (uint16_t)((queue->next_used + index) & (queue->size - 1u));
	struct vring_used_elem entry = {.id = htole32(head), .len = htole32(written)};

	if (!queue->running || queue->broken)
		return;
	memcpy((uint8_t *)queue->used + RING_HEADER + (size_t)slot * USED_ENTRY, &entry,
	       sizeof(entry));
}

void virtqueue_publish(struct virtqueue *queue, uint16_t count)
{
	if (!queue->running || queue->broken)
		return;
	queue->next_used = (uint16_t)(queue->next_used + count);
	queue->in_flight = (uint16_t)(queue->in_flight - count);
	/* Release: data and ring entries are visible before the index. */
	shared_store16_release((uint8_t *)queue->used + RING_INDEX, htole16(queue->next_used));
}

void virtqueue_push(struct virtqueue *queue, uint16_t head, uint32_t written)
{
	virtqueue_stage(queue, 0, head, written);
	virtqueue_publish(queue, 1);
}

bool virtqueue_needs_interrupt(struct virtqueue *queue)
{
	uint16_t previous = queue->signalled_used;
	bool valid = queue->signalled_valid;

	if (!queue->running || queue->broken)
		return false;
	/* The used index must be visible before used_event or the flags are read: the driver
	 * writes those, then looks at the index again (2.7.7.1). */
	atomic_thread_fence(memory_order_seq_cst);
	if (!queue->event_index)
		return !(load_word(queue->available, 0) & VRING_AVAIL_F_NO_INTERRUPT);
	queue->signalled_used = queue->next_used;
	queue->signalled_valid = true;
	if (!valid)
		return queue->next_used != 0;
	return vring_need_event(load_word(queue->available, used_event_offset(queue)),
				queue->next_used, previous);
}

bool virtqueue_enable_kicks(struct virtqueue *queue)
{
	if (!queue->running || queue->broken)
		return false;
	if (queue->event_index)
		store_word(queue->used, avail_event_offset(queue), queue->next_available);
	else
		store_word(queue->used, 0, 0);
	/* Pairs with the driver's fence between its index and our event index (2.7.13.4). */
	atomic_thread_fence(memory_order_seq_cst);
	return load_word(queue->available, RING_INDEX) != queue->next_available;
}

void virtqueue_disable_kicks(struct virtqueue *queue)
{
	/* With the event index the old value lies behind us and says the same. */
	if (queue->running && !queue->broken && !queue->event_index)
		store_word(queue->used, 0, VRING_USED_F_NO_NOTIFY);
}

static size_t iov_copy(const struct iovec *iov, uint32_t count, size_t offset, void *buffer,
		       size_t length, bool to_iov)
{
	size_t done = 0;
	uint32_t i;

	for (i = 0; i < count && done < length; i++) {
		size_t part = iov[i].iov_len;
		uint8_t *base = iov[i].iov_base;

		if (offset >= part) {
			offset -= part;
			continue;
		}
		base += offset;
		part -= offset;
		offset = 0;
		if (part > length - done)
			part = length - done;
		if (to_iov)
			memcpy(base, (const uint8_t *)buffer + done, part);
		else
			memcpy((uint8_t *)buffer + done, base, part);
		done += part;
	}
	return done;
}

size_t virtqueue_iov_read(const struct iovec *iov, uint32_t count, size_t offset, void *buffer,
			  size_t length)
{
	return iov_copy(iov, count, offset, buffer, length, false);
}

size_t virtqueue_iov_write(const struct iovec *iov, uint32_t count, size_t offset,
			   const void *buffer, size_t length)
{
	return iov_copy(iov, count, offset, (void *)(uintptr_t)buffer, length, true);
}

uint32_t virtqueue_iov_slice(const struct iovec *iov, uint32_t count, size_t offset, size_t length,
			     struct iovec *out, uint32_t capacity)
{
	uint32_t used = 0, i;

	for (i = 0; i < count && length && used < capacity; i++) {
		size_t part = iov[i].iov_len;

		if (offset >= part) {
			offset -= part;
			continue;
		}
		part -= offset;
		if (part > length)
			part = length;
		out[used].iov_base = (uint8_t *)iov[i].iov_base + offset;
		out[used++].iov_len = part;
		offset = 0;
		length -= part;
	}
	return used;
}

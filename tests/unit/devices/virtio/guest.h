/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_DEVICES_VIRTIO_GUEST_H
#define TESTS_UNIT_DEVICES_VIRTIO_GUEST_H

#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "devices/virtio/device.h"

/*
 * A small virtio driver in the test process: it builds rings in guest memory that no VM looks at,
 * and stands in for the transport. Used by the unit tests and the fuzz targets.
 */
#define GUEST_RAM        (8u << 20)
#define GUEST_MAX_QUEUES 4u

struct guest_queue {
	uint16_t size;
	uint64_t descriptors, available, used;
	uint16_t next_descriptor;
	uint16_t available_index;
	uint16_t seen_used;
	int kick_fd;
	struct event_source *kick_source;
	struct guest *guest;
	uint16_t index;
};

struct guest {
	struct guest_memory *memory;
	struct event_loop *loop;
	struct virtio_device *device;
	struct guest_queue queues[GUEST_MAX_QUEUES];
	uint16_t queue_count;
	uint64_t next_gpa;
	_Atomic unsigned int interrupts;
	_Atomic unsigned int config_interrupts;
	_Atomic bool needs_reset;
	bool timed_out;
	bool keep_running; /* interrupts do not stop the loop */
};

struct guest_buffer {
	uint64_t gpa;
	uint32_t length;
	bool writable;
};

static inline void *guest_at(struct guest *guest, uint64_t gpa, uint64_t length)
{
	void *host = guest_memory_at(guest->memory, gpa, length);

	if (!host)
		abort(); /* the test asked for memory that it does not have */
	return host;
}

static inline uint64_t guest_alloc(struct guest *guest, uint64_t length)
{
	uint64_t gpa = (guest->next_gpa + 63) & ~63ull;

	guest->next_gpa = gpa + length;
	memset(guest_at(guest, gpa, length), 0, length);
	return gpa;
}

static inline void guest_queue_interrupt(void *opaque, uint16_t queue)
{
	struct guest *guest = opaque;

	(void)queue;
	guest->interrupts++;
	if (guest->loop && !guest->keep_running)
		event_loop_stop(guest->loop);
}

static inline void guest_config_interrupt(void *opaque)
{
	struct guest *guest = opaque;

	guest->config_interrupts++;
	if (guest->loop && !guest->keep_running)
		event_loop_stop(guest->loop);
}

static inline void guest_needs_reset(void *opaque)
{
	struct guest *guest = opaque;

	guest->needs_reset = true;
	if (guest->loop && !guest->keep_running)
		event_loop_stop(guest->loop);
}

static inline void guest_kick_later(void *opaque, uint16_t queue)
{
	struct guest *guest = opaque;
	uint64_t one = 1;

	if (guest->queues[queue].kick_fd >= 0 &&
	    write(guest->queues[queue].kick_fd, &one, sizeof(one)) < 0)
		abort();
}

static inline void guest_kicked(void *opaque, uint32_t events)
{
	struct guest_queue *queue = opaque;

	(void)events;
	queue->guest->device->ops->queue_notify(queue->guest->device, queue->index);
}

static const struct virtio_transport_ops guest_transport = {
	.queue_interrupt = guest_queue_interrupt,
	.config_interrupt = guest_config_interrupt,
	.needs_reset = guest_needs_reset,
	.kick = guest_kick_later,
};

static inline void guest_init(struct guest *guest, bool with_loop)
{
	struct guest_ram_options ram = {.gpa = 0x10000, .size = GUEST_RAM, .host_node = -1};

	memset(guest, 0, sizeof(*guest));
	if (guest_memory_create(&guest->memory, NULL, NULL) ||
	    guest_memory_add_ram(guest->memory, &ram) ||
	    (with_loop && event_loop_create(&guest->loop)))
		abort();
	guest->next_gpa = ram.gpa;
}

static inline struct virtio_environment guest_environment(struct guest *guest,
							  const struct logger *logger)
{
	return (struct virtio_environment){
		.loop = guest->loop, .memory = guest->memory, .logger = logger};
}

/* Rings of @size entries in @vq; the queue is not started. */
static inline void guest_queue_build(struct guest *guest, struct guest_queue *queue,
				     struct virtqueue *vq, uint16_t size)
{
	queue->guest = guest;
	queue->kick_fd = -1;
	queue->size = size;
	queue->descriptors = guest_alloc(guest, 16u * size);
	queue->available = guest_alloc(guest, 6u + 2u * size);
	queue->used = guest_alloc(guest, 6u + 8u * size);
	vq->size = size;
	vq->descriptor_area = queue->descriptors;
	vq->driver_area = queue->available;
	vq->device_area = queue->used;
	vq->enabled = true;
}

/* DRIVER_OK with all features of the device but @without, all queues at @size. */
static inline int guest_start(struct guest *guest, struct virtio_device *device, uint16_t size,
			      uint64_t without)
{
	uint16_t i;

	guest->device = device;
	guest->queue_count = device->queue_count;
	device->transport = &guest_transport;
	device->transport_opaque = guest;
	device->driver_features = device->device_features & ~without;
	if (device->queue_count > GUEST_MAX_QUEUES)
		abort();
	for (i = 0; i < device->queue_count; i++) {
		struct guest_queue *queue = &guest->queues[i];
		int r;

		guest_queue_build(guest, queue, &device->queues[i], size);
		queue->index = i;
		r = virtqueue_start(&device->queues[i], guest->memory,
				    virtio_device_has(device, VIRTIO_RING_F_EVENT_IDX),
				    virtio_device_has(device, VIRTIO_RING_F_INDIRECT_DESC));
		if (r)
			return r;
	}
	if (device->ops->activate) {
		int r = device->ops->activate(device);

		if (r)
			return r;
	}
	device->state = VIRTIO_STATE_RUNNING;
	for (i = 0; guest->loop && i < device->queue_count; i++) {
		struct guest_queue *queue = &guest->queues[i];

		queue->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (queue->kick_fd < 0 ||
		    event_loop_add(guest->loop, queue->kick_fd, EPOLLIN | EPOLLET, guest_kicked,
				   queue, &queue->kick_source))
			abort();
	}
	return 0;
}

static inline void guest_stop(struct guest *guest)
{
	uint16_t i;

	if (!guest->device)
		return;
	for (i = 0; i < guest->queue_count; i++) {
		event_source_remove(guest->queues[i].kick_source);
		guest->queues[i].kick_source = NULL;
	}
	if (virtio_state_is_started(guest->device->state))
		guest->device->ops->reset(guest->device);
	guest->device->state = VIRTIO_STATE_RESET;
	for (i = 0; i < guest->queue_count; i++) {
		virtqueue_reset(&guest->device->queues[i]);
		if (guest->loop && guest->queues[i].kick_fd >= 0)
			close(guest->queues[i].kick_fd);
		memset(&guest->queues[i], 0, sizeof(guest->queues[i]));
	}
	guest->needs_reset = false;
	guest->interrupts = 0;
}

static inline void guest_fini(struct guest *guest)
{
	guest_stop(guest);
	if (guest->device) {
		guest->device->transport = NULL;
		virtio_device_destroy(guest->device);
	}
	event_loop_destroy(guest->loop);
	guest_memory_destroy(guest->memory);
}

static inline void guest_put_descriptor(struct guest *guest, uint64_t table, uint16_t index,
					uint64_t address, uint32_t length, uint16_t flags,
					uint16_t next)
{
	struct vring_desc descriptor = {
		.addr = address, .len = length, .flags = flags, .next = next};

	memcpy(guest_at(guest, table + 16u * index, 16), &descriptor, sizeof(descriptor));
}

/* Make @head available. */
static inline void guest_offer(struct guest *guest, struct guest_queue *queue, uint16_t head)
{
	uint16_t *ring = guest_at(guest, queue->available, 6u + 2u * queue->size);

	ring[2 + queue->available_index % queue->size] = head;
	queue->available_index++;
	__atomic_store_n(&ring[1], queue->available_index, __ATOMIC_RELEASE);
}

/* A chain of descriptors, made available; returns its head. */
static inline uint16_t guest_add(struct guest *guest, struct guest_queue *queue,
				 const struct guest_buffer *buffers, uint16_t count)
{
	uint16_t head = (uint16_t)(queue->next_descriptor % queue->size), i;

	for (i = 0; i < count; i++) {
		uint16_t index = (uint16_t)((queue->next_descriptor + i) % queue->size);
		uint16_t flags = (uint16_t)((buffers[i].writable ? VRING_DESC_F_WRITE : 0) |
					    (i + 1 < count ? VRING_DESC_F_NEXT : 0));

		guest_put_descriptor(guest, queue->descriptors, index, buffers[i].gpa,
				     buffers[i].length, flags,
				     (uint16_t)((index + 1) % queue->size));
	}
	queue->next_descriptor = (uint16_t)(queue->next_descriptor + count);
	guest_offer(guest, queue, head);
	return head;
}

/* The same chain behind one indirect descriptor. */
static inline uint16_t guest_add_indirect(struct guest *guest, struct guest_queue *queue,
					  const struct guest_buffer *buffers, uint16_t count)
{
	uint64_t table = guest_alloc(guest, 16u * count);
	uint16_t head = (uint16_t)(queue->next_descriptor++ % queue->size), i;

	for (i = 0; i < count; i++)
		guest_put_descriptor(guest, table, i, buffers[i].gpa, buffers[i].length,
				     (uint16_t)((buffers[i].writable ? VRING_DESC_F_WRITE : 0) |
						(i + 1 < count ? VRING_DESC_F_NEXT : 0)),
				     (uint16_t)(i + 1));
	guest_put_descriptor(guest, queue->descriptors, head, table, 16u * count,
			     VRING_DESC_F_INDIRECT, 0);
	guest_offer(guest, queue, head);
	return head;
}

/* The next used element, if there is one. */
static inline bool guest_used(struct guest *guest, struct guest_queue *queue,
			      struct vring_used_elem *element)
{
	uint8_t *used = guest_at(guest, queue->used, 6u + 8u * queue->size);
	uint16_t index = __atomic_load_n((uint16_t *)(void *)(used + 2), __ATOMIC_ACQUIRE);

	if (index == queue->seen_used)
		return false;
	memcpy(element, used + 4 + 8u * (queue->seen_used % queue->size), sizeof(*element));
	queue->seen_used++;
	/* Ask for an interrupt at the next one: the driver's used_event. */
	*(uint16_t *)guest_at(guest, queue->available + 4 + 2u * queue->size, 2) = queue->seen_used;
	return true;
}

static inline void guest_timeout(void *opaque, uint32_t events)
{
	struct guest *guest = opaque;

	(void)events;
	guest->timed_out = true;
	event_loop_stop(guest->loop);
}

/* Kick @queue and run the loop until something interrupts, at most @timeout_ms. False: timeout. */
static inline bool guest_run(struct guest *guest, uint32_t timeout_ms)
{
	struct event_source *timer;

	guest->timed_out = false;
	if (event_loop_add_timer(guest->loop, guest_timeout, guest, &timer) ||
	    event_timer_set(timer, timeout_ms * 1000000ull, 0) || event_loop_run(guest->loop))
		abort();
	event_source_remove(timer);
	return !guest->timed_out;
}

/* Kick, and wait for one used element. */
static inline bool guest_transact(struct guest *guest, uint16_t index,
				  struct vring_used_elem *element)
{
	struct guest_queue *queue = &guest->queues[index];
	unsigned int tries;

	guest_kick_later(guest, index);
	for (tries = 0; tries < 100; tries++) {
		if (guest_used(guest, queue, element))
			return true;
		if (guest->needs_reset || !guest_run(guest, 5000))
			return false;
	}
	return false;
}

#endif

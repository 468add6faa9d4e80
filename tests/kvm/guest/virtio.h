/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_KVM_GUEST_VIRTIO_H
#define TESTS_KVM_GUEST_VIRTIO_H

#include "guest.h"

/* A minimal driver for one split queue of a virtio 1.x PCI device (virtio 2.7, 4.1). */
#define VIRTIO_VENDOR 0x1af4
#define VIRTIO_BLK    0x1042
#define VIRTIO_RNG    0x1044
#define QUEUE_SIZE    16u

#define STATUS_ACKNOWLEDGE 1
#define STATUS_DRIVER      2
#define STATUS_DRIVER_OK   4
#define STATUS_FEATURES_OK 8
#define STATUS_NEEDS_RESET 0x40

#define DESC_NEXT     1
#define DESC_WRITE    2
#define DESC_INDIRECT 4

#define NO_VECTOR 0xffff

struct virtq_desc {
	uint64_t address;
	uint32_t length;
	uint16_t flags;
	uint16_t next;
};

struct virtq_avail {
	uint16_t flags;
	volatile uint16_t index;
	uint16_t ring[QUEUE_SIZE];
	uint16_t used_event;
};

struct virtq_used {
	volatile uint16_t flags;
	volatile uint16_t index;
	struct {
		volatile uint32_t id;
		volatile uint32_t length;
	} ring[QUEUE_SIZE];
	uint16_t avail_event;
};

struct virtio {
	uint32_t bdf;
	uint64_t common;
	uint64_t notify;
	uint64_t isr;
	uint64_t config;
	uint32_t notify_multiplier;
	uint64_t msix_table; /* 0: none */
	uint64_t msix_pba;
	uint32_t msix_capability;
	uint64_t doorbell; /* of queue 0 */
};

extern struct virtq_desc virtq_desc[QUEUE_SIZE];
extern struct virtq_avail virtq_avail;
extern struct virtq_used virtq_used;

/* Finds the device and its structures; turns decoding and bus mastering on. */
void virtio_find(struct virtio *device, uint16_t id);
uint8_t virtio_status(const struct virtio *device);
void virtio_reset(const struct virtio *device);
/* Reset, negotiate VIRTIO_F_VERSION_1 (and @features), queue 0 with @vector, DRIVER_OK. */
void virtio_start(struct virtio *device, uint64_t features, uint16_t vector);
/* Puts descriptor chain @head into the available ring and rings the bell. */
void virtio_submit(const struct virtio *device, uint16_t head);
/* Waits until used.index is @index; false when it takes far too long. */
bool virtio_wait(uint16_t index);
/* MSI-X table entry @entry sends @vector to processor 0. */
void msix_set(const struct virtio *device, uint32_t entry, uint8_t vector, bool masked);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_FUZZ_VIRTIO_FUZZ_H
#define TESTS_FUZZ_VIRTIO_FUZZ_H

#include "tests/unit/devices/virtio/guest.h"

/*
 * From bytes to a hostile driver: a ring of 16 descriptors, 16 more in an indirect table, a list of
 * heads, and what the buffers contain. Addresses are near RAM most of the time, so that the fuzzer
 * gets past the first check; the rest of the time they are anything.
 *
 *	byte 0: number of descriptors, 1: number of table entries, 2: number of heads
 *	8 bytes each: u16 address, u16 length, u8 flags, u8 next, u8 kind, u8 unused
 *	heads, one byte each; then the contents of the buffers
 */
#define FUZZ_RING     16u
#define FUZZ_RAM      0x10000ull
#define FUZZ_TABLE    (FUZZ_RAM + 0x3000)
#define FUZZ_DATA     (FUZZ_RAM + 0x4000)
#define FUZZ_DATA_MAX 0xc000u

struct fuzz_input {
	const uint8_t *data;
	size_t size;
};

static inline uint8_t fuzz_byte(struct fuzz_input *input)
{
	if (input->size == 0)
		return 0;
	input->size--;
	return *input->data++;
}

static inline uint16_t fuzz_word(struct fuzz_input *input)
{
	uint16_t low = fuzz_byte(input);

	return (uint16_t)(low | fuzz_byte(input) << 8);
}

static inline void fuzz_descriptor(struct guest *guest, struct fuzz_input *input, uint64_t table,
				   uint16_t index)
{
	uint64_t address = fuzz_word(input);
	uint32_t length = fuzz_word(input);
	uint16_t flags = fuzz_byte(input) & 7, next = fuzz_byte(input);

	switch (fuzz_byte(input) & 7) {
	case 0:
		address |= address << 48; /* far away */
		break;
	case 1:
		address = FUZZ_RAM + GUEST_RAM - address; /* near the end */
		break;
	case 2:
		length <<= 16;
		address += FUZZ_DATA;
		break;
	case 3:
		address = FUZZ_TABLE;
		break;
	default:
		address = FUZZ_DATA + address % FUZZ_DATA_MAX;
		break;
	}
	fuzz_byte(input);
	guest_put_descriptor(guest, table, index, address, length, flags, next);
}

/* Fill the ring of queue @index (started by guest_start()) from @input. */
static inline void fuzz_ring(struct guest *guest, uint16_t index, struct fuzz_input *input)
{
	struct guest_queue *queue = &guest->queues[index];
	uint8_t descriptors = fuzz_byte(input) % (FUZZ_RING + 1);
	uint8_t entries = fuzz_byte(input) % (FUZZ_RING + 1);
	uint8_t heads = fuzz_byte(input) % (FUZZ_RING + 2);
	size_t length;
	uint8_t i;

	for (i = 0; i < descriptors; i++)
		fuzz_descriptor(guest, input, queue->descriptors, i);
	for (i = 0; i < entries; i++)
		fuzz_descriptor(guest, input, FUZZ_TABLE, i);
	for (i = 0; i < heads; i++)
		guest_offer(guest, queue, fuzz_byte(input));
	length = input->size < FUZZ_DATA_MAX ? input->size : FUZZ_DATA_MAX;
	memcpy(guest_at(guest, FUZZ_DATA, FUZZ_DATA_MAX), input->data, length);
}

/* Rings behind the data, at the same place in each run. */
static inline void fuzz_start(struct guest *guest, struct virtio_device *device)
{
	memset(guest_at(guest, FUZZ_RAM, 0x4000 + FUZZ_DATA_MAX), 0, 0x4000 + FUZZ_DATA_MAX);
	guest->next_gpa = FUZZ_RAM;
	guest->needs_reset = false;
	guest->keep_running = true;
	if (guest_start(guest, device, FUZZ_RING, 0))
		abort();
	if (guest->next_gpa > FUZZ_TABLE)
		abort();
}

/* One turn of the loop: whatever is ready now. */
static inline void fuzz_turn(struct guest *guest)
{
	event_loop_stop(guest->loop);
	if (event_loop_run(guest->loop))
		abort();
}

#endif

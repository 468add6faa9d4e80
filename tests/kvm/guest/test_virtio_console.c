/* SPDX-License-Identifier: Apache-2.0 */
#include "guest.h"

#include "virtio.h"

#define VIRTIO_CONSOLE 0x1043
#define INPUT_BYTES    64u

/* The receive queue (0) beside the helper's queue, which transmits (1). */
static struct virtq_desc input_desc[QUEUE_SIZE] __attribute__((aligned(16)));
static struct virtq_avail input_avail __attribute__((aligned(16)));
static struct virtq_used input_used __attribute__((aligned(16)));
static uint8_t input[INPUT_BYTES], output[INPUT_BYTES];
static struct virtio device;
static uint64_t doorbells[2];
static uint16_t sent;

static void set_up_queue(uint16_t index, const void *desc, const void *avail, const void *used)
{
	mmio_write16(device.common + 22, index);
	CHECK(mmio_read16(device.common + 24) >= QUEUE_SIZE);
	mmio_write16(device.common + 24, QUEUE_SIZE);
	mmio_write64(device.common + 32, (uint64_t)desc);
	mmio_write64(device.common + 40, (uint64_t)avail);
	mmio_write64(device.common + 48, (uint64_t)used);
	doorbells[index] = device.notify +
			   (uint64_t)mmio_read16(device.common + 30) * device.notify_multiplier;
	mmio_write16(device.common + 28, 1);
}

static void start(void)
{
	uint8_t status = STATUS_ACKNOWLEDGE | STATUS_DRIVER;

	virtio_reset(&device);
	mmio_write8(device.common + 20, status);
	mmio_write32(device.common + 8, 0);
	mmio_write32(device.common + 12, 0);
	mmio_write32(device.common + 8, 1);
	mmio_write32(device.common + 12, 1); /* VIRTIO_F_VERSION_1 */
	status |= STATUS_FEATURES_OK;
	mmio_write8(device.common + 20, status);
	CHECK(virtio_status(&device) & STATUS_FEATURES_OK);
	set_up_queue(0, input_desc, &input_avail, &input_used);
	set_up_queue(1, virtq_desc, &virtq_avail, &virtq_used);
	mmio_write8(device.common + 20, status | STATUS_DRIVER_OK);
}

static void transmit(uint32_t length)
{
	virtq_desc[0] = (struct virtq_desc){(uint64_t)output, length, 0, 0};
	virtq_avail.ring[virtq_avail.index % QUEUE_SIZE] = 0;
	barrier();
	virtq_avail.index++;
	barrier();
	mmio_write16(doorbells[1], 1);
	CHECK(virtio_wait(++sent));
}

/* One buffer of input; the host's time limit ends the wait. */
static uint32_t receive(void)
{
	uint16_t index = input_used.index;

	input_desc[0] = (struct virtq_desc){(uint64_t)input, sizeof(input), DESC_WRITE, 0};
	input_avail.ring[input_avail.index % QUEUE_SIZE] = 0;
	barrier();
	input_avail.index++;
	barrier();
	mmio_write16(doorbells[0], 0);
	while (input_used.index == index)
		inb(0x61);
	barrier();
	return input_used.ring[index % QUEUE_SIZE].length;
}

/* Greets, then sends back echo= bytes in capitals, flood= buffers whether they are read or not. */
void guest_main(void)
{
	uint64_t left = guest_option("echo", 0), flood = guest_option("flood", 0);
	static const char greeting[] = "hello from hvc0\n";

	virtio_find(&device, VIRTIO_CONSOLE);
	start();
	for (uint32_t i = 0; i < sizeof(greeting); i++)
		output[i] = (uint8_t)greeting[i];
	transmit(sizeof(greeting) - 1);
	while (flood-- > 0)
		transmit(sizeof(output));
	while (left) {
		uint32_t got = receive();

		CHECK(got && got <= left);
		for (uint32_t i = 0; i < got; i++)
			output[i] = input[i] >= 'a' && input[i] <= 'z' ? (uint8_t)(input[i] - 32)
								       : input[i];
		transmit(got);
		left -= got;
	}
}

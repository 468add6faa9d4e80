/* SPDX-License-Identifier: Apache-2.0 */
#include "guest.h"

#include "virtio.h"

static uint8_t buffer[4096] __attribute__((aligned(4096)));
static struct virtq_desc table[4] __attribute__((aligned(16)));
static struct virtio device;

/* After whatever came before: a reset device works again. */
static void must_work(void)
{
	virtio_start(&device, 0, NO_VECTOR);
	virtq_desc[0] = (struct virtq_desc){(uint64_t)buffer, 64, DESC_WRITE, 0};
	virtio_submit(&device, 0);
	CHECK(virtio_wait(1));
	CHECK(!(virtio_status(&device) & STATUS_NEEDS_RESET));
}

/* The device must give up on the queue, say so, and write nothing. */
static void must_need_reset(int line)
{
	for (uint32_t i = 0; !(virtio_status(&device) & STATUS_NEEDS_RESET); i++)
		if (i == 100000)
			guest_fail(__FILE__, line, "needs-reset after a malformed chain",
				   virtio_status(&device), STATUS_NEEDS_RESET);
	/* More notifications change nothing. */
	for (unsigned int i = 0; i < 10; i++)
		mmio_write16(device.doorbell, 0);
	CHECK(virtio_status(&device) & STATUS_NEEDS_RESET);
	must_work();
}

static void start(void)
{
	virtio_start(&device, 1u << 28, NO_VECTOR); /* VIRTIO_F_INDIRECT_DESC */
	for (unsigned int i = 0; i < QUEUE_SIZE; i++)
		virtq_desc[i] = (struct virtq_desc){(uint64_t)buffer, 64, DESC_WRITE, 0};
}

#define ABUSE(...)                                                                                 \
	do {                                                                                       \
		start();                                                                           \
		__VA_ARGS__;                                                                       \
		virtio_submit(&device, 0);                                                         \
		must_need_reset(__LINE__);                                                         \
	} while (0)

/* Malformed queues: needs-reset, never more. */
void guest_main(void)
{
	virtio_find(&device, VIRTIO_RNG);
	must_work();

	/* Chains that loop: to itself, and two that point at each other. */
	ABUSE(virtq_desc[0].flags |= DESC_NEXT; virtq_desc[0].next = 0);
	ABUSE(virtq_desc[0].flags |= DESC_NEXT; virtq_desc[0].next = 1;
	      virtq_desc[1].flags |= DESC_NEXT; virtq_desc[1].next = 0);
	/* Out of range: next, head, addresses. */
	ABUSE(virtq_desc[0].flags |= DESC_NEXT; virtq_desc[0].next = QUEUE_SIZE);
	ABUSE(virtq_desc[0].flags |= DESC_NEXT; virtq_desc[0].next = 0xffff);
	ABUSE(virtq_desc[0].address = 0xd0000000);
	ABUSE(virtq_desc[0].address = UINT64_MAX - 16);
	ABUSE(virtq_desc[0].address = UINT64_MAX - 63; virtq_desc[0].length = 128);
	ABUSE(virtq_desc[0].address = 0xfffffffffffff000ull);
	/* Huge. */
	ABUSE(virtq_desc[0].length = 0xffffffff);
	/* The head. */
	start();
	virtio_submit(&device, QUEUE_SIZE);
	must_need_reset(__LINE__);
	start();
	virtio_submit(&device, 0xffff);
	must_need_reset(__LINE__);
	/* An available index far ahead. */
	start();
	virtq_avail.index = 1000;
	mmio_write16(device.doorbell, 0);
	must_need_reset(__LINE__);
	/* Indirect: bad sizes, a table nowhere, nested, with NEXT, a loop inside. */
	ABUSE(virtq_desc[0] = (struct virtq_desc){(uint64_t)table, 15, DESC_INDIRECT, 0});
	ABUSE(virtq_desc[0] = (struct virtq_desc){(uint64_t)table, 0, DESC_INDIRECT, 0});
	ABUSE(virtq_desc[0] = (struct virtq_desc){0xd0000000, 32, DESC_INDIRECT, 0});
	ABUSE(virtq_desc[0] = (struct virtq_desc){UINT64_MAX - 15, 32, DESC_INDIRECT, 0});
	table[0] = (struct virtq_desc){(uint64_t)table, 32, DESC_INDIRECT, 0};
	ABUSE(virtq_desc[0] = (struct virtq_desc){(uint64_t)table, 32, DESC_INDIRECT, 0});
	table[0] = (struct virtq_desc){(uint64_t)buffer, 16, DESC_WRITE | DESC_NEXT, 0};
	ABUSE(virtq_desc[0] = (struct virtq_desc){(uint64_t)table, 64, DESC_INDIRECT, 0});
	table[0].next = 7;
	ABUSE(virtq_desc[0] = (struct virtq_desc){(uint64_t)table, 64, DESC_INDIRECT, 0});

	/* Rings outside RAM. */
	virtio_start(&device, 0, NO_VECTOR);
	virtio_reset(&device);
	static const uint64_t rings[] = {0xd0000000, UINT64_MAX - 15, 0xfffffffffffffff0ull,
					 0xe0000000};
	for (unsigned int i = 0; i < 4; i++) {
		for (unsigned int ring = 32; ring <= 48; ring += 8) {
			virtio_reset(&device);
			mmio_write8(device.common + 20, 1);
			mmio_write8(device.common + 20, 3);
			mmio_write32(device.common + 8, 1);
			mmio_write32(device.common + 12, 1);
			mmio_write8(device.common + 20, 11);
			mmio_write64(device.common + 32, (uint64_t)virtq_desc);
			mmio_write64(device.common + 40, (uint64_t)&virtq_avail);
			mmio_write64(device.common + 48, (uint64_t)&virtq_used);
			mmio_write64(device.common + ring, rings[i]);
			mmio_write16(device.common + 28, 1);
			mmio_write8(device.common + 20, 15);
			virtq_avail.index = 1;
			mmio_write16(device.doorbell, 0);
			settle();
			must_work();
		}
	}
	/* A queue that does not exist, and sizes that are not allowed. */
	mmio_write16(device.common + 22, 0x1234);
	CHECK_EQ(mmio_read16(device.common + 24), 0);
	mmio_write16(device.common + 28, 1);
	mmio_write16(device.common + 22, 0);
	must_work();
	/* Notifications for queues that do not exist. */
	mmio_write16(device.doorbell, 0xffff);
	mmio_write32(device.doorbell, 0xffffffff);
	must_work();
}

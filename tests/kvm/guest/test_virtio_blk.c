/* SPDX-License-Identifier: Apache-2.0 */
#include "guest.h"

#include "virtio.h"

struct request {
	uint32_t type, reserved;
	uint64_t sector;
};

static struct request header;
static uint8_t data[4096] __attribute__((aligned(4096)));
static volatile uint8_t status;
static struct virtio device;
static uint16_t done;

extern void *memset(void *destination, int value, size_t size);

static uint8_t transfer(uint32_t type, uint64_t sector, uint32_t length)
{
	header = (struct request){.type = type, .sector = sector};
	status = 0xee;
	virtq_desc[0] = (struct virtq_desc){(uint64_t)&header, sizeof(header), DESC_NEXT, 1};
	virtq_desc[1] = (struct virtq_desc){
		(uint64_t)data, length, (uint16_t)(DESC_NEXT | (type == 0 ? DESC_WRITE : 0)), 2};
	virtq_desc[2] = (struct virtq_desc){(uint64_t)&status, 1, DESC_WRITE, 0};
	virtio_submit(&device, 0);
	CHECK(virtio_wait(++done));
	return status;
}

/* Sectors hold their number; write, read back, and requests beyond the end. */
void guest_main(void)
{
	uint64_t sectors = guest_option("sectors", 0);

	virtio_find(&device, VIRTIO_BLK);
	CHECK_EQ(mmio_read64(device.config), sectors);
	virtio_start(&device, 0, NO_VECTOR);
	CHECK_EQ(transfer(0, 3, 512), 0);
	CHECK_EQ(*(uint64_t *)data, 3);
	CHECK_EQ(transfer(0, 0, 4096), 0);
	for (uint64_t i = 0; i < 8; i++)
		CHECK_EQ(*(uint64_t *)(data + 512 * i), i);
	for (unsigned int i = 0; i < 512; i++)
		data[i] = (uint8_t)(i * 3);
	CHECK_EQ(transfer(1, 5, 512), 0);
	memset(data, 0, sizeof(data));
	CHECK_EQ(transfer(0, 5, 512), 0);
	for (unsigned int i = 0; i < 512; i++)
		CHECK_EQ(data[i], (uint8_t)(i * 3));
	/* I/O errors, not accesses beyond the end. */
	CHECK_EQ(transfer(0, sectors, 512), 1);
	CHECK_EQ(transfer(0, sectors - 1, 1024), 1);
	CHECK_EQ(transfer(1, UINT64_MAX, 512), 1);
	CHECK_EQ(transfer(1, UINT64_MAX / 512, 512), 1);
	CHECK_EQ(transfer(0x7777, 0, 512), 2); /* unsupported */
	CHECK_EQ(transfer(0, 3, 512), 0);
	CHECK_EQ(*(uint64_t *)data, 3);
}

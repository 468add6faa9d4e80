/* SPDX-License-Identifier: Apache-2.0 */
#include "virtio.h"

struct virtq_desc virtq_desc[QUEUE_SIZE] __attribute__((aligned(16)));
struct virtq_avail virtq_avail __attribute__((aligned(16)));
struct virtq_used virtq_used __attribute__((aligned(16)));

static uint64_t bar_address(uint32_t bdf, uint32_t bar, uint32_t offset)
{
	uint64_t address = pci_bar(bdf, bar) + offset;

	guest_map(address);
	return address;
}

void virtio_find(struct virtio *device, uint16_t id)
{
	uint32_t capability;

	*device = (struct virtio){.bdf = pci_find(VIRTIO_VENDOR, id)};
	pci_write16(device->bdf, 4, 0x0006);
	for (uint32_t i = 0; (capability = pci_capability(device->bdf, 9, i)) != 0; i++) {
		uint8_t type = pci_read8(device->bdf, capability + 3);
		uint8_t bar = pci_read8(device->bdf, capability + 4);
		uint64_t address;

		if (type < 1 || type > 4)
			continue;
		address = bar_address(device->bdf, bar, pci_read32(device->bdf, capability + 8));
		if (type == 1) {
			device->common = address;
		} else if (type == 2) {
			device->notify = address;
			device->notify_multiplier = pci_read32(device->bdf, capability + 16);
		} else if (type == 3) {
			device->isr = address;
		} else {
			device->config = address;
		}
	}
	CHECK(device->common && device->notify && device->isr);
	capability = pci_capability(device->bdf, 0x11, 0);
	if (capability) {
		uint32_t table = pci_read32(device->bdf, capability + 4);
		uint32_t pba = pci_read32(device->bdf, capability + 8);

		device->msix_capability = capability;
		device->msix_table = bar_address(device->bdf, table & 7, table & ~7u);
		device->msix_pba = bar_address(device->bdf, pba & 7, pba & ~7u);
	}
}

uint8_t virtio_status(const struct virtio *device)
{
	return mmio_read8(device->common + 20);
}

static void set_status(const struct virtio *device, uint8_t status)
{
	mmio_write8(device->common + 20, status);
}

void virtio_reset(const struct virtio *device)
{
	set_status(device, 0);
	for (uint32_t i = 0; virtio_status(device) != 0; i++)
		CHECK(i < 100000);
	virtq_avail = (struct virtq_avail){0};
	virtq_used = (struct virtq_used){0};
	for (unsigned int i = 0; i < QUEUE_SIZE; i++)
		virtq_desc[i] = (struct virtq_desc){0};
}

void virtio_start(struct virtio *device, uint64_t features, uint16_t vector)
{
	virtio_reset(device);
	set_status(device, STATUS_ACKNOWLEDGE);
	set_status(device, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
	mmio_write32(device->common + 0, 1);
	CHECK(mmio_read32(device->common + 4) & 1); /* VIRTIO_F_VERSION_1 */
	mmio_write32(device->common + 8, 0);
	mmio_write32(device->common + 12, (uint32_t)features);
	mmio_write32(device->common + 8, 1);
	mmio_write32(device->common + 12, (uint32_t)(features >> 32) | 1);
	set_status(device, STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK);
	CHECK(virtio_status(device) & STATUS_FEATURES_OK);
	mmio_write16(device->common + 16, NO_VECTOR);
	mmio_write16(device->common + 22, 0);
	CHECK(mmio_read16(device->common + 24) >= QUEUE_SIZE);
	mmio_write16(device->common + 24, QUEUE_SIZE);
	mmio_write16(device->common + 26, vector);
	CHECK_EQ(mmio_read16(device->common + 26), vector);
	mmio_write64(device->common + 32, (uint64_t)virtq_desc);
	mmio_write64(device->common + 40, (uint64_t)&virtq_avail);
	mmio_write64(device->common + 48, (uint64_t)&virtq_used);
	device->doorbell = device->notify +
			   (uint64_t)mmio_read16(device->common + 30) * device->notify_multiplier;
	mmio_write16(device->common + 28, 1);
	set_status(device,
		   STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK | STATUS_DRIVER_OK);
}

void virtio_submit(const struct virtio *device, uint16_t head)
{
	virtq_avail.ring[virtq_avail.index % QUEUE_SIZE] = head;
	barrier();
	virtq_avail.index++;
	barrier();
	mmio_write16(device->doorbell, 0);
}

bool virtio_wait(uint16_t index)
{
	for (uint32_t i = 0; i < 300000; i++) {
		if (virtq_used.index == index)
			return true;
		inb(0x61);
	}
	return false;
}

void msix_set(const struct virtio *device, uint32_t entry, uint8_t vector, bool masked)
{
	uint64_t at = device->msix_table + 16 * (uint64_t)entry;

	mmio_write32(at + 12, 1);
	mmio_write32(at + 0, 0xfee00000);
	mmio_write32(at + 4, 0);
	mmio_write32(at + 8, vector);
	mmio_write32(at + 12, masked);
}

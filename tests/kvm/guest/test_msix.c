/* SPDX-License-Identifier: Apache-2.0 */
#include "guest.h"

#include "virtio.h"

#define VECTOR 0x50

static uint8_t buffer[64];
static uint16_t done;

static void request(struct virtio *device)
{
	virtq_desc[0] = (struct virtq_desc){(uint64_t)buffer, sizeof(buffer), DESC_WRITE, 0};
	virtio_submit(device, 0);
	CHECK(virtio_wait(++done));
}

/* MSI-X: delivery, entry mask, function mask, pending bits, nothing lost and nothing doubled. */
void guest_main(void)
{
	struct virtio device;
	uint32_t control;

	lapic_enable();
	virtio_find(&device, VIRTIO_RNG);
	CHECK(device.msix_table != 0);
	CHECK((pci_read16(device.bdf, device.msix_capability + 2) & 0x7ff) >= 1);
	for (uint32_t entry = 0; entry < 2; entry++)
		CHECK_EQ(mmio_read32(device.msix_table + 16 * entry + 12) & 1, 1);
	control = device.msix_capability + 2;
	pci_write16(device.bdf, control, 0x8000);
	virtio_start(&device, 0, 1);
	msix_set(&device, 1, VECTOR, false);

	request(&device);
	CHECK(wait_for_interrupts(VECTOR, 1));
	request(&device);
	CHECK(wait_for_interrupts(VECTOR, 2));
	settle();
	CHECK_EQ(interrupt_count[VECTOR], 2);
	CHECK_EQ(mmio_read64(device.msix_pba) & 2, 0);

	/* Masked: pending, not delivered. Unmasked: delivered once. */
	msix_set(&device, 1, VECTOR, true);
	request(&device);
	settle();
	CHECK_EQ(interrupt_count[VECTOR], 2);
	CHECK_EQ(mmio_read64(device.msix_pba) & 2, 2);
	mmio_write32(device.msix_table + 16 + 12, 0);
	CHECK(wait_for_interrupts(VECTOR, 3));
	CHECK_EQ(mmio_read64(device.msix_pba) & 2, 0);

	/* The function mask does the same. */
	pci_write16(device.bdf, control, 0xc000);
	request(&device);
	settle();
	CHECK_EQ(interrupt_count[VECTOR], 3);
	CHECK_EQ(mmio_read64(device.msix_pba) & 2, 2);
	pci_write16(device.bdf, control, 0x8000);
	CHECK(wait_for_interrupts(VECTOR, 4));

	/* Another vector and address from now on. */
	msix_set(&device, 1, VECTOR + 1, false);
	request(&device);
	CHECK(wait_for_interrupts(VECTOR + 1, 1));
	settle();
	CHECK_EQ(interrupt_count[VECTOR], 4);
	CHECK_EQ(interrupt_count[VECTOR + 1], 1);

	/* The pending bits are read-only. */
	mmio_write64(device.msix_pba, UINT64_MAX);
	CHECK_EQ(mmio_read64(device.msix_pba) & 3, 0);
	/* Many at once. */
	for (unsigned int i = 0; i < 50; i++)
		request(&device);
	settle();
	CHECK(interrupt_count[VECTOR + 1] > 1);
	CHECK(interrupt_count[VECTOR + 1] <= 51);
}

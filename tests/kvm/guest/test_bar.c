/* SPDX-License-Identifier: Apache-2.0 */
#include "guest.h"

#include "virtio.h"

/* The virtio common configuration starts with device_feature_select, which can be written. */
static bool answers(uint64_t common)
{
	mmio_write32(common, 1);
	if (mmio_read32(common) != 1)
		return false;
	mmio_write32(common, 0);
	return mmio_read32(common) == 0;
}

/* Sizing, enabling, moving inside the window, and moving onto RAM, which must be refused. */
void guest_main(void)
{
	uint32_t *ram = (uint32_t *)0x1000000;
	struct virtio device;
	uint32_t capability, bar, offset;
	uint64_t address, size;

	virtio_find(&device, VIRTIO_RNG);
	for (uint32_t i = 0;; i++) {
		capability = pci_capability(device.bdf, 9, i);
		CHECK(capability != 0);
		if (pci_read8(device.bdf, capability + 3) == 1)
			break;
	}
	bar = pci_read8(device.bdf, capability + 4);
	offset = pci_read32(device.bdf, capability + 8);
	address = pci_bar(device.bdf, bar);
	CHECK(answers(address + offset));

	pci_write16(device.bdf, 4, 0);
	CHECK_EQ(mmio_read32(address + offset), 0xffffffff);
	size = pci_bar_size(device.bdf, bar);
	CHECK(size >= 4096 && (size & (size - 1)) == 0);
	CHECK_EQ(address & (size - 1), 0);
	CHECK_EQ(pci_bar(device.bdf, bar), address);
	pci_write16(device.bdf, 4, 6);
	CHECK(answers(address + offset));

	/* Up by its own size, and by one half of it (address bits below the size do not exist). */
	pci_write16(device.bdf, 4, 0);
	pci_write32(device.bdf, 0x10 + 4 * bar, (uint32_t)(address + size));
	guest_map(address + size);
	pci_write16(device.bdf, 4, 6);
	if (pci_find(VIRTIO_VENDOR, VIRTIO_RNG) && answers(address + size + offset)) {
		CHECK_EQ(mmio_read32(address + offset), 0xffffffff);
		pci_write32(device.bdf, 0x10 + 4 * bar, (uint32_t)address | 0x10);
		CHECK_EQ(pci_bar(device.bdf, bar), address);
		CHECK_EQ(mmio_read32(address + size + offset), 0xffffffff);
	} else {
		guest_fail(__FILE__, __LINE__, "the moved BAR does not answer", address + size, 0);
	}
	CHECK(answers(address + offset));

	/* Onto RAM: RAM wins, the machine goes on, and the BAR can be put right again. */
	for (uint32_t i = 0; i < size / 4; i++)
		ram[i] = 0x11110000 + i;
	pci_write32(device.bdf, 0x10 + 4 * bar, (uint32_t)(uint64_t)ram);
	if (pci_read32(device.bdf, 0x10 + 4 * bar) & 4)
		pci_write32(device.bdf, 0x14 + 4 * bar, 0);
	for (uint32_t i = 0; i < size / 4; i++)
		CHECK_EQ(mmio_read32((uint64_t)&ram[i]), 0x11110000 + i);
	CHECK_EQ(mmio_read32(address + offset), 0xffffffff);
	mmio_write32((uint64_t)ram, 0xabcd);
	CHECK_EQ(mmio_read32((uint64_t)ram), 0xabcd);
	/* Onto ECAM, the IOAPIC, the local APIC and address 0. */
	static const uint32_t places[] = {0xe0000000, 0xfec00000, 0xfee00000, 0};
	for (unsigned int i = 0; i < 4; i++) {
		pci_write32(device.bdf, 0x10 + 4 * bar, places[i]);
		CHECK_EQ(pci_read32(device.bdf, 0), (uint32_t)VIRTIO_RNG << 16 | VIRTIO_VENDOR);
		CHECK(lapic_read(0x30) != 0xffffffff);
	}
	if (pci_read32(device.bdf, 0x10 + 4 * bar) & 4)
		pci_write32(device.bdf, 0x14 + 4 * bar, (uint32_t)(address >> 32));
	pci_write32(device.bdf, 0x10 + 4 * bar, (uint32_t)address);
	CHECK(answers(address + offset));
}

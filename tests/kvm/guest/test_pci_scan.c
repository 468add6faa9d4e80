/* SPDX-License-Identifier: Apache-2.0 */
#include "guest.h"

/* The whole bus by ECAM and by ports 0xcf8/0xcfc: both show the same functions. */
void guest_main(void)
{
	unsigned int found = 0;

	CHECK_EQ(pci_read32(0, 8) >> 16, 0x0600); /* host bridge */
	for (uint32_t slot = 0; slot < 32; slot++) {
		uint32_t bdf = BDF(0, slot, 0), id = pci_read32(bdf, 0);

		CHECK_EQ(pci_cf8_read32(bdf, 0), id);
		CHECK_EQ(mmio_read32(ECAM + ((uint64_t)(bdf | 1) << 12)), 0xffffffff);
		if (id == 0xffffffff) {
			/* An absent function reads all-ones everywhere, and stays absent. */
			CHECK_EQ(pci_read32(bdf, 0x10), 0xffffffff);
			CHECK_EQ(pci_read8(bdf, 0xfff), 0xff);
			pci_write32(bdf, 0x10, 0);
			CHECK_EQ(pci_read32(bdf, 0), 0xffffffff);
			continue;
		}
		found++;
		for (uint32_t offset = 0; offset < 256; offset += 4)
			CHECK_EQ(pci_cf8_read32(bdf, offset), pci_read32(bdf, offset));
		/* Read-only: IDs, class, header type. */
		pci_write32(bdf, 0, 0x12345678);
		CHECK_EQ(pci_read32(bdf, 0), id);
		id = pci_read32(bdf, 8);
		pci_write32(bdf, 8, 0);
		CHECK_EQ(pci_read32(bdf, 8), id);
	}
	CHECK(found >= 2);
	/* Without the enable bit 0xcfc is nobody's. */
	outl(0xcf8, 0);
	CHECK_EQ(inl(0xcfc), 0xffffffff);
	/* A bus that does not exist. */
	CHECK_EQ(pci_read32(BDF(77, 0, 0), 0), 0xffffffff);
	CHECK_EQ(pci_cf8_read32(BDF(77, 0, 0), 0), 0xffffffff);
}

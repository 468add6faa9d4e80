/* SPDX-License-Identifier: Apache-2.0 */
#include "guest.h"

/* What nobody answers reads all-ones in each width, and writes to it do nothing. */
void guest_main(void)
{
	static const uint16_t ports[] = {0x1234, 0x0200, 0x0cf0, 0xfff8};
	/* PCI window without a BAR, below the IOAPIC, far above everything. */
	static const uint64_t addresses[] = {0xdfffe000, 0xfe000000, 0x7f0000000ull};

	for (unsigned int i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		CHECK_EQ(inb(ports[i]), 0xff);
		CHECK_EQ(inw(ports[i]), 0xffff);
		CHECK_EQ(inl(ports[i]), 0xffffffff);
		outb(ports[i], 0);
		outw(ports[i], 0);
		outl(ports[i], 0);
		CHECK_EQ(inl(ports[i]), 0xffffffff);
	}
	CHECK_EQ(inl(0xfffe), 0xffffffff);
	for (unsigned int i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		uint64_t at = addresses[i];

		guest_map(at);
		for (unsigned int pass = 0; pass < 2; pass++) {
			CHECK_EQ(mmio_read8(at), 0xff);
			CHECK_EQ(mmio_read16(at), 0xffff);
			CHECK_EQ(mmio_read32(at), 0xffffffff);
			CHECK_EQ(mmio_read64(at), UINT64_MAX);
			CHECK_EQ(mmio_read32(at + 0xffd), 0xffffffff);
			mmio_write8(at, 0);
			mmio_write16(at, 0);
			mmio_write32(at, 0);
			mmio_write64(at, 0);
		}
	}
}

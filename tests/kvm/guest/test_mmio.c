/* SPDX-License-Identifier: Apache-2.0 */
#include "guest.h"

/* Memory-mapped accesses of each width and alignment agree with one another. */
void guest_main(void)
{
	uint64_t first = ECAM, qword = mmio_read64(first);

	CHECK(qword != UINT64_MAX);
	for (unsigned int i = 0; i < 8; i++)
		CHECK_EQ(mmio_read8(first + i), (uint8_t)(qword >> (8 * i)));
	for (unsigned int i = 0; i < 8; i += 2)
		CHECK_EQ(mmio_read16(first + i), (uint16_t)(qword >> (8 * i)));
	CHECK_EQ(mmio_read32(first), (uint32_t)qword);
	CHECK_EQ(mmio_read32(first + 4), (uint32_t)(qword >> 32));
	/* Unaligned. */
	CHECK_EQ(mmio_read16(first + 1), (uint16_t)(qword >> 8));
	CHECK_EQ(mmio_read32(first + 1), (uint32_t)(qword >> 8));
	CHECK_EQ(mmio_read32(first + 3), (uint32_t)(qword >> 24));

	/* Writes: the interrupt line register keeps a byte, its neighbours stay. */
	uint32_t bdf = pci_find(0x1af4, 0x1044);
	uint64_t line = ECAM + ((uint64_t)bdf << 12) + 0x3c;
	uint8_t pin = mmio_read8(line + 1);
	mmio_write8(line, 0x5a);
	CHECK_EQ(mmio_read8(line), 0x5a);
	CHECK_EQ(mmio_read8(line + 1), pin);
	mmio_write16(line, 0x00a5);
	CHECK_EQ(mmio_read16(line), (uint16_t)(pin << 8 | 0xa5));
	mmio_write32(line, 0x0000003c);
	CHECK_EQ(mmio_read32(line) & 0xff, 0x3c);
}

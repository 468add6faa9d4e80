/* SPDX-License-Identifier: Apache-2.0 */
#include "accel.h"

#define VECTOR  0x50
#define PATTERN 0x0123456789abcdefull

/*
 * From enumeration to a job with an interrupt: what a driver does. At its end the host looks for
 * the pattern in the server's file. A reset in between: FLR takes BARs and interrupts, and no
 * decoder (CXL 9.5).
 */
void guest_main(void)
{
	struct accel accel;

	lapic_enable();
	interrupts_on();
	accel_find(&accel, 0);
	CHECK((pci_read16(accel.bdf, accel.dvsec + 0x0a) & 4) != 0); /* Mem_Capable */
	if (guest_option("committed", 0)) {
		CHECK(accel_is_committed(&accel));
		CHECK(mmio_read32(accel.hdm + HDM_CONTROL) & 0x100); /* locked */
		CHECK(!(mmio_read32(accel.hdm + HDM_CONTROL) & 0x800));
		mmio_write32(accel.hdm + HDM_CONTROL, 0);
		CHECK(accel_is_committed(&accel));
		CHECK(pci_read16(accel.bdf, accel.dvsec + 0x0c) & 4); /* Mem_Enable held */
	} else {
		CHECK(!accel_is_committed(&accel));
		CHECK_EQ(mmio_read64(accel.fixed_base), UINT64_MAX);
		CHECK(accel_commit(&accel));
		pci_write16(accel.bdf, accel.dvsec + 0x0c, 6);
	}
	CHECK_EQ(mmio_read32(accel.hdm + HDM_BASE), (uint32_t)accel.fixed_base);
	CHECK_EQ(mmio_read32(accel.hdm + HDM_BASE + 4), accel.fixed_base >> 32);
	mmio_write64(accel.fixed_base, PATTERN);
	mmio_write64(accel.fixed_base + 0x1ffff8, ~PATTERN);
	CHECK_EQ(mmio_read64(accel.fixed_base), PATTERN);

	accel_set_msix(&accel, 0, VECTOR);
	accel_start(&accel, 0);
	accel_fill(&accel, 0x1000, 0x1000, 0xcafe0001, true);
	CHECK(accel_wait(&accel));
	CHECK(wait_for_interrupts(VECTOR, 1));
	CHECK_EQ(mmio_read32(accel.fixed_base + 0x1000), 0xcafe0001);
	CHECK_EQ(mmio_read32(accel.fixed_base + 0x1ffc), 0xcafe0001);
	CHECK_EQ(mmio_read64(accel.fixed_base + 0x2000), 0);

	accel_function_reset(&accel);
	CHECK_EQ(pci_read16(accel.bdf, 4) & 6, 0);
	CHECK_EQ(mmio_read32(accel.component + 0x1000), 0xffffffff);
	CHECK_EQ(mmio_read64(accel.fixed_base), PATTERN);
	accel_restore(&accel);
	CHECK(accel_is_committed(&accel));
	CHECK_EQ(pci_read16(accel.bdf, accel.msix + 2) & 0x8000, 0);
	accel_set_msix(&accel, 1, VECTOR + 1);
	accel_start(&accel, 1);
	accel_fill(&accel, 0x3000, 0x1000, 0xcafe0002, true);
	CHECK(accel_wait(&accel));
	CHECK(wait_for_interrupts(VECTOR + 1, 1));
	CHECK_EQ(mmio_read32(accel.fixed_base + 0x3000), 0xcafe0002);
	CHECK_EQ(interrupt_count[VECTOR], 1);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "accel.h"

static uint32_t random_state = 1;

static uint32_t next_random(void)
{
	random_state = random_state * 1664525 + 1013904223;
	return random_state;
}

/* Every offset of the CXL.cache/CXL.mem page and some of the rest, at every width. */
static void hammer(const struct accel *accel)
{
	for (uint32_t offset = 0; offset < 0x10000;
	     offset += offset < 0x1000 || offset > 0x1fff ? 0x3f1 : 1) {
		uint64_t at = accel->component + offset;

		mmio_write8(at, (uint8_t)next_random());
		mmio_read8(at);
		if (offset <= 0xfffe) {
			mmio_write16(at, (uint16_t)next_random());
			mmio_read16(at);
		}
		if (offset <= 0xfffc) {
			mmio_write32(at, next_random());
			mmio_read32(at);
		}
		if (offset <= 0xfff8) {
			mmio_write64(at, (uint64_t)next_random() << 32 | next_random());
			mmio_read64(at);
		}
	}
}

/* Resets of both kinds while the engine works, and jobs after each of them. */
static void reset_during_use(struct accel *accel)
{
	for (uint32_t round = 0; round < 10; round++) {
		accel_start(accel, CXVM_ACCEL_NO_VECTOR);
		for (uint32_t i = 0; i < 8; i++)
			accel_fill(accel, 0x100000, 0x80000, i, false);
		if (round % 2)
			accel_function_reset(accel);
		else
			pci_write16(accel->bdf, accel->dvsec + 0x10, 4); /* CXL reset */
		accel_restore(accel);
		CHECK(accel_is_committed(accel) || accel_commit(accel));
		accel_start(accel, CXVM_ACCEL_NO_VECTOR);
		accel_fill(accel, 0, 0x1000, 0x1000 + round, false);
		CHECK(accel_wait(accel));
		CHECK_EQ(mmio_read32(accel->fixed_base + 0xffc), 0x1000 + round);
	}
}

static void must_work(struct accel *accel, uint32_t value)
{
	accel_start(accel, CXVM_ACCEL_NO_VECTOR);
	accel_fill(accel, 0x5000, 0x1000, value, false);
	CHECK(accel_wait(accel));
	CHECK_EQ(mmio_read32(accel->fixed_base + 0x5000), value);
}

/*
 * The host sends interrupts that no job asked for, and then loses two that jobs did ask for: work
 * is done all the same, and the next interrupt comes.
 */
static void odd_interrupts(struct accel *accel, const struct accel *other)
{
	lapic_enable();
	interrupts_on();
	accel_set_msix(accel, 0, 0x50);
	accel_set_msix(accel, 3, 0x53);
	accel_set_msix(other, 3, 0x54);
	print("ready\n");
	CHECK(wait_for_interrupts(0x53, 1));
	while (!interrupt_count[0x54]) /* the host has said which to lose */
		inb(0x61);
	CHECK_EQ(interrupt_count[0x50], 0);
	accel_start(accel, 0);
	for (uint32_t i = 0; i < 2; i++) {
		accel_fill(accel, 0x8000, 0x1000, 0x33330000 + i, true);
		CHECK(accel_wait(accel));
		CHECK_EQ(mmio_read32(accel->fixed_base + 0x8000), 0x33330000 + i);
	}
	CHECK_EQ(interrupt_count[0x50], 0);
	accel_fill(accel, 0x8000, 0x1000, 0x33330002, true);
	CHECK(accel_wait(accel));
	CHECK(wait_for_interrupts(0x50, 1));
	CHECK_EQ(interrupt_count[0x50], 1);
}

/*
 * Two accelerators. hammer=1, resets=1: the guest misbehaves with the first. lost=1: the host does
 * something to the server of the first after "ready"; flr=1 makes the guest ask the device for
 * something, so that the VMM notices. interrupts=1: the host sends and loses some of the first. The
 * second must work in the end.
 */
void guest_main(void)
{
	struct accel first, second;

	accel_find(&first, 0);
	accel_find(&second, 1);
	CHECK(first.fixed_base != second.fixed_base);
	CHECK(accel_is_committed(&second) || accel_commit(&second));
	must_work(&second, 0x22220001);
	if (guest_option("hammer", 0)) {
		hammer(&first);
		for (uint32_t offset = 0x40; offset < 0x1000; offset += 4)
			pci_write32(first.bdf, offset, next_random());
		accel_restore(&first);
	}
	if (guest_option("resets", 0)) {
		CHECK(accel_is_committed(&first) || accel_commit(&first));
		reset_during_use(&first);
	}
	if (guest_option("interrupts", 0)) {
		CHECK(accel_is_committed(&first) || accel_commit(&first));
		odd_interrupts(&first, &second);
	}
	if (guest_option("lost", 0)) {
		CHECK(accel_is_committed(&first) || accel_commit(&first));
		must_work(&first, 0x11110001);
		print("ready\n");
		for (uint32_t i = 0; pci_read32(first.bdf, 0) != 0xffffffff; i++) {
			CHECK(i < 5000000);
			if (guest_option("flr", 0))
				accel_function_reset(&first);
		}
		CHECK_EQ(pci_read32(first.bdf, 0x10), 0xffffffff);
		for (uint32_t i = 0; mmio_read32(first.window) != 0xffffffff; i++)
			CHECK(i < 5000000);
		mmio_write32(first.window, 0);
		CHECK_EQ(mmio_read32(first.scratch), 0xffffffff);
		accel_restore(&first);
		accel_function_reset(&first);
		pci_write16(first.bdf, first.dvsec + 0x10, 4);
		CHECK_EQ(pci_read32(first.bdf, 0), 0xffffffff);
	}
	must_work(&second, 0x22220002);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "guest.h"

/* The other ways to end, chosen by how= on the command line. */
enum { TRIPLE_FAULT = 1, RESET_I8042, RESET_ACPI, POWER_OFF, PANIC, PANIC_FLOOD };

static uint64_t fadt_register(uint32_t offset)
{
	uint64_t fadt = guest_acpi_table("FACP");

	CHECK(fadt != 0);
	CHECK_EQ(mmio_read8(fadt + offset), 1); /* a port */
	return mmio_read64(fadt + offset + 4);
}

void guest_main(void)
{
	static const struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) no_idt = {0, 0};
	uint64_t fadt;

	switch (guest_option("how", 0)) {
	case TRIPLE_FAULT:
		__asm__ volatile("lidt %0; ud2" : : "m"(no_idt));
		break;
	case RESET_I8042:
		outb(0x64, 0xfe);
		break;
	case RESET_ACPI:
		fadt = guest_acpi_table("FACP");
		CHECK(fadt != 0);
		outb((uint16_t)fadt_register(116), mmio_read8(fadt + 128));
		break;
	case POWER_OFF:
		outb((uint16_t)fadt_register(244), 5 << 2 | 0x20);
		break;
	case PANIC:
		CHECK_EQ(inb(0x505), 3);
		outb(0x505, 1);
		break;
	case PANIC_FLOOD:
		for (uint32_t i = 0; i < 2000; i++)
			outb(0x505, 2);
		outb(0x505, 1);
		break;
	default:
		CHECK(false);
	}
	for (uint32_t i = 0; i < 1000000; i++)
		inb(0x61);
	guest_fail(__FILE__, __LINE__, "the machine goes on", 0, 0);
}

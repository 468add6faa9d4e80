/* SPDX-License-Identifier: Apache-2.0 */
#include "guest.h"

/* The machine's general event device: its register (docs: guest-fw/acpi/acpi.h) and its pin. */
#define GED_PORT     0x600
#define GED_PIN      9
#define POWER_BUTTON 1
#define VECTOR       0x54

/* The power button raises the event device's interrupt; its event is read once; then S5. */
void guest_main(void)
{
	uint64_t fadt = guest_acpi_table("FACP");

	CHECK(fadt != 0);
	lapic_enable();
	ioapic_route(GED_PIN, VECTOR, false);
	CHECK_EQ(inl(GED_PORT), 0);
	print("ready\n");
	CHECK(wait_for_interrupts(VECTOR, 1));
	CHECK_EQ(inl(GED_PORT), POWER_BUTTON);
	CHECK_EQ(inl(GED_PORT), 0);
	CHECK_EQ(mmio_read8(fadt + 244), 1);
	outb((uint16_t)mmio_read64(fadt + 248), 5 << 2 | 0x20);
	for (;;)
		relax();
}

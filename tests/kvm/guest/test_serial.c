/* SPDX-License-Identifier: Apache-2.0 */
#include "guest.h"

#define VECTOR 0x52

static volatile uint32_t sent;
static const char text[] = "from the interrupt handler\n";

static void hook(uint8_t vector)
{
	if (vector != VECTOR)
		return;
	for (;;) {
		uint8_t iir = inb(PORT_SERIAL + 2);

		if (iir & 1)
			return;
		if ((iir & 0x0f) != 2)
			continue;
		if (sent == sizeof(text) - 1)
			outb(PORT_SERIAL + 1, 0);
		else
			outb(PORT_SERIAL, (uint8_t)text[sent++]);
	}
}

/* The UART by polling, in loopback and by interrupts (IRQ 4). */
void guest_main(void)
{
	lapic_enable();
	outb(PORT_SERIAL + 2, 0x07);
	CHECK_EQ(inb(PORT_SERIAL + 2) >> 6, 3);
	CHECK_EQ(inb(PORT_SERIAL + 5) & 0x60, 0x60);
	print("polled\n");
	outb(PORT_SERIAL + 4, 0x10);
	outb(PORT_SERIAL, 'L');
	CHECK_EQ(inb(PORT_SERIAL + 5) & 1, 1);
	CHECK_EQ(inb(PORT_SERIAL), 'L');
	outb(PORT_SERIAL + 4, 0x0b);

	interrupt_hook = hook;
	ioapic_route(4, VECTOR, false);
	outb(PORT_SERIAL + 1, 2);
	for (uint32_t i = 0; sent < sizeof(text) - 1; i++) {
		CHECK(i < 1000000);
		relax();
	}
	CHECK(wait_for_interrupts(VECTOR, 1));

	/* Whatever the host typed comes back in upper case. */
	if (guest_option("echo", 0)) {
		uint64_t wanted = guest_option("echo", 0);

		for (uint32_t i = 0; wanted > 0; i++) {
			CHECK(i < 3000000);
			if (inb(PORT_SERIAL + 5) & 1) {
				uint8_t c = inb(PORT_SERIAL);

				outb(PORT_SERIAL, c >= 'a' && c <= 'z' ? (uint8_t)(c - 32) : c);
				wanted--;
			}
		}
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "guest.h"

#define VECTOR 0x53

/* The local APIC timer, once and periodic; port 0x61 and the time-stamp counter move on. */
void guest_main(void)
{
	uint32_t count;

	lapic_enable();
	CHECK(lapic_read(0x30) != 0xffffffff);
	lapic_write(0x3e0, 0x0b); /* divide by 1 */
	lapic_write(0x320, VECTOR);
	lapic_write(0x380, 1000000);
	CHECK(wait_for_interrupts(VECTOR, 1));
	settle();
	CHECK_EQ(interrupt_count[VECTOR], 1);
	CHECK_EQ(lapic_read(0x390), 0);

	lapic_write(0x320, VECTOR | 1u << 17);
	lapic_write(0x380, 2000000);
	CHECK(wait_for_interrupts(VECTOR, 6));
	lapic_write(0x320, 1u << 16); /* masked */
	count = interrupt_count[VECTOR];
	settle();
	CHECK(interrupt_count[VECTOR] <= count + 1);
	CHECK(((inb(0x61) ^ inb(0x61)) & 0x10) != 0);
}

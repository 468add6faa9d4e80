/* SPDX-License-Identifier: Apache-2.0 */
#include "guest.h"

/* Port accesses of each width, and string instructions, reach a device whole and in order. */
void guest_main(void)
{
	uint8_t bytes[4];
	uint32_t dword;
	static const char text[] = "string output\n";
	const char *source = text;
	uint64_t count = sizeof(text) - 1;
	uint8_t *destination = bytes;

	/* Configuration address register: dword only; data window: each width. */
	outl(0xcf8, 0x80000000);
	CHECK_EQ(inl(0xcf8), 0x80000000);
	dword = inl(0xcfc);
	CHECK(dword != 0xffffffff);
	for (unsigned int i = 0; i < 4; i++)
		CHECK_EQ(inb((uint16_t)(0xcfc + i)), (uint8_t)(dword >> (8 * i)));
	CHECK_EQ(inw(0xcfc), (uint16_t)dword);
	CHECK_EQ(inw(0xcfe), (uint16_t)(dword >> 16));

	/* The UART's scratch register, 8 and 16 bits wide. */
	outb(PORT_SERIAL + 7, 0xa5);
	CHECK_EQ(inb(PORT_SERIAL + 7), 0xa5);
	CHECK_EQ(inw(PORT_SERIAL + 6) >> 8, 0xa5);

	__asm__ volatile("rep outsb" : "+S"(source), "+c"(count) : "d"(PORT_SERIAL) : "memory");
	CHECK_EQ(count, 0);
	count = 4;
	__asm__ volatile("rep insb"
			 : "+D"(destination), "+c"(count)
			 : "d"(PORT_SERIAL + 7)
			 : "memory");
	for (unsigned int i = 0; i < 4; i++)
		CHECK_EQ(bytes[i], 0xa5);
}

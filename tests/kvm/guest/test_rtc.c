/* SPDX-License-Identifier: Apache-2.0 */
#include "guest.h"

static uint8_t cmos(uint8_t index)
{
	outb(0x70, index);
	return inb(0x71);
}

static uint32_t bcd(uint8_t value)
{
	CHECK((value & 15) <= 9 && value >> 4 <= 9);
	return (uint32_t)(value >> 4) * 10 + (value & 15);
}

/* The clock shows the host's date (given on the command line as yyyymmdd) and runs. */
void guest_main(void)
{
	uint64_t date, today = guest_option("date", 0);
	uint8_t second;

	CHECK(cmos(0x0d) & 0x80);
	CHECK_EQ(cmos(0x0b) & 0x06, 0x02);
	for (uint32_t i = 0; cmos(0x0a) & 0x80; i++)
		CHECK(i < 100000);
	date = (uint64_t)(bcd(cmos(0x32)) * 100 + bcd(cmos(9))) * 10000 + bcd(cmos(8)) * 100 +
	       bcd(cmos(7));
	/* The host may have passed midnight since. */
	CHECK(date == today || date == guest_option("tomorrow", 0));
	second = cmos(0);
	CHECK(bcd(second) < 60);
	cmos(0x0c);
	for (uint32_t i = 0; cmos(0) == second; i++)
		CHECK(i < 2000000);
	CHECK(cmos(0x0c) & 0x10); /* the update-ended flag */
	cmos(0x0c);
	outb(0x70, 0x40);
	outb(0x71, 0x77);
	CHECK_EQ(cmos(0x40), 0x77);
}

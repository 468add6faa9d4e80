/* SPDX-License-Identifier: Apache-2.0 */
#include "guest.h"

/* The debug-exit port takes values of each width. */
void guest_main(void)
{
	uint64_t code = guest_option("code", 0);

	switch (guest_option("width", 4)) {
	case 1:
		outb(PORT_DEBUG_EXIT, (uint8_t)code);
		break;
	case 2:
		outw(PORT_DEBUG_EXIT, (uint16_t)code);
		break;
	default:
		outl(PORT_DEBUG_EXIT, (uint32_t)code);
		break;
	}
	for (;;)
		relax();
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "guest.h"

/* Makes exits until the host has seen enough. */
void guest_main(void)
{
	print("spinning\n");
	for (;;)
		inb(0x61);
}

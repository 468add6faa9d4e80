/* SPDX-License-Identifier: Apache-2.0 */
#include "guest.h"

/* INIT-SIPI-SIPI by physical destination, sent before this guest has written any other register of
 * its local APIC (memtest86+ starts its processors this way). */
void guest_main(void)
{
	uint32_t cpus = (uint32_t)guest_option("cpus", 1);

	for (uint32_t id = 1; id < cpus; id++)
		smp_start(id);
	for (uint32_t i = 0; ap_started != cpus - 1; i++) {
		if (i == 200000)
			guest_fail(__FILE__, __LINE__, "processors that started", ap_started,
				   cpus - 1);
		inb(0x61);
	}
}

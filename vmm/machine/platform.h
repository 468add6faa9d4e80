/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMM_MACHINE_PLATFORM_H
#define VMM_MACHINE_PLATFORM_H

#include "vmm/machine/part.h"

/* The platform devices of the architecture, one part; needs no section of its own. */
extern const struct machine_part_ops machine_platform_part;

/* MACHINE_REQUEST_POWER_BUTTON; in the machine's thread. */
void machine_press_power_button(struct machine *machine);

/* For the firmware tables. */
const struct arch_platform *machine_platform_devices(const struct machine *machine);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEVICES_LEGACY_PVPANIC_H
#define DEVICES_LEGACY_PVPANIC_H

#include <stdint.h>

#include "core/bus.h"
#include "core/log.h"

/* The paravirtual panic register (QEMU docs/specs/pvpanic, Linux drivers/misc/pvpanic): the guest
 * says that its kernel has panicked, or that a crash kernel takes over. */
#define PVPANIC_PANICKED     0x1u
#define PVPANIC_CRASH_LOADED 0x2u

struct pvpanic_options {
	struct bus *bus; /* ports or memory */
	uint64_t base;
	const struct logger *logger;
	/* @events: PVPANIC_* bits, not 0. In the vCPU's thread. */
	void (*event)(void *opaque, uint8_t events);
	void *opaque;
};

struct pvpanic;

/* Returns 0, -ENOMEM, or the error of bus_add(). Before the vCPUs run. */
int pvpanic_create(struct pvpanic **pvpanic, const struct pvpanic_options *options);

/* vCPUs must be stopped. NULL is allowed. */
void pvpanic_destroy(struct pvpanic *pvpanic);

#endif

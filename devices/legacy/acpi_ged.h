/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEVICES_LEGACY_ACPI_GED_H
#define DEVICES_LEGACY_ACPI_GED_H

#include <stdint.h>

#include "core/bus.h"
#include "core/irq.h"
#include "core/log.h"

/*
 * The few registers of a hardware-reduced ACPI machine (ACPI 6.5, 4.8.3.7 and 5.6.9), in one block
 * of ports or memory:
 *
 *   +0, 32 bits: events of the generic event device; reading returns and clears them
 *   +4,  8 bits: sleep control; SLP_EN with SLP_TYP 5 powers off
 *   +5,  8 bits: sleep status; WAK_STS, write 1 to clear
 *   +6,  8 bits: reset; ACPI_GED_RESET_VALUE resets
 *
 * guest-fw/acpi/acpi.h describes them to the guest.
 */
#define ACPI_GED_EVENT_OFFSET         0u
#define ACPI_GED_SLEEP_CONTROL_OFFSET 4u
#define ACPI_GED_SLEEP_STATUS_OFFSET  5u
#define ACPI_GED_RESET_OFFSET         6u
#define ACPI_GED_REGISTERS_SIZE       8u
#define ACPI_GED_S5_TYPE              5u
#define ACPI_GED_RESET_VALUE          0x01u

struct acpi_ged_options {
	struct bus *bus; /* ports or memory */
	uint64_t base;
	struct irq_router *irq;
	uint32_t gsi; /* edge triggered */
	const struct logger *logger;
	/* In the vCPU's thread. */
	void (*power_off)(void *opaque);
	void (*reset)(void *opaque);
	void *opaque;
};

struct acpi_ged;

/* Returns 0, -ENOMEM, or the error of bus_add(). Before the vCPUs run. */
int acpi_ged_create(struct acpi_ged **ged, const struct acpi_ged_options *options);

/* vCPUs must be stopped. NULL is allowed. */
void acpi_ged_destroy(struct acpi_ged *ged);

/*
 * acpi_ged_raise() - tell the guest that @events (ACPI_GED_* of guest-fw/acpi/acpi.h: power button,
 * PCI rescan) happened. Returns 0 or the errno of KVM_IRQ_LINE. Any thread.
 */
int acpi_ged_raise(struct acpi_ged *ged, uint32_t events);

#endif

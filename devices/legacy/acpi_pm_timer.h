/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEVICES_LEGACY_ACPI_PM_TIMER_H
#define DEVICES_LEGACY_ACPI_PM_TIMER_H

#include <stdint.h>

#include "core/bus.h"
#include "core/log.h"

/*
 * The power management timer (ACPI 6.5, 4.8.3.3): a read-only 32-bit counter of 3.579545 MHz.
 *
 * For guests that cannot see the hypervisor and so have no kvmclock: a hardware-reduced Linux of
 * 7.x does not calibrate its TSC against the PIT, and stops early in the boot without any
 * reference. Others do not need it. The counter goes on while the machine is paused.
 */
#define ACPI_PM_TIMER_FREQUENCY 3579545u
#define ACPI_PM_TIMER_SIZE      4u

struct acpi_pm_timer_options {
	struct bus *bus; /* ports or memory */
	uint64_t base;   /* multiple of 4 */
	const struct logger *logger;
	/* Nanoseconds that never go back; NULL: CLOCK_MONOTONIC. Called by all vCPUs' threads. */
	uint64_t (*now)(void *opaque);
	void *now_opaque;
};

struct acpi_pm_timer;

/* Returns 0, -ENOMEM, or the error of bus_add(). Before the vCPUs run. */
int acpi_pm_timer_create(struct acpi_pm_timer **timer, const struct acpi_pm_timer_options *options);

/* vCPUs must be stopped. NULL is allowed. */
void acpi_pm_timer_destroy(struct acpi_pm_timer *timer);

#endif

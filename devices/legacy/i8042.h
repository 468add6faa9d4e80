/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEVICES_LEGACY_I8042_H
#define DEVICES_LEGACY_I8042_H

#include "core/bus.h"
#include "core/log.h"

/*
 * What is left of the keyboard controller: command 0xFE on port 0x64, which pulses the reset line,
 * and system control port B (0x61). There is no keyboard; the ACPI tables must not describe one.
 */
struct i8042_options {
	struct bus *bus;
	const struct logger *logger;
	void (*reset)(void *opaque); /* in the vCPU's thread */
	void *opaque;
};

struct i8042;

/* Returns 0, -ENOMEM, or the error of bus_add(). Before the vCPUs run. */
int i8042_create(struct i8042 **i8042, const struct i8042_options *options);

/* vCPUs must be stopped. NULL is allowed. */
void i8042_destroy(struct i8042 *i8042);

#endif

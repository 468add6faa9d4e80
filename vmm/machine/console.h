/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMM_MACHINE_CONSOLE_H
#define VMM_MACHINE_CONSOLE_H

#include <stdbool.h>

#include "devices/legacy/serial_backend.h"
#include "devices/virtio/device.h"
#include "vmm/machine/specification.h"

/* The virtio console (hvc0) of a machine and its end on the host: the "console" section. */
struct machine_console;

struct machine_console_options {
	struct virtio_environment environment;
	const struct specification_console *config; /* mode is not OFF and not DEFAULT */
	bool serial_on_stdio;                       /* standard input is taken */
};

/*
 * machine_console_create() - open the host's end and make the device, which the caller owns; it
 * must be destroyed before the console, which owns the descriptors between the two. Before the
 * event loop runs. Returns 0; -EINVAL (no path; standard input is taken); -EADDRINUSE or another
 * errno of opening, logged.
 */
int machine_console_create(struct machine_console **console,
			   const struct machine_console_options *options,
			   struct virtio_device **device);

/* Write out what the guest has sent, as far as that goes without waiting. The event loop must have
 * ended. NULL is allowed. */
void machine_console_flush(struct machine_console *console);

/* The event loop must not run. NULL is allowed. */
void machine_console_destroy(struct machine_console *console);

/* The host end of a mode; the serial port has the same. */
enum serial_backend_kind machine_backend_kind(enum cxvm_console_mode mode);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEVICES_LEGACY_SERIAL_H
#define DEVICES_LEGACY_SERIAL_H

#include <stdint.h>

#include "devices/legacy/serial_backend.h"
#include "core/bus.h"
#include "core/irq.h"
#include "core/log.h"

/*
 * A PC16550D UART (National Semiconductor data sheet, "8.0 Registers"): eight byte registers, 16
 * byte FIFOs, loopback, all interrupt sources. Transmission takes no time; there is no parity,
 * framing or break from the host's side. Divisor and word length are kept but have no effect. The
 * interrupt is not gated by OUT2, as in other virtual machines.
 */
#define SERIAL_REGISTERS 8u

struct serial_options {
	const char *name; /* "serial0"; must outlive the device */
	uint64_t base;
	uint32_t gsi;    /* edge triggered, driven while an interrupt is pending */
	struct bus *bus; /* ports or memory */
	struct irq_router *irq;
	struct serial_backend *backend; /* owned by the caller; must outlive the device */
	const struct logger *logger;
};

struct serial;

/* Returns 0, -ENOMEM, or the error of bus_add(). Before the vCPUs run. */
int serial_create(struct serial **serial, const struct serial_options *options);

/* vCPUs and the event loop must be stopped. NULL is allowed. */
void serial_destroy(struct serial *serial);

#endif

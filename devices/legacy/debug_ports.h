/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEVICES_LEGACY_DEBUG_PORTS_H
#define DEVICES_LEGACY_DEBUG_PORTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bus.h"
#include "core/log.h"

/*
 * Registers for tests and measurements.
 *
 * Boot timing, one byte: each byte the guest writes is kept with its time. The codes are
 * cloud-hypervisor's: 0x00-0x1f firmware, 0x20-0x3f boot loader, 0x40-0x5f kernel, 0x60-0x7f user
 * space; the rest is the guest's own (older kernels write there just to wait).
 *
 * Debug exit, four bytes (only when there is a callback): a test guest ends with a value of 1, 2
 * or 4 bytes.
 */
#define DEBUG_BOOT_TIMINGS_MAX 256u

struct debug_boot_timing {
	uint8_t code;
	uint64_t nanoseconds; /* since debug_ports_options.start_ns */
};

struct debug_ports_options {
	struct bus *bus; /* ports or memory */
	uint64_t boot_base;
	uint64_t exit_base;
	const struct logger *logger;
	uint64_t start_ns; /* CLOCK_MONOTONIC when the machine started */
	/* In the vCPU's thread. NULL: no such register. */
	void (*debug_exit)(void *opaque, uint32_t value);
	void *opaque;
};

struct debug_ports;

/* Returns 0, -ENOMEM, or the error of bus_add(). Before the vCPUs run. */
int debug_ports_create(struct debug_ports **ports, const struct debug_ports_options *options);

/* vCPUs must be stopped. NULL is allowed. */
void debug_ports_destroy(struct debug_ports *ports);

/* Copies the first @count boot timings, oldest first. Returns how many there are altogether (kept:
 * at most DEBUG_BOOT_TIMINGS_MAX). Any thread. */
size_t debug_ports_timings(struct debug_ports *ports, struct debug_boot_timing *timings,
			   size_t count);

/* "firmware", "boot loader", "kernel", "user space" or "other". */
const char *debug_boot_code_origin(uint8_t code);

#endif

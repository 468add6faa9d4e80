/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PASSTHROUGH_DEVICE_TRAP_H
#define PASSTHROUGH_DEVICE_TRAP_H

#include "core/bus.h"
#include "passthrough/discover/region_planner.h"

struct passthrough_device;
struct window;

/* One segment of a BAR. All of a device are one array, BAR by BAR, ascending in each. */
struct bar_segment {
	struct passthrough_device *device;
	unsigned int bar; /* and region of the transport */
	enum region_segment_kind kind;
	uint64_t offset; /* in the BAR */
	uint64_t size;
	struct window *window; /* direct segments; else NULL */
	struct bus_region trap;
	bool on_bus;
	bool placed;  /* the guest has its BAR at gpa now, whatever serves it */
	uint64_t gpa; /* where the guest has it, or had it last; 0: nowhere yet */
};

/* Region reads and writes of the device's own; opaque: the struct bar_segment. Any vCPU thread,
 * without locks. */
extern const struct bus_ops trap_forward_ops;
/* The same, and writes are dropped: the expansion ROM. */
extern const struct bus_ops trap_rom_ops;

/* On the bus at segment->gpa, where somebody answers for it. Under device->lock. Returns 0 or the
 * errnos of bus_add(). */
int trap_give(struct bar_segment *segment);

/* Under device->lock, so it does not wait for those inside, who may want that lock. A segment that
 * is not on the bus is allowed. */
void trap_take(struct bar_segment *segment);

/* After the last trap_take(), under no lock: nobody is inside when it has returned. */
void trap_wait_quiet(struct bar_segment *segment);

#endif

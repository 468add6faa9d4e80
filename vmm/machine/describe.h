/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMM_MACHINE_DESCRIBE_H
#define VMM_MACHINE_DESCRIBE_H

#include <stddef.h>
#include <stdint.h>

#include "passthrough/device/passthrough.h"
#include "vmm/machine/specification.h"

/* A snapshot of the guest physical map and of the devices; plain data, which vmm/api presents. */
#define DESCRIPTION_MAX_ROWS 1024u

enum description_kind {
	DESCRIPTION_RAM,
	DESCRIPTION_FIRMWARE,
	DESCRIPTION_WINDOW, /* address space that a PCI host bridge forwards */
	DESCRIPTION_CFMWS,  /* CXL fixed memory window */
	DESCRIPTION_BAR,
	DESCRIPTION_DIRECT,  /* a device register window, no exit */
	DESCRIPTION_DPA,     /* CXL memory, no exit */
	DESCRIPTION_TRAPPED, /* served by the VMM */
	DESCRIPTION_KVM,     /* served by KVM */
	DESCRIPTION_PORT,    /* I/O ports, which are no addresses of memory */
};

struct description_row {
	uint64_t base;
	uint64_t size;
	enum description_kind kind;
	char text[96];
};

struct description_device {
	const char *id;
	const struct passthrough_facts *facts;
	const struct passthrough_timeline *timeline;
};

struct description {
	struct description_row rows[DESCRIPTION_MAX_ROWS]; /* by base, larger first */
	size_t count;
	struct description_device devices[MACHINE_MAX_DEVICES];
	size_t device_count;
	uint64_t tables_ns; /* making the firmware tables, of all devices together */
};

/* describe_add.c: one more row, nothing when @size is 0 or there is no room. */
void description_add(struct description *description, uint64_t base, uint64_t size,
		     enum description_kind kind, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
/* A passed-through function: the CXL fixed memory window at @window, if it has one, the segments of
 * its BARs and its memory, and how it was attached. */
void description_add_device(struct description *description, struct passthrough_device *device,
			    uint64_t window);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMM_MACHINE_DESCRIBE_H
#define VMM_MACHINE_DESCRIBE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cxvm/cxvm.h>

#include "passthrough/device/passthrough.h"
#include "vmm/machine/specification.h"

/* A snapshot of the guest physical map for people and programs; plain data, so that the formatting
 * is pure. */
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
	struct description_row rows[DESCRIPTION_MAX_ROWS];
	size_t count;
	struct description_device devices[MACHINE_MAX_DEVICES];
	size_t device_count;
	uint64_t tables_ns; /* making the firmware tables, of all devices together */
};

/* One phase of a device's attachment. */
struct description_phase {
	const char *name;
	uint64_t ns;
};
#define DESCRIPTION_PHASES 7u

/* In the order in which they happen. */
void description_phases(const struct passthrough_timeline *timeline,
			struct description_phase phases[DESCRIPTION_PHASES]);
/* "256 MiB": the largest unit that leaves no remainder. */
void description_size(uint64_t size, char *text, size_t length);
/* In how many earlier rows a row lies. */
unsigned int description_depth(const struct description *description, size_t index);
const char *description_kind_colour(enum description_kind kind);
/* describe_svg.c */
void description_svg(FILE *stream, const struct description *description);

/* "direct", "trapped", "CXL memory", ... */
const char *description_kind_name(enum description_kind kind);

/* Rows sorted by base, larger first. @text: free() it. Returns 0, -EINVAL (format) or -ENOMEM.
 * Pure. */
int description_format(const struct description *description, enum cxvm_format format, char **text);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMM_API_DESCRIBE_ROWS_H
#define VMM_API_DESCRIBE_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "vmm/machine/describe.h"

/* What all forms of a description say about a row or a device. Pure. */

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
/* "direct", "trapped", "CXL memory", ... */
const char *description_kind_name(enum description_kind kind);
const char *description_kind_colour(enum description_kind kind);

#endif

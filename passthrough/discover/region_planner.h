/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PASSTHROUGH_DISCOVER_REGION_PLANNER_H
#define PASSTHROUGH_DISCOVER_REGION_PLANNER_H

#include <stdbool.h>
#include <stdint.h>

#include "passthrough/transport/info.h"

/*
 * "Region capabilities + MSI-X + CXL block + page size -> ordered list of segments": which part of
 * a BAR the guest may touch directly, and what answers the rest. Pure. The segments cover the BAR
 * exactly, ascending, without gap or overlap; direct ones are page aligned on both ends.
 */
enum region_segment_kind {
	REGION_SEGMENT_DIRECT,
	REGION_SEGMENT_FORWARD,   /* trapped: region read / write */
	REGION_SEGMENT_COMPONENT, /* CXL component register block, served by the VMM */
	REGION_SEGMENT_MSIX_TABLE,
	REGION_SEGMENT_MSIX_PBA,
	REGION_SEGMENT_EMPTY, /* behind the region's end, up to the BAR's power of two */
};

struct region_segment {
	enum region_segment_kind kind;
	uint64_t offset; /* in the BAR */
	uint64_t size;
};

/* A range that the VMM serves; size 0: none. */
struct region_hole {
	uint64_t offset;
	uint64_t size;
};

struct region_plan_input {
	const struct vfio_region *region;
	uint64_t page_size; /* of the host, a power of two */
	struct region_hole component;
	struct region_hole msix_table;
	struct region_hole msix_pba;
};

#define REGION_PLAN_MAX_SEGMENTS 160u

struct region_plan {
	uint64_t bar_size; /* power of two, at least the region's size; 0: no BAR */
	uint32_t count;
	struct region_segment segments[REGION_PLAN_MAX_SEGMENTS];
	/* Sparse areas that were not mapped, and why the last one was not; for one log line. */
	uint32_t ignored_areas;
	const char *ignored_reason;
};

/*
 * region_plan() - Returns 0; or -EINVAL with *@why: a hole leaves the region, holes overlap each
 * other, the region is larger than a BAR can be, or the page size is no power of two. Areas that
 * are empty, not page aligned, overlapping, wrapped or out of range are ignored (the range is
 * trapped) and counted. The pages that hold the component block, the MSI-X table or the PBA are
 * never direct, also where the device would allow it (MSIX_MAPPABLE): the guest's vectors are
 * virtual.
 */
int region_plan(struct region_plan *plan, const struct region_plan_input *input, const char **why);

/* BAR size for a region of @size bytes: the next power of two, at least 16 (PCIe 7.5.1.2.1); 0 for
 * size 0 or beyond 2^62. */
uint64_t region_bar_size(uint64_t size);

#endif

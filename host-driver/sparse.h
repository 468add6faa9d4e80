/* SPDX-License-Identifier: GPL-2.0-only */
/* Which parts of the component BAR user space may map. */
#ifndef CXL_VFIO_SPARSE_H
#define CXL_VFIO_SPARSE_H

#include "shim.h"

struct sparse_request {
	u64 bar_length;
	u64 block_offset;
	u64 block_size; /* 0: there is no block, the BAR is an ordinary one */
	u64 page_size;  /* a power of two */
	bool mappable;  /* vfio-pci-core allows this BAR to be mapped at all */
};

struct sparse_area {
	u64 offset;
	u64 size;
};

struct sparse_plan {
	bool map;       /* VFIO_REGION_INFO_FLAG_MMAP */
	bool sparse;    /* report the areas in a VFIO_REGION_INFO_CAP_SPARSE_MMAP capability */
	u32 area_count; /* 0..2, ascending, page aligned, never empty */
	struct sparse_area areas[2];
};

/*
 * Plan the windows around the component block: the lower one ends at or before the block, the upper
 * one starts at or after its end, both rounded inwards to pages. 0; -EINVAL: the block does not fit
 * in the BAR.
 */
int sparse_plan_bar(const struct sparse_request *request, struct sparse_plan *plan);

/*
 * Does [start, start + length) touch the block? Ranges that wrap do. An empty range or an empty
 * block never does.
 */
bool sparse_overlaps(u64 block_offset, u64 block_size, u64 start, u64 length);

#endif

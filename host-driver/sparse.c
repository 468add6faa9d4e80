// SPDX-License-Identifier: GPL-2.0-only
/* Sparse windows of the component BAR (VFIO_REGION_INFO_CAP_SPARSE_MMAP). */
#include "sparse.h"

static void sparse_add(struct sparse_plan *plan, u64 start, u64 end)
{
	if (start >= end)
		return;
	plan->areas[plan->area_count].offset = start;
	plan->areas[plan->area_count].size = end - start;
	plan->area_count++;
}

int sparse_plan_bar(const struct sparse_request *request, struct sparse_plan *plan)
{
	u64 in_page = request->page_size - 1;
	u64 block_end;

	memset(plan, 0, sizeof(*plan));
	if (!request->block_size) {
		plan->map = request->mappable;
		return 0;
	}
	if (request->block_size > request->bar_length ||
	    request->block_offset > request->bar_length - request->block_size)
		return -EINVAL;
	if (!request->mappable)
		return 0;

	block_end = request->block_offset + request->block_size;
	sparse_add(plan, 0, request->block_offset & ~in_page);
	/* Rounding up cannot wrap: the end is at most the length of a BAR, below 2^63. */
	sparse_add(plan, (block_end + in_page) & ~in_page, request->bar_length & ~in_page);
	plan->map = plan->area_count > 0;
	plan->sparse = plan->map;
	return 0;
}

bool sparse_overlaps(u64 block_offset, u64 block_size, u64 start, u64 length)
{
	if (!block_size || !length)
		return false;
	if (start + length - 1 < start)
		return true;
	return start <= block_offset + block_size - 1 && start + length - 1 >= block_offset;
}

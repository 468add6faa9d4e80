/* SPDX-License-Identifier: Apache-2.0 */
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>

#include "passthrough/discover/region_planner.h"

/* The segments of any plan cover the BAR exactly, and nothing direct touches a hole. */
static uint64_t take(const uint8_t **data, size_t *size)
{
	uint64_t value = 0;
	size_t count = *size < 8 ? *size : 8;

	memcpy(&value, *data, count);
	*data += count;
	*size -= count;
	return value;
}

static void check_hole(const struct region_segment *segment, const struct region_hole *hole)
{
	if (hole->size && segment->offset < hole->offset + hole->size &&
	    hole->offset < segment->offset + segment->size)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vfio_region region = {.flags = VFIO_REGION_INFO_FLAG_MMAP};
	struct region_plan_input input = {.region = &region};
	struct region_plan plan;
	const char *why;
	uint64_t position = 0, options = take(&data, &size);

	input.page_size = 4096u << (options & 15);
	region.sparse = options & 16;
	region.size = take(&data, &size);
	if (!(options & 32))
		region.size &= 0xffffff;
	input.component.offset = take(&data, &size);
	input.component.size = options & 64 ? 0x10000 : take(&data, &size);
	input.msix_table.offset = take(&data, &size);
	input.msix_table.size = (options >> 8 & 0x7ff) * 16;
	input.msix_pba.offset = take(&data, &size);
	input.msix_pba.size = (options >> 20 & 0xff) * 8;
	while (size && region.area_count < VFIO_INFO_MAX_AREAS) {
		region.areas[region.area_count].offset = take(&data, &size);
		region.areas[region.area_count].size = take(&data, &size);
		if (!(options & 128)) {
			region.areas[region.area_count].offset &= 0xfff000;
			region.areas[region.area_count].size &= 0xff000;
		}
		region.area_count++;
	}
	if (region_plan(&plan, &input, &why))
		return 0;
	for (uint32_t i = 0; i < plan.count; i++) {
		const struct region_segment *segment = &plan.segments[i];

		if (segment->offset != position || !segment->size)
			abort();
		position += segment->size;
		if (segment->kind != REGION_SEGMENT_DIRECT)
			continue;
		if ((segment->offset | segment->size) & (input.page_size - 1) ||
		    position > region.size)
			abort();
		check_hole(segment, &input.component);
		check_hole(segment, &input.msix_table);
		check_hole(segment, &input.msix_pba);
	}
	if (position != plan.bar_size)
		abort();
	return 0;
}

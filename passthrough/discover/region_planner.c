/* SPDX-License-Identifier: Apache-2.0 */
#include "passthrough/discover/region_planner.h"

#include <errno.h>
#include <linux/vfio.h>
#include <stddef.h>
#include <string.h>

#include "core/ranges.h"

#define REGION_HOLES 3u

struct region_span {
	uint64_t start;
	uint64_t end;
};

struct region_spans {
	uint32_t count;
	struct region_span spans[VFIO_INFO_MAX_AREAS * 2 + REGION_HOLES];
};

uint64_t region_bar_size(uint64_t size)
{
	uint64_t bar_size = 16;

	if (!size || size > 1ull << 62)
		return 0;
	while (bar_size < size)
		bar_size <<= 1;
	return bar_size;
}

static void region_ignore(struct region_plan *plan, const char *reason)
{
	plan->ignored_areas++;
	plan->ignored_reason = reason;
}

static const char *region_area_problem(const struct vfio_area *area, uint64_t region_size,
				       uint64_t page_size)
{
	uint64_t end;

	if (!area->size)
		return "empty";
	if (__builtin_add_overflow(area->offset, area->size, &end))
		return "wraps around";
	if (end > region_size)
		return "reaches beyond the region";
	if (!is_aligned(area->offset | area->size, page_size))
		return "not page aligned";
	return NULL;
}

/* The areas that may be mapped, in the order of the capability; overlapping ones lose both. */
static void region_collect_areas(struct region_plan *plan, const struct region_plan_input *input,
				 struct region_spans *spans)
{
	const struct vfio_region *region = input->region;

	spans->count = 0;
	if (!(region->flags & VFIO_REGION_INFO_FLAG_MMAP))
		return;
	if (!region->sparse) {
		spans->spans[0].start = 0;
		spans->spans[0].end = align_down(region->size, input->page_size);
		spans->count = spans->spans[0].end ? 1 : 0;
		return;
	}
	for (uint32_t i = 0; i < region->area_count; i++) {
		const struct vfio_area *area = &region->areas[i];
		const char *problem = region_area_problem(area, region->size, input->page_size);

		for (uint32_t j = 0; j < region->area_count && !problem; j++) {
			const struct vfio_area *other = &region->areas[j];

			if (j != i && !region_area_problem(other, region->size, input->page_size) &&
			    area->offset < other->offset + other->size &&
			    other->offset < area->offset + area->size)
				problem = "overlaps another area";
		}
		if (problem) {
			region_ignore(plan, problem);
			continue;
		}
		spans->spans[spans->count].start = area->offset;
		spans->spans[spans->count].end = area->offset + area->size;
		spans->count++;
	}
}

static void region_sort(struct region_span *spans, uint32_t count)
{
	for (uint32_t i = 1; i < count; i++) {
		struct region_span span = spans[i];
		uint32_t j = i;

		for (; j > 0 && spans[j - 1].start > span.start; j--)
			spans[j] = spans[j - 1];
		spans[j] = span;
	}
}

/* Adjacent areas become one: one mapping, one memory slot. */
static void region_merge(struct region_spans *spans)
{
	uint32_t kept = 0;

	region_sort(spans->spans, spans->count);
	for (uint32_t i = 0; i < spans->count; i++) {
		if (kept && spans->spans[kept - 1].end == spans->spans[i].start)
			spans->spans[kept - 1].end = spans->spans[i].end;
		else
			spans->spans[kept++] = spans->spans[i];
	}
	spans->count = kept;
}

/* Take the pages of a hole out of all spans. */
static void region_carve(struct region_spans *spans, const struct region_hole *hole,
			 uint64_t page_size)
{
	struct region_spans result = {.count = 0};
	uint64_t start = align_down(hole->offset, page_size);
	uint64_t end = (hole->offset + hole->size + page_size - 1) & ~(page_size - 1);

	for (uint32_t i = 0; i < spans->count; i++) {
		struct region_span span = spans->spans[i];

		if (span.end <= start || span.start >= end) {
			result.spans[result.count++] = span;
			continue;
		}
		if (span.start < start)
			result.spans[result.count++] = (struct region_span){span.start, start};
		if (span.end > end)
			result.spans[result.count++] = (struct region_span){end, span.end};
	}
	*spans = result;
}

/* The parts of a BAR that the VMM serves. */
struct region_served {
	const struct region_hole *hole;
	enum region_segment_kind kind;
	const char *outside; /* why it is refused when it leaves the BAR */
};

struct region_served_list {
	struct region_served parts[REGION_HOLES];
};

static struct region_served_list region_served(const struct region_plan_input *input)
{
	return (struct region_served_list){{
		{&input->component, REGION_SEGMENT_COMPONENT,
		 "the component register block leaves its BAR"},
		{&input->msix_table, REGION_SEGMENT_MSIX_TABLE, "the MSI-X table leaves its BAR"},
		{&input->msix_pba, REGION_SEGMENT_MSIX_PBA,
		 "the MSI-X pending bits leave their BAR"},
	}};
}

static int region_check_holes(const struct region_plan_input *input, const char **why)
{
	const struct region_served_list served = region_served(input);

	for (unsigned int i = 0; i < REGION_HOLES; i++) {
		const struct region_hole *hole = served.parts[i].hole;
		uint64_t end;

		if (!hole->size)
			continue;
		if (__builtin_add_overflow(hole->offset, hole->size, &end) ||
		    end > input->region->size) {
			*why = served.parts[i].outside;
			return -EINVAL;
		}
		for (unsigned int j = 0; j < i; j++) {
			const struct region_hole *other = served.parts[j].hole;

			if (other->size && other->offset < end &&
			    hole->offset < other->offset + other->size) {
				*why = "component block, MSI-X table and pending bits overlap";
				return -EINVAL;
			}
		}
	}
	return 0;
}

static void region_emit(struct region_plan *plan, enum region_segment_kind kind, uint64_t start,
			uint64_t end)
{
	struct region_segment *last = plan->count ? &plan->segments[plan->count - 1] : NULL;

	if (start == end)
		return;
	if (last && last->kind == kind && kind == REGION_SEGMENT_FORWARD) {
		last->size += end - start;
		return;
	}
	plan->segments[plan->count].kind = kind;
	plan->segments[plan->count].offset = start;
	plan->segments[plan->count].size = end - start;
	plan->count++;
}

/* What begins at or after @position, whichever comes first. */
struct region_next {
	enum region_segment_kind kind;
	struct region_span span;
};

static struct region_next region_find_next(const struct region_plan_input *input,
					   const struct region_spans *direct, uint64_t position)
{
	const struct region_served_list served = region_served(input);
	struct region_next next = {
		.kind = REGION_SEGMENT_EMPTY,
		.span = {input->region->size, input->region->size},
	};

	for (unsigned int i = 0; i < REGION_HOLES; i++) {
		const struct region_hole *hole = served.parts[i].hole;

		if (!hole->size || hole->offset < position || hole->offset >= next.span.start)
			continue;
		next.kind = served.parts[i].kind;
		next.span.start = hole->offset;
		next.span.end = hole->offset + hole->size;
	}
	for (uint32_t i = 0; i < direct->count; i++) {
		if (direct->spans[i].start < position || direct->spans[i].start >= next.span.start)
			continue;
		next.kind = REGION_SEGMENT_DIRECT;
		next.span = direct->spans[i];
	}
	return next;
}

int region_plan(struct region_plan *plan, const struct region_plan_input *input, const char **why)
{
	struct region_spans direct;
	uint64_t position = 0;
	int result;

	memset(plan, 0, sizeof(*plan));
	*why = NULL;
	if (!is_power_of_two(input->page_size)) {
		*why = "page size";
		return -EINVAL;
	}
	if (input->region->size > 1ull << 62) {
		*why = "region larger than a BAR can be";
		return -EINVAL;
	}
	result = region_check_holes(input, why);
	if (result || !input->region->size)
		return result;
	region_collect_areas(plan, input, &direct);
	region_merge(&direct);
	if (input->component.size)
		region_carve(&direct, &input->component, input->page_size);
	if (input->msix_table.size)
		region_carve(&direct, &input->msix_table, input->page_size);
	if (input->msix_pba.size)
		region_carve(&direct, &input->msix_pba, input->page_size);

	plan->bar_size = region_bar_size(input->region->size);
	/* At most 67 direct spans and 3 holes, a gap before each: fits REGION_PLAN_MAX_SEGMENTS. */
	while (position < input->region->size) {
		struct region_next next = region_find_next(input, &direct, position);

		region_emit(plan, REGION_SEGMENT_FORWARD, position, next.span.start);
		region_emit(plan, next.kind, next.span.start, next.span.end);
		position = next.span.end;
	}
	region_emit(plan, REGION_SEGMENT_EMPTY, input->region->size, plan->bar_size);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-fw/x86/e820.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* An input range; a later kind covers an earlier one. */
struct e820_span {
	uint64_t first;
	uint64_t last;
	enum e820_type type;
};

struct e820_spans {
	struct e820_span span[E820_MAX];
	size_t count;
};

static int e820_collect(struct e820_spans *spans, const struct e820_range *ranges, size_t count,
			enum e820_type type)
{
	if (count && !ranges)
		return -EINVAL;
	for (size_t i = 0; i < count; i++) {
		uint64_t last;

		if (!ranges[i].size)
			continue;
		if (__builtin_add_overflow(ranges[i].base, ranges[i].size - 1, &last) ||
		    last == UINT64_MAX || spans->count == E820_MAX)
			return -EINVAL;
		spans->span[spans->count++] = (struct e820_span){ranges[i].base, last, type};
	}
	return 0;
}

static bool e820_overlap(const struct e820_span *a, const struct e820_span *b)
{
	return a->first <= b->last && b->first <= a->last;
}

static int e820_check(const struct e820_spans *spans, const struct e820_input *input)
{
	for (size_t i = 0; i < spans->count; i++)
		for (size_t j = 0; j < i; j++)
			if (spans->span[i].type == E820_RAM && spans->span[j].type == E820_RAM &&
			    e820_overlap(&spans->span[i], &spans->span[j]))
				return -EINVAL;
	if (input->cxl_count && !input->cxl)
		return -EINVAL;
	for (size_t i = 0; i < input->cxl_count; i++) {
		struct e820_span window = {.first = input->cxl[i].base};

		if (!input->cxl[i].size)
			continue;
		if (__builtin_add_overflow(window.first, input->cxl[i].size - 1, &window.last))
			return -EINVAL;
		for (size_t j = 0; j < spans->count; j++)
			if (e820_overlap(&window, &spans->span[j]))
				return -EINVAL;
	}
	return 0;
}

static int e820_compare(const void *a, const void *b)
{
	const uint64_t *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

/* What the address is: reserved before ACPI before RAM; 0 when nothing is said about it. */
static unsigned int e820_type_at(const struct e820_spans *spans, uint64_t address)
{
	unsigned int type = 0;

	for (size_t i = 0; i < spans->count; i++) {
		const struct e820_span *span = &spans->span[i];

		if (address < span->first || address > span->last)
			continue;
		if (span->type == E820_RESERVED)
			return E820_RESERVED;
		if (span->type == E820_ACPI || !type)
			type = span->type;
	}
	return type;
}

int e820_build(const struct e820_input *input, struct e820_entry *entries, size_t capacity,
	       size_t *count)
{
	struct e820_spans spans = {.count = 0};
	uint64_t edges[2 * E820_MAX];
	size_t edge_count = 0, used = 0;
	int result;

	*count = 0;
	result = e820_collect(&spans, input->ram, input->ram_count, E820_RAM);
	if (!result)
		result = e820_collect(&spans, &input->acpi, 1, E820_ACPI);
	if (!result)
		result =
			e820_collect(&spans, input->reserved, input->reserved_count, E820_RESERVED);
	if (!result)
		result = e820_check(&spans, input);
	if (result)
		return result;

	for (size_t i = 0; i < spans.count; i++) {
		edges[edge_count++] = spans.span[i].first;
		edges[edge_count++] = spans.span[i].last + 1;
	}
	qsort(edges, edge_count, sizeof(edges[0]), e820_compare);

	/* Between two neighbouring edges the type does not change. */
	for (size_t i = 0; i + 1 < edge_count; i++) {
		unsigned int type = e820_type_at(&spans, edges[i]);

		if (edges[i] == edges[i + 1] || !type)
			continue;
		if (used && entries[used - 1].type == type &&
		    entries[used - 1].base + entries[used - 1].size == edges[i]) {
			entries[used - 1].size += edges[i + 1] - edges[i];
			continue;
		}
		if (used == capacity)
			return -ENOSPC;
		entries[used++] = (struct e820_entry){edges[i], edges[i + 1] - edges[i], type};
	}
	*count = used;
	return 0;
}

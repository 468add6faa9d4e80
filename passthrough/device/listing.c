/* SPDX-License-Identifier: Apache-2.0 */
#include "passthrough/device/internal.h"

const char *passthrough_id(const struct passthrough_device *device)
{
	return device->id;
}

const struct passthrough_facts *passthrough_get_facts(const struct passthrough_device *device)
{
	return &device->facts;
}

bool passthrough_is_lost(const struct passthrough_device *device)
{
	return passthrough_life_is_lost(&device->life);
}

struct pci_device *passthrough_pci_device(struct passthrough_device *device)
{
	return &device->pci;
}

const struct passthrough_timeline *passthrough_get_timeline(const struct passthrough_device *device)
{
	return &device->timeline;
}

static uint64_t count_of(const _Atomic uint64_t *count)
{
	return atomic_load_explicit(count, memory_order_relaxed);
}

void passthrough_get_counters(const struct passthrough_device *device,
			      struct passthrough_counters *counters)
{
	const struct passthrough_counts *from = &device->counts;
	const struct passthrough_cxl *cxl = device->cxl;

	*counters = (struct passthrough_counters){
		.forwarded_reads = count_of(&from->forwarded_reads),
		.forwarded_writes = count_of(&from->forwarded_writes),
		.component_reads = cxl ? count_of(&cxl->component.reads) : 0,
		.component_writes = cxl ? count_of(&cxl->component.writes) : 0,
		.commits = count_of(&from->commits),
		.decommits = count_of(&from->decommits),
		.resets = count_of(&from->resets),
		.lost = passthrough_life_is_lost(&device->life),
	};
}

const char *passthrough_segment_name(enum passthrough_segment_kind kind)
{
	static const char *const names[] = {
		[PASSTHROUGH_SEGMENT_DIRECT] = "direct",
		[PASSTHROUGH_SEGMENT_FORWARDED] = "forwarded",
		[PASSTHROUGH_SEGMENT_COMPONENT] = "component registers",
		[PASSTHROUGH_SEGMENT_MSIX] = "MSI-X",
		[PASSTHROUGH_SEGMENT_EMPTY] = "empty",
		[PASSTHROUGH_SEGMENT_DPA] = "device memory",
	};

	return (unsigned int)kind < sizeof(names) / sizeof(names[0]) ? names[kind] : "unknown";
}

static enum passthrough_segment_kind listed_kind(const struct bar_segment *segment)
{
	switch (segment->kind) {
	case REGION_SEGMENT_DIRECT:
		/* A direct segment that had to be trapped is listed as what it is. */
		return segment->on_bus ? PASSTHROUGH_SEGMENT_FORWARDED : PASSTHROUGH_SEGMENT_DIRECT;
	case REGION_SEGMENT_FORWARD:
		return PASSTHROUGH_SEGMENT_FORWARDED;
	case REGION_SEGMENT_COMPONENT:
		return PASSTHROUGH_SEGMENT_COMPONENT;
	case REGION_SEGMENT_MSIX_TABLE:
	case REGION_SEGMENT_MSIX_PBA:
		return PASSTHROUGH_SEGMENT_MSIX;
	case REGION_SEGMENT_EMPTY:
	default:
		return PASSTHROUGH_SEGMENT_EMPTY;
	}
}

void passthrough_visit_segments(struct passthrough_device *device,
				void (*visit)(void *opaque,
					      const struct passthrough_segment *segment),
				void *opaque)
{
	pthread_mutex_lock(&device->lock);
	for (uint32_t i = 0; i < device->segment_count; i++) {
		const struct bar_segment *from = &device->segments[i];
		bool io = from->bar < PCI_BAR_COUNT && device->config_facts.bars[from->bar].io;
		const struct passthrough_segment segment = {
			/* No port is in the guest without an exit. */
			.kind = io ? PASSTHROUGH_SEGMENT_FORWARDED : listed_kind(from),
			.io = io,
			.bar = from->bar,
			.offset = from->offset,
			.size = from->size,
			.mapped = from->on_bus || (from->window && from->window->in_guest),
			.gpa = from->gpa,
		};

		visit(opaque, &segment);
	}
	for (unsigned int i = 0; device->decoders && i < HDM_DECODER_MAX; i++) {
		const struct window *window = &device->decoders[i];
		const struct passthrough_segment segment = {
			.kind = PASSTHROUGH_SEGMENT_DPA,
			.bar = i,
			.offset = window->offset,
			.size = window->size,
			.mapped = window->in_guest,
			.gpa = window->gpa,
		};

		if (window->in_guest)
			visit(opaque, &segment);
	}
	pthread_mutex_unlock(&device->lock);
}

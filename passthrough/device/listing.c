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

struct pci_device *passthrough_pci_device(struct passthrough_device *device)
{
	return &device->pci;
}

const struct passthrough_timeline *passthrough_get_timeline(const struct passthrough_device *device)
{
	return &device->timeline;
}

void passthrough_get_counters(const struct passthrough_device *device,
			      struct passthrough_counters *counters)
{
	const struct passthrough_counters *from = &device->counters;

	counters->forwarded_reads = __atomic_load_n(&from->forwarded_reads, __ATOMIC_RELAXED);
	counters->forwarded_writes = __atomic_load_n(&from->forwarded_writes, __ATOMIC_RELAXED);
	counters->component_reads = __atomic_load_n(&device->component.reads, __ATOMIC_RELAXED);
	counters->component_writes = __atomic_load_n(&device->component.writes, __ATOMIC_RELAXED);
	counters->commits = __atomic_load_n(&from->commits, __ATOMIC_RELAXED);
	counters->decommits = __atomic_load_n(&from->decommits, __ATOMIC_RELAXED);
	counters->resets = __atomic_load_n(&from->resets, __ATOMIC_RELAXED);
	counters->lost = __atomic_load_n(&from->lost, __ATOMIC_RELAXED);
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

static enum passthrough_segment_kind segment_kind(const struct passthrough_part *part)
{
	switch (part->segment.kind) {
	case REGION_SEGMENT_DIRECT:
		/* A direct part that had to be trapped is listed as what it is. */
		return part->on_bus ? PASSTHROUGH_SEGMENT_FORWARDED : PASSTHROUGH_SEGMENT_DIRECT;
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
	for (unsigned int i = 0; i < PCI_BAR_COUNT; i++) {
		for (uint32_t j = 0; j < device->bars[i].part_count; j++) {
			const struct passthrough_part *part = &device->bars[i].parts[j];
			struct passthrough_segment segment = {
				.kind = segment_kind(part),
				.bar = i,
				.offset = part->segment.offset,
				.size = part->segment.size,
				.mapped = part->window_mapped || part->on_bus,
				.gpa = part->gpa,
			};

			visit(opaque, &segment);
		}
	}
	for (unsigned int i = 0; i < HDM_DECODER_MAX; i++) {
		struct passthrough_segment segment = {
			.kind = PASSTHROUGH_SEGMENT_DPA,
			.bar = i,
			.offset = device->dpa[i].dpa,
			.size = device->dpa[i].size,
			.mapped = device->dpa[i].mapped,
			.gpa = device->dpa[i].gpa,
		};

		if (device->dpa[i].mapped)
			visit(opaque, &segment);
	}
	pthread_mutex_unlock(&device->lock);
}

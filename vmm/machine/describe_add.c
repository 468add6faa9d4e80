/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of a description, and those of a passed-through function. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "core/bytes.h"
#include "vmm/machine/describe.h"

void description_add(struct description *description, uint64_t base, uint64_t size,
		     enum description_kind kind, const char *format, ...)
{
	struct description_row *row;
	va_list arguments;

	if (!size || description->count == DESCRIPTION_MAX_ROWS)
		return;
	row = &description->rows[description->count++];
	row->base = base;
	row->size = size;
	row->kind = kind;
	va_start(arguments, format);
	vsnprintf(row->text, sizeof(row->text), format, arguments);
	va_end(arguments);
}

static enum description_kind kind_of_segment(enum passthrough_segment_kind kind)
{
	switch (kind) {
	case PASSTHROUGH_SEGMENT_DIRECT:
		return DESCRIPTION_DIRECT;
	case PASSTHROUGH_SEGMENT_DPA:
		return DESCRIPTION_DPA;
	default:
		return DESCRIPTION_TRAPPED;
	}
}

/* Segments are shown where they are, or where their BAR will be once the guest turns decoding on.
 */
struct segment_visit {
	struct description *description;
	struct passthrough_device *device;
};

static void add_segment(void *opaque, const struct passthrough_segment *segment)
{
	struct segment_visit *visit = opaque;
	const struct pci_device *pci = passthrough_pci_device(visit->device);
	uint64_t gpa = segment->gpa;

	if (!segment->mapped) {
		if (segment->kind == PASSTHROUGH_SEGMENT_DPA || segment->bar >= PCI_BAR_COUNT)
			return;
		gpa = bytes_get_le32(pci->config + PCI_BASE_ADDRESS_0 + 4 * segment->bar) &
		      (segment->io ? PCI_BASE_ADDRESS_IO_MASK : PCI_BASE_ADDRESS_MEM_MASK);
		if (pci->bars[segment->bar].kind == PCI_BAR_MEMORY_64)
			gpa |= (uint64_t)bytes_get_le32(pci->config + PCI_BASE_ADDRESS_0 +
							4 * segment->bar + 4)
			       << 32;
		if (!gpa)
			return;
		gpa += segment->offset;
	}
	if (segment->kind == PASSTHROUGH_SEGMENT_DPA)
		description_add(visit->description, gpa, segment->size, DESCRIPTION_DPA,
				"%s: DPA 0x%" PRIx64 ", HDM decoder %u",
				passthrough_id(visit->device), segment->offset, segment->bar);
	else if (segment->io)
		description_add(visit->description, gpa, segment->size, DESCRIPTION_PORT,
				"%s: BAR %u + 0x%" PRIx64 ", I/O ports, %s",
				passthrough_id(visit->device), segment->bar, segment->offset,
				passthrough_segment_name(segment->kind));
	else
		description_add(visit->description, gpa, segment->size,
				kind_of_segment(segment->kind), "%s: BAR %u + 0x%" PRIx64 ", %s",
				passthrough_id(visit->device), segment->bar, segment->offset,
				passthrough_segment_name(segment->kind));
}

void description_add_device(struct description *description, struct passthrough_device *device,
			    uint64_t window)
{
	const struct passthrough_facts *facts = passthrough_get_facts(device);
	struct segment_visit visit = {description, device};

	if (facts->cxl)
		description_add(description, window, facts->window_size, DESCRIPTION_CFMWS,
				"CXL fixed memory window of %s", passthrough_id(device));
	passthrough_visit_segments(device, add_segment, &visit);
	description->devices[description->device_count++] = (struct description_device){
		.id = passthrough_id(device),
		.facts = facts,
		.timeline = passthrough_get_timeline(device),
	};
}

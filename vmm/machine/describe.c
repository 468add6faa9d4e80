/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/arch.h"
#include "core/bytes.h"
#include "vmm/machine/describe.h"
#include "vmm/machine/internal.h"

static void add_row(struct description *description, uint64_t base, uint64_t size,
		    enum description_kind kind, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

static void add_row(struct description *description, uint64_t base, uint64_t size,
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

struct visit {
	struct description *description;
	const char *name;
};

static void add_bar(struct description *description, const struct pci_device *device, uint8_t bus,
		    unsigned int index)
{
	const struct pci_bar *bar = &device->bars[index];
	uint32_t offset = PCI_BASE_ADDRESS_0 + 4 * index;
	uint64_t address = bytes_get_le32(device->config + offset);
	bool io = bar->kind == PCI_BAR_IO;

	if (bar->kind == PCI_BAR_NONE || bar->kind == PCI_BAR_ROM)
		return;
	address &= io ? ~UINT64_C(3) : ~UINT64_C(0xf);
	if (bar->kind == PCI_BAR_MEMORY_64)
		address |= (uint64_t)bytes_get_le32(device->config + offset + 4) << 32;
	if (!address || io)
		return;
	add_row(description, address, bar->size, DESCRIPTION_BAR, "BAR %u of %02x:%02x.%x %s",
		index, bus, device->devfn >> 3, device->devfn & 7, device->name);
}

static void add_function(void *opaque, struct pci_device *device, uint8_t bus)
{
	struct visit *visit = opaque;

	for (unsigned int i = 0; i < PCI_BAR_COUNT; i++)
		add_bar(visit->description, device, bus, i);
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
		      ~UINT32_C(0xf);
		if (pci->bars[segment->bar].kind == PCI_BAR_MEMORY_64)
			gpa |= (uint64_t)bytes_get_le32(pci->config + PCI_BASE_ADDRESS_0 +
							4 * segment->bar + 4)
			       << 32;
		if (!gpa)
			return;
		gpa += segment->offset;
	}
	if (segment->kind == PASSTHROUGH_SEGMENT_DPA)
		add_row(visit->description, gpa, segment->size, DESCRIPTION_DPA,
			"%s: DPA 0x%" PRIx64 ", HDM decoder %u", passthrough_id(visit->device),
			segment->offset, segment->bar);
	else
		add_row(visit->description, gpa, segment->size, kind_of_segment(segment->kind),
			"%s: BAR %u + 0x%" PRIx64 ", %s", passthrough_id(visit->device),
			segment->bar, segment->offset, passthrough_segment_name(segment->kind));
}

static void add_map(struct machine *machine, struct description *description)
{
	const struct arch_map *map = machine->map.layout.map;
	size_t count;
	const struct guest_ram_block *blocks =
		guest_memory_blocks(machine->platform.memory, &count);

	for (size_t i = 0; i < count; i++)
		add_row(description, blocks[i].gpa, blocks[i].size, DESCRIPTION_RAM, "RAM, node %u",
			blocks[i].node);
	add_row(description, map->ecam_start, (uint64_t)machine->pci.bus_count << 20,
		DESCRIPTION_TRAPPED, "PCI ECAM");
	for (size_t i = 0; i < map->place_count; i++)
		add_row(description, map->places[i].base, map->places[i].size,
			map->places[i].in_ram ? DESCRIPTION_FIRMWARE : DESCRIPTION_KVM, "%s",
			map->places[i].name);
	for (size_t i = 0; i < machine->map.layout.accelerator_count; i++)
		add_row(description, machine->map.layout.chbs[i], 0x10000, DESCRIPTION_TRAPPED,
			"CXL host bridge %u component registers",
			machine_accelerator_bus(machine, i));
	for (size_t i = 0; i < machine->map.bridge_count; i++) {
		unsigned int bus = i ? machine_accelerator_bus(machine, i - 1) : 0;

		add_row(description, machine->map.windows[i].memory_32.base,
			machine->map.windows[i].memory_32.size, DESCRIPTION_WINDOW,
			"PCI window of bus %02x, 32 bit", bus);
		add_row(description, machine->map.windows[i].memory_64.base,
			machine->map.windows[i].memory_64.size, DESCRIPTION_WINDOW,
			"PCI window of bus %02x, 64 bit", bus);
	}
}

static int compare(const void *left, const void *right)
{
	const struct description_row *a = left, *b = right;

	if (a->base != b->base)
		return a->base < b->base ? -1 : 1;
	if (a->size != b->size)
		return a->size > b->size ? -1
					 : 1; /* what contains comes before what is contained */
	return (int)a->kind - (int)b->kind;
}

void machine_describe(struct machine *machine, struct description *description)
{
	struct visit visit = {.description = description};

	memset(description, 0, sizeof(*description));
	add_map(machine, description);
	machine_describe_windows(machine, description);
	pci_root_visit(machine->pci.root, add_function, &visit);
	for (size_t i = 0; i < machine_passthrough_count(machine); i++) {
		struct segment_visit segments = {description, machine_passthrough(machine, i)};

		passthrough_visit_segments(segments.device, add_segment, &segments);
	}
	qsort(description->rows, description->count, sizeof(description->rows[0]), compare);
	for (size_t i = 0; i < machine_passthrough_count(machine); i++) {
		struct passthrough_device *device = machine_passthrough(machine, i);

		description->devices[i].id = passthrough_id(device);
		description->devices[i].facts = passthrough_get_facts(device);
		description->devices[i].timeline = passthrough_get_timeline(device);
		description->device_count = i + 1;
	}
	description->tables_ns = machine->platform.tables_ns;
}

void machine_describe_windows(const struct machine *machine, struct description *description)
{
	for (size_t i = 0; i < machine_passthrough_count(machine); i++) {
		struct passthrough_device *device = machine_passthrough(machine, i);
		const struct passthrough_facts *facts = passthrough_get_facts(device);
		uint64_t base = machine_window_of(machine, i);

		if (facts->cxl)
			add_row(description, base, facts->window_size, DESCRIPTION_CFMWS,
				"CXL fixed memory window of %s", passthrough_id(device));
	}
}

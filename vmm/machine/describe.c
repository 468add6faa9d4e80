/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "arch/arch.h"
#include "core/bytes.h"
#include "vmm/machine/describe.h"
#include "vmm/machine/functions.h"
#include "vmm/machine/internal.h"

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
	description_add(description, address, bar->size, DESCRIPTION_BAR,
			"BAR %u of %02x:%02x.%x %s", index, bus, device->devfn >> 3,
			device->devfn & 7, device->name);
}

static void add_function(void *opaque, struct pci_device *device, uint8_t bus)
{
	struct visit *visit = opaque;

	for (unsigned int i = 0; i < PCI_BAR_COUNT; i++)
		add_bar(visit->description, device, bus, i);
}

static void add_map(struct machine *machine, struct description *description)
{
	const struct arch_map *map = machine->map.layout.map;
	size_t count;
	const struct guest_ram_block *blocks =
		guest_memory_blocks(machine->platform.memory, &count);

	for (size_t i = 0; i < count; i++)
		description_add(description, blocks[i].gpa, blocks[i].size, DESCRIPTION_RAM,
				"RAM, node %u", blocks[i].node);
	description_add(description, map->ecam_start, (uint64_t)machine->pci.bus_count << 20,
			DESCRIPTION_TRAPPED, "PCI ECAM");
	for (size_t i = 0; i < map->place_count; i++)
		description_add(description, map->places[i].base, map->places[i].size,
				map->places[i].in_ram ? DESCRIPTION_FIRMWARE : DESCRIPTION_KVM,
				"%s", map->places[i].name);
	for (size_t i = 0; i < machine->map.layout.accelerator_count; i++)
		description_add(description, machine->map.layout.chbs[i], 0x10000,
				DESCRIPTION_TRAPPED, "CXL host bridge %u component registers",
				machine_accelerator_bus(machine, i));
	for (size_t i = 0; i < machine->map.bridge_count; i++) {
		unsigned int bus = i ? machine_accelerator_bus(machine, i - 1) : 0;

		description_add(description, machine->map.windows[i].memory_32.base,
				machine->map.windows[i].memory_32.size, DESCRIPTION_WINDOW,
				"PCI window of bus %02x, 32 bit", bus);
		description_add(description, machine->map.windows[i].memory_64.base,
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
	pci_root_visit(machine->pci.root, add_function, &visit);
	machine_parts_describe(&machine->parts, description);
	qsort(description->rows, description->count, sizeof(description->rows[0]), compare);
	description->tables_ns = machine->platform.tables_ns;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>

#include "core/bytes.h"
#include "devices/pci/bus.h"

/* Where the guest wants BAR @index; false when it is not decoded now. */
static bool pci_bar_wanted(const struct pci_device *device, unsigned int index, uint64_t *address)
{
	const struct pci_bar *bar = &device->bars[index];
	uint32_t offset = pci_bar_offset(device, index);
	uint16_t command = bytes_get_le16(device->config + PCI_COMMAND);
	uint32_t low = bytes_get_le32(device->config + offset);
	uint64_t end;

	/* PCIe 5.3.1.4.1: no memory or I/O decoding in D3hot. */
	if (device->power_management &&
	    (device->config[device->power_management + PCI_PM_CTRL] & PCI_PM_CTRL_STATE_MASK))
		return false;
	if (!(command & (bar->kind == PCI_BAR_IO ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY)))
		return false;
	if (bar->kind == PCI_BAR_ROM && !(low & PCI_ROM_ADDRESS_ENABLE))
		return false;
	*address = low & bytes_get_le32(device->writable + offset) & ~1u;
	if (bar->kind == PCI_BAR_IO)
		*address &= ~3ull;
	if (bar->kind == PCI_BAR_MEMORY_64)
		*address |= (uint64_t)bytes_get_le32(device->config + offset + 4) << 32;
	/* 0 is "not placed"; the top of the space is what sizing leaves behind for a moment. */
	if (!*address || __builtin_add_overflow(*address, bar->size, &end))
		return false;
	return bar->kind == PCI_BAR_MEMORY_64 ||
	       end <= (bar->kind == PCI_BAR_IO ? 0x10000 : UINT32_MAX);
}

static bool pci_inside(const struct pci_window *window, uint64_t address, uint64_t size)
{
	return address >= window->base && size <= window->size &&
	       address - window->base <= window->size - size;
}

static bool pci_overlaps(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	return a < b ? b - a < a_size : a - b < b_size;
}

/* Do the bridges above forward the range, and does it lie in a window of the host bridge? */
static bool pci_bar_reachable(const struct pci_device *device, const struct pci_bar *bar,
			      uint64_t address, bool *outside)
{
	const struct pci_bus *bus = device->bus;
	bool io = bar->kind == PCI_BAR_IO;
	struct pci_window window;

	*outside = false;
	for (unsigned int depth = 0; bus->bridge; depth++) {
		const struct pci_device *bridge = bus->bridge;
		uint16_t command = bytes_get_le16(bridge->config + PCI_COMMAND);

		if (depth >= PCI_MAX_DEPTH || !bridge->bus ||
		    !(command & (io ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY)))
			return false;
		*outside = !(pci_bridge_window(bridge, bar->kind, false, &window) &&
			     pci_inside(&window, address, bar->size)) &&
			   (io || !(pci_bridge_window(bridge, bar->kind, true, &window) &&
				    pci_inside(&window, address, bar->size)));
		if (*outside)
			return false;
		bus = bridge->bus;
	}
	if (!bus->has_windows)
		return true;
	*outside = io ? !pci_inside(&bus->windows.io, address, bar->size)
		      : !pci_inside(&bus->windows.memory_32, address, bar->size) &&
				   !pci_inside(&bus->windows.memory_64, address, bar->size);
	return !*outside;
}

/* Another mapped BAR that lies in the way. */
static const struct pci_device *pci_bar_conflict(const struct pci_root *root,
						 const struct pci_bar *bar, uint64_t address)
{
	for (const struct pci_bus *bus = root->buses; bus; bus = bus->next) {
		for (unsigned int devfn = 0; devfn < 256; devfn++) {
			const struct pci_device *device = bus->devices[devfn];

			if (!device)
				continue;
			for (unsigned int i = 0; i <= PCI_ROM_BAR; i++) {
				const struct pci_bar *other = &device->bars[i];

				if (other->mapped && other != bar &&
				    (other->kind == PCI_BAR_IO) == (bar->kind == PCI_BAR_IO) &&
				    pci_overlaps(address, bar->size, other->address, other->size))
					return device;
			}
		}
	}
	return NULL;
}

static bool pci_bar_over_ram(const struct pci_root *root, const struct pci_bar *bar,
			     uint64_t address)
{
	const struct guest_ram_block *blocks;
	size_t count;

	if (!root->options.memory || bar->kind == PCI_BAR_IO)
		return false;
	blocks = guest_memory_blocks(root->options.memory, &count);
	for (size_t i = 0; i < count; i++)
		if (pci_overlaps(address, bar->size, blocks[i].gpa, blocks[i].size))
			return true;
	return false;
}

static void pci_bar_refuse(struct pci_device *device, unsigned int index, uint64_t address,
			   const char *cause, const char *what)
{
	struct pci_bar *bar = &device->bars[index];

	/* Retried at every change of the map, reported once for each place. */
	if (bar->refused && bar->refused_address == address)
		return;
	bar->refused = true;
	bar->refused_address = address;
	log_limited(device->root->options.logger, &device->limit, LOG_LEVEL_WARNING, device->name,
		    "BAR %u (0x%" PRIx64 " bytes) cannot be placed at 0x%" PRIx64
		    ": %s%s; it reads all-ones until "
		    "the guest moves it",
		    index, bar->size, address, cause, what);
}

static void pci_bar_unmap(struct pci_device *device, unsigned int index)
{
	struct pci_bar *bar = &device->bars[index];
	const struct pci_root_options *options = &device->root->options;

	if (!bar->mapped)
		return;
	bar->mapped = false;
	if (device->ops && device->ops->bar_unmapped)
		device->ops->bar_unmapped(device, index);
	if (bar->ops)
		bus_withdraw(bar->kind == PCI_BAR_IO ? options->pio : options->mmio, &bar->region);
}

static void pci_bar_map(struct pci_device *device, unsigned int index, uint64_t address)
{
	struct pci_bar *bar = &device->bars[index];
	struct pci_root *root = device->root;
	struct bus *space = bar->kind == PCI_BAR_IO ? root->options.pio : root->options.mmio;
	const struct pci_device *other;
	bool outside;
	int result;

	if (!pci_bar_reachable(device, bar, address, &outside)) {
		if (outside)
			pci_bar_refuse(device, index, address, "outside the bridge windows", "");
		return;
	}
	if (pci_bar_over_ram(root, bar, address)) {
		pci_bar_refuse(device, index, address, "it would cover guest RAM", "");
		return;
	}
	other = pci_bar_conflict(root, bar, address);
	if (other) {
		pci_bar_refuse(device, index, address, "it would cover a BAR of ", other->name);
		return;
	}
	if (bar->ops) {
		bar->region = (struct bus_region){
			.name = device->name,
			.base = address,
			.size = bar->size,
			.ops = bar->ops,
			.opaque = bar->opaque,
		};
		result = space ? bus_add(space, &bar->region) : -ENODEV;
		if (result) {
			pci_bar_refuse(device, index, address, "the bus refused it", "");
			return;
		}
	}
	bar->mapped = true;
	bar->address = address;
	result = device->ops && device->ops->bar_mapped
			 ? device->ops->bar_mapped(device, index, address)
			 : 0;
	if (result) {
		bar->mapped = false;
		if (bar->ops)
			bus_withdraw(space, &bar->region);
		pci_bar_refuse(device, index, address, "the device could not map it", "");
		return;
	}
	bar->refused = false;
}

void pci_unmap_bars(struct pci_device *device)
{
	for (unsigned int i = 0; i <= PCI_ROM_BAR; i++) {
		pci_bar_unmap(device, i);
		device->bars[i].refused = false;
	}
}

/* One pass over all BARs: @map false takes away what is in the wrong place, true maps the rest. */
static void pci_update_device(struct pci_device *device, bool map)
{
	for (unsigned int i = 0; i <= PCI_ROM_BAR; i++) {
		struct pci_bar *bar = &device->bars[i];
		uint64_t address = 0;
		bool outside;
		bool wanted;

		if (bar->kind == PCI_BAR_NONE)
			continue;
		wanted = pci_bar_wanted(device, i, &address);
		if (map) {
			if (wanted && !bar->mapped)
				pci_bar_map(device, i, address);
		} else {
			if (!wanted)
				bar->refused = false;
			if (bar->mapped && (!wanted || address != bar->address ||
					    !pci_bar_reachable(device, bar, address, &outside)))
				pci_bar_unmap(device, i);
		}
	}
}

static void pci_update_all(struct pci_root *root, bool map)
{
	for (struct pci_bus *bus = root->buses; bus; bus = bus->next)
		for (unsigned int devfn = 0; devfn < 256; devfn++)
			if (bus->devices[devfn])
				pci_update_device(bus->devices[devfn], map);
}

void pci_unmap_stale(struct pci_root *root)
{
	pci_update_all(root, false);
}

void pci_map_wanted(struct pci_root *root)
{
	pci_update_all(root, true);
}

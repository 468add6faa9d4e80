/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/pci/root.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/pci/bus.h"
#include "devices/pci/msi.h"
#include "devices/pci/msix.h"

#define PCI_ECAM_BUS_SIZE  (1ull << 20) /* PCIe 7.2.2 */
#define PCI_CONFIG_ADDRESS 0xcf8u
#define PCI_CONFIG_ENABLE  0x80000000u
#define PCI_CONFIG_PORTS   8u

/*
 * The bus that configuration requests for @number reach: from the host bridge whose range holds it
 * down through the bridges whose secondary..subordinate range does (PCIe 7.3.3). The numbers are
 * the guest's, the tree is ours: each step goes one level down, so nonsense cannot loop.
 */
static struct pci_bus *pci_find_bus(struct pci_root *root, uint8_t number)
{
	struct pci_bus *bus = root->buses;

	while (bus && (bus->bridge || number < bus->first_bus || number > bus->last_bus))
		bus = bus->next;
	for (unsigned int depth = 0; bus && depth < PCI_MAX_DEPTH; depth++) {
		struct pci_bus *below = NULL;

		if (pci_bus_number(bus) == number)
			return bus;
		for (struct pci_bus *next = root->buses; next && !below; next = next->next) {
			const struct pci_device *bridge = next->bridge;

			if (!bridge || bridge->bus != bus)
				continue;
			if (bridge->config[PCI_SECONDARY_BUS] == 0 ||
			    number < bridge->config[PCI_SECONDARY_BUS] ||
			    number > bridge->config[PCI_SUBORDINATE_BUS])
				continue;
			if (next->in_reset)
				return NULL;
			below = next;
		}
		bus = below;
	}
	return NULL;
}

static struct pci_device *pci_find_device(struct pci_root *root, uint64_t ecam_offset)
{
	uint64_t number = ecam_offset / PCI_ECAM_BUS_SIZE;
	struct pci_bus *bus;

	if (number >= root->options.bus_count)
		return NULL;
	bus = pci_find_bus(root, (uint8_t)number);
	return bus ? bus->devices[ecam_offset >> 12 & 0xff] : NULL;
}

/* The next piece of an access: naturally aligned, so it crosses neither a dword nor a function. */
static unsigned int pci_piece(uint64_t offset, unsigned int left)
{
	unsigned int piece = 4;

	while (piece > left || (offset & (piece - 1)))
		piece /= 2;
	return piece;
}

uint64_t pci_ecam_read(struct pci_root *root, uint64_t offset, unsigned int size)
{
	uint64_t value = 0;

	if (size > 8)
		return UINT64_MAX;
	pci_root_lock(root);
	for (unsigned int done = 0, piece; done < size; done += piece) {
		struct pci_device *device = pci_find_device(root, offset + done);
		uint32_t part = UINT32_MAX;

		piece = pci_piece(offset + done, size - done);
		if (device)
			part = pci_config_read(device, (offset + done) & 0xfff, piece);
		if (piece < 4)
			part &= (1u << (8 * piece)) - 1;
		value |= (uint64_t)part << (8 * done);
	}
	pci_root_unlock(root);
	return value;
}

void pci_ecam_write(struct pci_root *root, uint64_t offset, uint64_t value, unsigned int size)
{
	if (size > 8)
		return;
	pci_root_lock(root);
	for (unsigned int done = 0, piece; done < size; done += piece) {
		struct pci_device *device = pci_find_device(root, offset + done);
		uint32_t part = (uint32_t)(value >> (8 * done));

		piece = pci_piece(offset + done, size - done);
		if (piece < 4)
			part &= (1u << (8 * piece)) - 1;
		if (device)
			pci_config_write(device, (offset + done) & 0xfff, piece, part);
	}
	pci_root_unlock(root);
}

static uint64_t pci_ecam_region_read(void *opaque, uint64_t offset, unsigned int size)
{
	return pci_ecam_read(opaque, offset, size);
}

static void pci_ecam_region_write(void *opaque, uint64_t offset, uint64_t value, unsigned int size)
{
	pci_ecam_write(opaque, offset, value, size);
}

static const struct bus_ops pci_ecam_ops = {
	.read = pci_ecam_region_read,
	.write = pci_ecam_region_write,
};

/* PCI 3.0, 3.2.2.3.2: the ECAM offset that CFC + @port reaches now; false when nothing does. */
static bool pci_ports_target(struct pci_root *root, uint64_t port, unsigned int size,
			     uint64_t *offset)
{
	uint32_t address;

	pci_root_lock(root);
	address = root->config_address;
	pci_root_unlock(root);
	if (port < 4 || port + size > PCI_CONFIG_PORTS || !(address & PCI_CONFIG_ENABLE))
		return false;
	*offset = (uint64_t)(address >> 16 & 0xff) * PCI_ECAM_BUS_SIZE |
		  (uint64_t)(address >> 8 & 0xff) << 12 | (address & 0xfc) | (port - 4);
	return true;
}

static uint64_t pci_ports_read(void *opaque, uint64_t port, unsigned int size)
{
	struct pci_root *root = opaque;
	uint64_t offset;
	uint32_t address;

	if (pci_ports_target(root, port, size, &offset))
		return pci_ecam_read(root, offset, size);
	/* CONFIG_ADDRESS is a dword register; narrower accesses belong to whatever else is there.
	 */
	if (port != 0 || size != 4)
		return UINT64_MAX;
	pci_root_lock(root);
	address = root->config_address;
	pci_root_unlock(root);
	return address;
}

static void pci_ports_write(void *opaque, uint64_t port, uint64_t value, unsigned int size)
{
	struct pci_root *root = opaque;
	uint64_t offset;

	if (pci_ports_target(root, port, size, &offset)) {
		pci_ecam_write(root, offset, value, size);
	} else if (port == 0 && size == 4) {
		pci_root_lock(root);
		root->config_address = (uint32_t)value & (PCI_CONFIG_ENABLE | 0xfffffcu);
		pci_root_unlock(root);
	}
}

static const struct bus_ops pci_ports_ops = {
	.read = pci_ports_read,
	.write = pci_ports_write,
};

int pci_root_create(struct pci_root **created, const struct pci_root_options *options)
{
	struct pci_root *root;
	int result;

	*created = NULL;
	if (options->bus_count < 1 || options->bus_count > 256 || !options->mmio)
		return -EINVAL;
	root = calloc(1, sizeof(*root));
	if (!root)
		return -ENOMEM;
	root->options = *options;
	pthread_mutex_init(&root->lock, NULL);
	pthread_mutex_init(&root->intx_lock, NULL);
	root->ecam = (struct bus_region){
		.name = "pci-ecam",
		.base = options->ecam_base,
		.size = options->bus_count * PCI_ECAM_BUS_SIZE,
		.ops = &pci_ecam_ops,
		.opaque = root,
	};
	root->ports = (struct bus_region){
		.name = "pci-config-ports",
		.base = PCI_CONFIG_ADDRESS,
		.size = PCI_CONFIG_PORTS,
		.ops = &pci_ports_ops,
		.opaque = root,
	};
	result = bus_add(options->mmio, &root->ecam);
	if (result)
		goto free_root;
	result = options->config_ports ? bus_add(options->pio, &root->ports) : 0;
	if (result)
		goto remove_ecam;
	*created = root;
	return 0;

remove_ecam:
	bus_remove(options->mmio, &root->ecam);
free_root:
	pthread_mutex_destroy(&root->intx_lock);
	pthread_mutex_destroy(&root->lock);
	free(root);
	return result;
}

void pci_root_destroy(struct pci_root *root)
{
	if (!root)
		return;
	bus_remove(root->options.mmio, &root->ecam);
	if (root->options.config_ports)
		bus_remove(root->options.pio, &root->ports);
	while (root->buses) {
		struct pci_bus *bus = root->buses;

		root->buses = bus->next;
		free(bus);
	}
	pthread_mutex_destroy(&root->intx_lock);
	pthread_mutex_destroy(&root->lock);
	free(root);
}

int pci_root_add_host_bridge(struct pci_root *root, uint8_t first_bus, uint8_t last_bus,
			     struct pci_bus **created)
{
	struct pci_bus *bus;

	*created = NULL;
	if (first_bus > last_bus || last_bus >= root->options.bus_count)
		return -EINVAL;
	for (bus = root->buses; bus; bus = bus->next)
		if (!bus->bridge && first_bus <= bus->last_bus && last_bus >= bus->first_bus)
			return -EEXIST;
	bus = pci_bus_create(root, NULL);
	if (!bus)
		return -ENOMEM;
	bus->first_bus = first_bus;
	bus->last_bus = last_bus;
	if (first_bus == 0) {
		pci_host_bridge_init(&bus->host_bridge);
		pci_bus_add(bus, &bus->host_bridge, 0);
	}
	*created = bus;
	return 0;
}

static int pci_free_slot(const struct pci_bus *bus)
{
	/* PCIe 7.3.1: only device 0 answers behind a downstream port. */
	unsigned int slots = bus->bridge ? 1 : 32;

	for (unsigned int slot = 0; slot < slots; slot++) {
		bool used = false;

		for (unsigned int function = 0; function < 8; function++)
			used |= bus->devices[PCI_DEVFN(slot, function)] != NULL;
		if (!used)
			return (int)PCI_DEVFN(slot, 0u);
	}
	return -ENOSPC;
}

int pci_bus_add(struct pci_bus *bus, struct pci_device *device, int devfn)
{
	struct pci_device *first;
	int result = 0;

	pci_root_lock(bus->root);
	if (devfn < 0)
		devfn = pci_free_slot(bus);
	else if (devfn > 255 || (bus->bridge && PCI_SLOT(devfn) != 0))
		devfn = -ENOSPC;
	if (devfn < 0)
		result = -ENOSPC;
	else if (bus->devices[devfn] || device->bus)
		result = -EBUSY;
	if (result)
		goto unlock;
	device->root = bus->root;
	device->bus = bus;
	device->devfn = (uint8_t)devfn;
	/* PCIe 7.5.1.1.9: function 0 tells that there are others. */
	first = bus->devices[devfn & ~7];
	if (PCI_FUNC(devfn) && first) {
		first->config[PCI_HEADER_TYPE] |= PCI_HEADER_TYPE_MFD;
		first->reset_config[PCI_HEADER_TYPE] |= PCI_HEADER_TYPE_MFD;
	}
	for (unsigned int function = 1; PCI_FUNC(devfn) == 0 && function < 8; function++)
		if (bus->devices[devfn + (int)function])
			device->config[PCI_HEADER_TYPE] |= PCI_HEADER_TYPE_MFD;
	memcpy(device->reset_config, device->config, sizeof(device->reset_config));
	if (device->msix)
		pci_msix_attach(device);
	if (device->msi)
		pci_msi_attach(device);
	bus->devices[devfn] = device;
unlock:
	pci_root_unlock(bus->root);
	return result;
}

/* Nobody is inside the function's BARs any more. Under no lock. */
static void pci_wait_quiet(struct pci_device *device)
{
	const struct pci_root_options *options = &device->root->options;

	for (unsigned int i = 0; i <= PCI_ROM_BAR; i++) {
		struct pci_bar *bar = &device->bars[i];
		struct bus *space = bar->kind == PCI_BAR_IO ? options->pio : options->mmio;

		if (bar->ops && space)
			bus_remove(space, &bar->region);
	}
	if (device->ops && device->ops->wait_quiet)
		device->ops->wait_quiet(device);
}

void pci_bus_remove(struct pci_device *device)
{
	struct pci_root *root = device->root;

	if (!root || !device->bus)
		return;
	/* Configuration accesses run under the lock: who was inside has left, nobody enters. */
	pci_root_lock(root);
	pci_unmap_bars(device);
	device->bus->devices[device->devfn] = NULL;
	pci_unplug_intx(device);
	pci_unmap_stale(root);
	pci_map_wanted(root);
	pci_root_unlock(root);
	pci_wait_quiet(device);
	/* Only now: an access that was still inside could have unmasked a vector again. */
	pci_root_lock(root);
	if (device->msix)
		pci_msix_reset(device);
	if (device->msi)
		pci_msi_reset(device);
	pci_root_unlock(root);
}

static void pci_bus_visit(struct pci_bus *bus, unsigned int depth,
			  void (*visit)(void *opaque, struct pci_device *device, uint8_t bus),
			  void *opaque)
{
	for (unsigned int devfn = 0; devfn < 256; devfn++)
		if (bus->devices[devfn])
			visit(opaque, bus->devices[devfn], pci_bus_number(bus));
	if (depth + 1 >= PCI_MAX_DEPTH)
		return;
	for (unsigned int devfn = 0; devfn < 256; devfn++) {
		struct pci_bus *below =
			bus->devices[devfn] ? pci_bridge_secondary(bus->devices[devfn]) : NULL;

		if (below)
			pci_bus_visit(below, depth + 1, visit, opaque);
	}
}

void pci_root_visit(struct pci_root *root,
		    void (*visit)(void *opaque, struct pci_device *device, uint8_t bus),
		    void *opaque)
{
	int last = -1;

	pci_root_lock(root);
	for (;;) {
		struct pci_bus *lowest = NULL;

		for (struct pci_bus *bus = root->buses; bus; bus = bus->next)
			if (!bus->bridge && bus->first_bus > last &&
			    (!lowest || bus->first_bus < lowest->first_bus))
				lowest = bus;
		if (!lowest)
			break;
		last = lowest->first_bus;
		pci_bus_visit(lowest, 0, visit, opaque);
	}
	pci_root_unlock(root);
}

static void pci_bus_reset_below(struct pci_bus *bus, unsigned int depth)
{
	for (unsigned int devfn = 0; devfn < 256; devfn++) {
		struct pci_device *device = bus->devices[devfn];
		struct pci_bus *below = device ? pci_bridge_secondary(device) : NULL;

		if (below && depth + 1 < PCI_MAX_DEPTH)
			pci_bus_reset_below(below, depth + 1);
		if (device)
			pci_device_reset(device, PCI_RESET_CONVENTIONAL);
	}
}

void pci_bus_reset(struct pci_bus *bus)
{
	pci_bus_reset_below(bus, 0);
}

static void pci_reset_visited(void *opaque, struct pci_device *device, uint8_t bus)
{
	(void)opaque;
	(void)bus;
	pci_device_reset(device, PCI_RESET_CONVENTIONAL);
}

void pci_root_reset(struct pci_root *root)
{
	pci_root_visit(root, pci_reset_visited, NULL);
	pci_root_lock(root);
	root->config_address = 0;
	for (struct pci_bus *bus = root->buses; bus; bus = bus->next)
		bus->has_windows = false;
	pci_root_unlock(root);
}

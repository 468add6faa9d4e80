/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest that does anything to configuration space, BARs and the MSI-X table of a machine with a
 * root port, a function behind it and one beside it. Besides memory errors, checked after each
 * step: no two decoded BARs overlap, none covers RAM, and identities never change.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "devices/pci/msi.h"
#include "devices/pci/msix.h"
#include "devices/pci/root_port.h"
#include "tests/unit/devices/pci/capabilities.h"

/* The lines of an interrupt controller, as one IOAPIC has them. */
static const struct irq_lines lines = {.count = 24};

#define ECAM     0xe0000000ull
#define RAM_SIZE 0x200000ull
#define STEP     14

static uint64_t bar_read(void *opaque, uint64_t offset, unsigned int size)
{
	(void)opaque;
	return offset ^ size;
}

static void bar_write(void *opaque, uint64_t offset, uint64_t value, unsigned int size)
{
	const struct pci_device *device = opaque;

	/* The bus promises that an access stays inside its region. */
	if (offset + size > 0x4000)
		abort();
	if (value & 1)
		pci_msix_notify((struct pci_device *)device, (uint16_t)(value >> 8));
}

static const struct bus_ops bar_ops = {.read = bar_read, .write = bar_write};

static int bar_mapped(struct pci_device *device, unsigned int bar, uint64_t address)
{
	if (address % device->bars[bar].size ||
	    (device->bars[bar].kind != PCI_BAR_IO && address < RAM_SIZE))
		abort();
	return 0;
}

static void reset(struct pci_device *device, enum pci_reset_kind kind)
{
	(void)device;
	(void)kind;
}

static const struct pci_device_ops device_ops = {.bar_mapped = bar_mapped, .reset = reset};

struct setup {
	struct bus mmio, pio;
	struct irq_router *irq;
	struct guest_memory *memory;
	struct pci_root *root;
	struct pci_bus *bus;
	struct pci_root_port port;
	struct pci_device devices[2];
};

static void device_init(struct pci_device *device, const char *name)
{
	const struct pci_msix_options msix = {
		.vectors = 5, .table_bar = 1, .pba_bar = 1, .pba_offset = 0x800, .own_bar = true};
	const struct pci_msi_options msi = {.vectors = 4, .address_64 = true, .maskable = true};

	device->name = name;
	device->ops = &device_ops;
	pci_device_init(device, 0x1af4, 0x1042, 0x010000, 1, 0x1af4, 0x1100);
	if (pci_add_express(device, PCI_EXP_TYPE_ENDPOINT) < 0 ||
	    pci_add_power_management(device) < 0 || pci_msix_init(device, &msix) ||
	    pci_msi_init(device, &msi) ||
	    pci_register_bar(device, 4, PCI_BAR_MEMORY_64, true, 0x4000, &bar_ops, device) ||
	    pci_register_bar(device, 2, PCI_BAR_IO, false, 0x40, &bar_ops, device) ||
	    pci_register_bar(device, PCI_ROM_BAR, PCI_BAR_ROM, false, 0x1000, NULL, NULL))
		abort();
}

static void setup_init(struct setup *setup)
{
	const struct guest_ram_options ram = {.size = RAM_SIZE, .host_node = -1};
	const struct pci_host_windows windows = {
		.io = {0xc000, 0x2000},
		.memory_32 = {0xc0000000, 0x10000000},
		.memory_64 = {0x100000000, 0x10000000},
	};
	struct pci_root_options options;

	memset(setup, 0, sizeof(*setup));
	if (bus_init(&setup->mmio, 0) || bus_init(&setup->pio, 0x10000) ||
	    irq_router_create(&setup->irq, NULL, &lines, NULL) ||
	    guest_memory_create(&setup->memory, NULL, NULL) ||
	    guest_memory_add_ram(setup->memory, &ram))
		abort();
	options = (struct pci_root_options){
		.mmio = &setup->mmio,
		.pio = &setup->pio,
		.irq = setup->irq,
		.memory = setup->memory,
		.ecam_base = ECAM,
		.bus_count = 4,
		.intx_gsi_base = 16,
		.config_ports = true,
	};
	if (pci_root_create(&setup->root, &options) ||
	    pci_root_add_host_bridge(setup->root, 0, 3, &setup->bus) ||
	    pci_root_port_init(&setup->port, setup->root, "rp", 1) ||
	    pci_root_port_add(&setup->port, setup->bus, 0x08))
		abort();
	device_init(&setup->devices[0], "behind");
	device_init(&setup->devices[1], "beside");
	if (pci_bus_add(setup->port.secondary, &setup->devices[0], 0) ||
	    pci_bus_add(setup->bus, &setup->devices[1], 0x10) ||
	    pci_assign_resources(setup->bus, &windows))
		abort();
}

static void setup_destroy(struct setup *setup)
{
	for (unsigned int i = 0; i < 2; i++) {
		pci_bus_remove(&setup->devices[i]);
		pci_msix_destroy(&setup->devices[i]);
		pci_msi_destroy(&setup->devices[i]);
	}
	pci_root_port_destroy(&setup->port);
	pci_root_destroy(setup->root);
	guest_memory_destroy(setup->memory);
	irq_router_destroy(setup->irq);
	bus_destroy(&setup->pio);
	bus_destroy(&setup->mmio);
}

static void check(const struct setup *setup)
{
	const struct pci_device *devices[] = {&setup->devices[0], &setup->devices[1],
					      &setup->port.device};

	for (unsigned int i = 0; i < 2 * 7; i++) {
		const struct pci_bar *a = &devices[i / 7]->bars[i % 7];

		if (!a->mapped)
			continue;
		if (a->kind != PCI_BAR_IO && a->address < RAM_SIZE)
			abort();
		for (unsigned int j = 0; j < i; j++) {
			const struct pci_bar *b = &devices[j / 7]->bars[j % 7];

			if (b->mapped && (a->kind == PCI_BAR_IO) == (b->kind == PCI_BAR_IO) &&
			    a->address < b->address + b->size && b->address < a->address + a->size)
				abort();
		}
	}
	if (bytes_get_le32(devices[0]->config) != 0x10421af4 ||
	    bytes_get_le32(devices[1]->config) != 0x10421af4 ||
	    bytes_get_le32(devices[2]->config) != 0x000c1b36)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct setup setup;

	setup_init(&setup);
	for (unsigned int steps = 0; size >= STEP && steps < 512; steps++) {
		unsigned int width = 1u << (data[0] >> 6);
		bool write = data[0] & 0x20;
		uint64_t value;
		uint32_t where;

		memcpy(&where, data + 1, 4);
		memcpy(&value, data + 5, 8);
		switch (data[0] & 7) {
		case 0: /* anywhere in memory space */
			where |= (uint32_t)data[13] << 24;
			if (write)
				bus_write(&setup.mmio, where, &value, width);
			else
				bus_read(&setup.mmio, where, &value, width);
			break;
		case 1: /* any port */
			if (width == 8)
				width = 4;
			if (write)
				bus_write(&setup.pio, where & 0xffff, &value, width);
			else
				bus_read(&setup.pio, where & 0xffff, &value, width);
			break;
		case 2: /* the configuration ports */
			if (width == 8)
				width = 4;
			if (write)
				bus_write(&setup.pio, 0xcf8 + (where & 7), &value, width);
			else
				bus_read(&setup.pio, 0xcf8 + (where & 7), &value, width);
			break;
		case 3: /* a decoded BAR */
		{
			const struct pci_bar *bar =
				&setup.devices[data[13] & 1].bars[data[13] % 7 & 7];
			struct bus *space = bar->kind == PCI_BAR_IO ? &setup.pio : &setup.mmio;

			if (!bar->mapped)
				break;
			if (write)
				bus_write(space, bar->address + where % (bar->size + 8), &value,
					  width);
			else
				bus_read(space, bar->address + where % (bar->size + 8), &value,
					 width);
			break;
		}
		case 4:
			pci_msix_notify(&setup.devices[data[13] & 1], (uint16_t)(where % 6));
			pci_msi_notify(&setup.devices[data[13] & 1], (uint16_t)(where % 6));
			break;
		case 5:
			pci_set_intx(&setup.devices[data[13] & 1], write);
			break;
		default: /* configuration space of the functions that exist */
		{
			static const uint64_t functions[] = {0x008000, 0x010000, 0x100000,
							     0x000000};
			uint64_t address = ECAM + functions[data[13] & 3] +
					   (data[13] & 4 ? where & 0xfff : where & 0xff);

			if (write)
				bus_write(&setup.mmio, address, &value, width);
			else
				bus_read(&setup.mmio, address, &value, width);
			break;
		}
		}
		check(&setup);
		data += STEP;
		size -= STEP;
	}
	setup_destroy(&setup);
	return 0;
}

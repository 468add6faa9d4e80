/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/pci/bus.h"

/* The pin (0..7) of the root that INTA of the function arrives at. */
static uint32_t pci_intx_pin(const struct pci_device *device)
{
	const struct pci_bus *bus = device->bus;
	uint32_t pin = 0;

	/* PCIe 2.2.8.1, table 2-20: each bridge turns the pin by the device number. */
	for (unsigned int depth = 0; bus && bus->bridge && depth < PCI_MAX_DEPTH; depth++) {
		pin = (pin + PCI_SLOT(device->devfn)) % 4;
		device = bus->bridge;
		bus = device->bus;
	}
	return (PCI_SLOT(device->devfn) + pin) % PCI_INTX_GSI_COUNT;
}

uint32_t pci_intx_gsi(const struct pci_device *device)
{
	return device->root ? device->root->options.intx_gsi_base + pci_intx_pin(device) : 0;
}

static void pci_drive_intx(struct pci_device *device, bool level)
{
	struct pci_root *root = device->root;
	uint32_t pin = pci_intx_pin(device);
	uint32_t before;

	if (device->intx_driven == level)
		return;
	device->intx_driven = level;
	before = root->intx_count[pin];
	root->intx_count[pin] = level ? before + 1 : before - 1;
	/* Wired OR: the line moves with the first and the last function that drives it. */
	if (root->options.irq && (level ? before == 0 : before == 1))
		irq_set_line(root->options.irq, root->options.intx_gsi_base + pin, level);
}

void pci_update_intx(struct pci_device *device, bool interrupt_disable)
{
	struct pci_root *root = device->root;

	if (!root)
		return;
	pthread_mutex_lock(&root->intx_lock);
	device->intx_disabled = interrupt_disable;
	pci_drive_intx(device, device->intx_level && !interrupt_disable);
	pthread_mutex_unlock(&root->intx_lock);
}

void pci_set_intx(struct pci_device *device, bool level)
{
	struct pci_root *root = device->root;

	if (!root || atomic_load_explicit(&device->intx_level, memory_order_acquire) == level)
		return;
	pthread_mutex_lock(&root->intx_lock);
	/* Unplugged: its pin may be somebody else's by now. */
	if (device->bus) {
		atomic_store_explicit(&device->intx_level, level, memory_order_release);
		pci_drive_intx(device, level && !device->intx_disabled);
	}
	pthread_mutex_unlock(&root->intx_lock);
}

void pci_unplug_intx(struct pci_device *device)
{
	struct pci_root *root = device->root;

	pthread_mutex_lock(&root->intx_lock);
	atomic_store_explicit(&device->intx_level, false, memory_order_release);
	pci_drive_intx(device, false);
	device->bus = NULL;
	pthread_mutex_unlock(&root->intx_lock);
}

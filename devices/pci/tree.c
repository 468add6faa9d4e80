/* SPDX-License-Identifier: Apache-2.0 */
/* The buses of a root and the lock that guards them. */
#include <stdlib.h>

#include "devices/pci/bus.h"

void pci_root_lock(struct pci_root *root)
{
	pthread_mutex_lock(&root->lock);
}

void pci_root_unlock(struct pci_root *root)
{
	pthread_mutex_unlock(&root->lock);
}

struct pci_bus *pci_bus_create(struct pci_root *root, struct pci_device *bridge)
{
	struct pci_bus *bus = calloc(1, sizeof(*bus));
	struct pci_bus **tail;

	if (!bus)
		return NULL;
	bus->root = root;
	bus->bridge = bridge;
	pthread_mutex_lock(&root->lock);
	for (tail = &root->buses; *tail; tail = &(*tail)->next)
		continue;
	*tail = bus;
	pthread_mutex_unlock(&root->lock);
	return bus;
}

void pci_bus_destroy(struct pci_bus *bus)
{
	struct pci_root *root = bus->root;
	struct pci_bus **link;

	pthread_mutex_lock(&root->lock);
	for (link = &root->buses; *link && *link != bus; link = &(*link)->next)
		continue;
	if (*link)
		*link = bus->next;
	pthread_mutex_unlock(&root->lock);
	free(bus);
}

struct pci_bus *pci_bridge_secondary(const struct pci_device *device)
{
	struct pci_bus *bus;

	if (!pci_is_bridge(device) || !device->root)
		return NULL;
	for (bus = device->root->buses; bus && bus->bridge != device; bus = bus->next)
		continue;
	return bus;
}

uint8_t pci_bus_number(const struct pci_bus *bus)
{
	return bus->bridge ? bus->bridge->config[PCI_SECONDARY_BUS] : bus->first_bus;
}

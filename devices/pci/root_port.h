/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEVICES_PCI_ROOT_PORT_H
#define DEVICES_PCI_ROOT_PORT_H

#include "devices/pci/root.h"

/*
 * A PCI Express root port: type 1 header (PCIe 7.5.1.3), express capability with slot and a link
 * that is up, one MSI for the port services, AER. Its secondary bus takes one device, at device 0.
 * A caller that extends it (CXL root port) embeds the struct and adds capabilities or BARs between
 * init and add.
 */
struct pci_root_port {
	struct pci_device device;
	struct pci_bus *secondary; /* set by pci_root_port_init(); belongs to the root */
	bool surprise_removed;     /* what is plugged in does not count any more */
	/* Optional: true while a secondary bus reset has no effect (CXL 8.1.5.2). Under the root's
	 * lock. */
	bool (*secondary_reset_masked)(const struct pci_root_port *port);
	/* Optional: the port itself was reset. Under the root's lock. */
	void (*reset)(struct pci_root_port *port);
};

/*
 * @name must outlive the port. @slot: physical slot number 1..8191, unique in the machine. Returns
 * 0, -EINVAL, -ENOMEM, -ENOSPC. Configuration thread, before pci_root_port_add().
 */
int pci_root_port_init(struct pci_root_port *port, struct pci_root *root, const char *name,
		       uint16_t slot);

/* Plug the port into @bus; @devfn and results as pci_bus_add(). */
int pci_root_port_add(struct pci_root_port *port, struct pci_bus *bus, int devfn);

/*
 * pci_root_port_allow_removal() - a slot whose device may vanish (PCIe 7.5.3.9: hot-plug capable,
 * surprise; no power controller, no command completion). Between init and add.
 */
void pci_root_port_allow_removal(struct pci_root_port *port);

/*
 * pci_root_port_surprise_removal() - the device is gone: presence and link follow, and the guest is
 * told by the port's interrupt when it asked for that (PCIe 6.7.3.4). The function itself is left
 * to its owner; it must answer all-ones already. Any thread without the root's lock.
 */
void pci_root_port_surprise_removal(struct pci_root_port *port);

/*
 * Frees what init allocated. vCPUs stopped. Of a port that is plugged in, the secondary bus stays
 * with the root, which must then be destroyed next; a port that is not needs its root alive. A
 * zeroed port is allowed.
 */
void pci_root_port_destroy(struct pci_root_port *port);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEVICES_CXL_ROOT_PORT_H
#define DEVICES_CXL_ROOT_PORT_H

#include "devices/cxl/component_registers.h"
#include "devices/pci/root_port.h"

/*
 * A CXL root port: a PCI Express root port with the port DVSECs (CXL 8.1.5, .6, .8, .9) and its
 * component registers (RAS and Link) in BAR 0. A secondary bus reset reaches the device only while
 * the guest has unmasked it (8.1.5.2).
 */
struct cxl_root_port {
	struct pci_root_port port;
	struct cxl_component component;
	uint16_t port_extensions; /* offset of the DVSEC */
	bool initialised;
};

/* As pci_root_port_init(). @cache: the device below speaks CXL.cache. */
int cxl_root_port_init(struct cxl_root_port *port, struct pci_root *root, const char *name,
		       uint16_t slot, bool cache);

/* As pci_root_port_add(). */
int cxl_root_port_add(struct cxl_root_port *port, struct pci_bus *bus, int devfn);

/* As pci_root_port_destroy(). */
void cxl_root_port_destroy(struct cxl_root_port *port);

#endif

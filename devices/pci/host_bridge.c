/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/pci/bus.h"

/* The identity of the generic PCI Express host bridge of virtual machines: no driver binds to it
 * and no chipset quirk fires. */
#define PCI_HOST_BRIDGE_VENDOR 0x1b36
#define PCI_HOST_BRIDGE_DEVICE 0x0008
#define PCI_HOST_BRIDGE_CLASS  0x060000

void pci_host_bridge_init(struct pci_device *device)
{
	device->name = "host-bridge";
	device->ops = NULL;
	pci_device_init(device, PCI_HOST_BRIDGE_VENDOR, PCI_HOST_BRIDGE_DEVICE,
			PCI_HOST_BRIDGE_CLASS, 0, PCI_HOST_BRIDGE_VENDOR, PCI_HOST_BRIDGE_DEVICE);
}

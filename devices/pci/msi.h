/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEVICES_PCI_MSI_H
#define DEVICES_PCI_MSI_H

#include "devices/pci/device.h"

/*
 * MSI (PCIe 6.1.4, 7.7.1): up to 32 vectors behind one address, wired as those of MSI-X
 * (devices/pci/msix.h): eventfd -> irqfd -> GSI, both made when they are first needed.
 */
#define PCI_MSI_MAX_VECTORS 32u

struct pci_msi_options {
	uint8_t vectors; /* 1, 2, 4, 8, 16 or 32 */
	bool address_64;
	bool maskable;             /* per-vector masking */
	uint8_t capability_offset; /* 0: allocate; else place the capability there (pass-through) */
	/* Optional: a vector became live (route set, irqfd attached) or not; under msi's lock. */
	void (*vector_changed)(void *opaque, uint16_t vector, bool live);
	void *opaque;
};

/* Before pci_bus_add(). Returns 0, -EINVAL, -EEXIST, -ENOMEM, -ENOSPC. Sets device->msi. */
int pci_msi_init(struct pci_device *device, const struct pci_msi_options *options);

/* As pci_msix_destroy(). A device without MSI is allowed. */
void pci_msi_destroy(struct pci_device *device);

/* As their MSI-X counterparts. Any thread. */
int pci_msi_eventfd(const struct pci_device *device, uint16_t vector);
void pci_msi_notify(struct pci_device *device, uint16_t vector);

/* How many vectors the guest enabled, 0 when MSI is off. Any thread. */
uint16_t pci_msi_enabled_vectors(const struct pci_device *device);

/* Called by the PCI code only, under the root's lock. pci_msi_read() answers the pending bits. */
void pci_msi_attach(struct pci_device *device);
bool pci_msi_read(struct pci_device *device, uint32_t offset, unsigned int size, uint32_t *value);
void pci_msi_config_written(struct pci_device *device, uint32_t offset, unsigned int size);
void pci_msi_reset(struct pci_device *device);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEVICES_PCI_MSIX_H
#define DEVICES_PCI_MSIX_H

#include "devices/pci/device.h"

/*
 * MSI-X (PCIe 6.1.4, 7.7.2) with one eventfd per vector, wired eventfd -> irqfd -> GSI while the
 * vector is unmasked. A masked or not yet enabled vector keeps its count in the eventfd, so no
 * interrupt is lost; the Pending Bit Array is answered by polling the eventfds. Eventfds are made
 * when they are first asked for, signalled or unmasked, and GSIs when a vector is first unmasked:
 * a device costs no system call until its driver uses it.
 */
#define PCI_MSIX_MAX_VECTORS 2048u
#ifndef PCI_MSIX_ENTRY_SIZE
#define PCI_MSIX_ENTRY_SIZE 16
#endif

struct pci_msix_options {
	uint16_t vectors; /* 1..2048 */
	unsigned int table_bar;
	uint32_t table_offset; /* 8-byte aligned */
	unsigned int pba_bar;
	uint32_t pba_offset;
	/* Own the BAR: register it (memory 32 bit, just large enough) and trap table and PBA.
	 * false: the caller routes accesses to pci_msix_table_read/write and pci_msix_pba_read
	 * itself (pass-through, shared BARs). */
	bool own_bar;
	uint8_t capability_offset; /* 0: allocate; else place the capability there (pass-through) */
	/* Optional: told when a vector becomes live (route set, irqfd attached) or not; under
	 * msix's own lock. */
	void (*vector_changed)(void *opaque, uint16_t vector, bool live);
	void *opaque;
};

/*
 * Before pci_bus_add(). Returns 0, -EINVAL (table and PBA overlap, misaligned, outside the BAR),
 * -EEXIST, -ENOMEM, -ENOSPC. Sets device->msix.
 */
int pci_msix_init(struct pci_device *device, const struct pci_msix_options *options);

/* After pci_bus_remove() or with the vCPUs stopped, and before the irq router goes. Closes the
 * eventfds. A device without MSI-X is allowed. */
void pci_msix_destroy(struct pci_device *device);

/*
 * The eventfd of a vector (owned by msix, stays the same until pci_msix_destroy()): signal it to
 * interrupt the guest, or hand it to VFIO / vhost / io threads. Made at the first call. Returns the
 * fd, -EINVAL (no such vector) or -errno of eventfd(2). Any thread.
 */
int pci_msix_eventfd(const struct pci_device *device, uint16_t vector);

/* Signal a vector. Out of range is ignored. Any thread, one write(2) at most. */
void pci_msix_notify(struct pci_device *device, uint16_t vector);

/* The MSI-X Enable bit is set and Function Mask is not looked at. Any thread. */
bool pci_msix_enabled(const struct pci_device *device);

/* Offsets are relative to the table / PBA; sizes 1, 2, 4, 8 (others read all-ones, writes of < 4
 * bytes are dropped). */
uint64_t pci_msix_table_read(struct pci_device *device, uint64_t offset, unsigned int size);
void pci_msix_table_write(struct pci_device *device, uint64_t offset, uint64_t value,
			  unsigned int size);
uint64_t pci_msix_pba_read(struct pci_device *device, uint64_t offset, unsigned int size);

/* The next three are called by the PCI code only, under the root's lock: pci_bus_add() gave the
 * function its root; [offset, offset + size) of the configuration space was written; the function
 * was reset. */
void pci_msix_attach(struct pci_device *device);
void pci_msix_config_written(struct pci_device *device, uint32_t offset, unsigned int size);
void pci_msix_reset(struct pci_device *device);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEVICES_PCI_PCI_ROOT_H
#define DEVICES_PCI_PCI_ROOT_H

#include "devices/pci/pci_device.h"

/*
 * The PCI segment of a machine: host bridges, each with its range of bus numbers, and the two ways
 * to configuration space, ECAM (PCIe 7.2.2) and the 0xCF8/0xCFC ports (PCI 3.0, 3.2.2.3.2).
 */
struct pci_root_options {
	struct bus *mmio;
	struct bus *pio;
	struct irq_router *irq;
	struct guest_memory *memory;
	const struct logger *logger;
	uint64_t ecam_base;     /* 0xE0000000; 1 MiB per bus */
	uint32_t bus_count;     /* buses behind ECAM: 1..256 */
	uint32_t intx_gsi_base; /* first of 8 IOAPIC pins that INTx swizzles over: 16 */
};

/* Returns 0, -ENOMEM, or the errno of bus_add(). Everything in options must outlive the root. */
int pci_root_create(struct pci_root **root, const struct pci_root_options *options);
void pci_root_destroy(struct pci_root *root);

void pci_root_lock(struct pci_root *root);
void pci_root_unlock(struct pci_root *root);
const struct pci_root_options *pci_root_get_options(const struct pci_root *root);

/*
 * A host bridge: a root bus @first_bus and the numbers up to @last_bus for the bridges below it.
 * Returns 0, -EINVAL, -EEXIST (ranges overlap), -ENOMEM. The bus belongs to the root.
 */
int pci_root_add_host_bridge(struct pci_root *root, uint8_t first_bus, uint8_t last_bus,
			     struct pci_bus **bus);

struct pci_window {
	uint64_t base;
	uint64_t size; /* 0: no such window */
};

/* The address space that one host bridge forwards (its _CRS); input and output of the assignment
 * below. */
struct pci_host_windows {
	struct pci_window io;
	struct pci_window memory_32;
	struct pci_window memory_64; /* prefetchable and 64-bit BARs */
};

/* How much address space the functions below @bus need, bridge alignment included; for sizing the
 * windows. */
void pci_bus_required(struct pci_bus *bus, struct pci_host_windows *required);

/*
 * pci_assign_resources() - what boot firmware does: number the buses below @bus, program bridge
 * windows and BARs inside
 * @windows, leave PCI_COMMAND decoding off (the operating system turns it on). Before the first
 * KVM_RUN. Returns 0 or -ENOSPC, naming the device and the window that was too small in the log.
 */
int pci_assign_resources(struct pci_bus *bus, const struct pci_host_windows *windows);

/*
 * A PCI Express root port (type 1 header, PCIe 7.5.1.3) on @bus; its secondary bus takes one
 * function at device 0. A caller that extends it (CXL root port) embeds the struct and adds
 * capabilities or BARs between init and add.
 */
struct pci_root_port {
	struct pci_device device;
	struct pci_bus *secondary;
};

/* @slot: physical slot number, unique in the machine. Returns 0, -ENOMEM, -ENOSPC. */
int pci_root_port_init(struct pci_root_port *port, struct pci_root *root, const char *name,
		       uint16_t slot);
/* The secondary bus is freed with the root. */
int pci_root_port_add(struct pci_root_port *port, struct pci_bus *bus, int devfn);

/* Called for every function, buses in ascending order; under the lock. */
void pci_root_visit(struct pci_root *root,
		    void (*visit)(void *opaque, struct pci_device *device, uint8_t bus),
		    void *opaque);

/* All functions to their power-on state (machine reset). vCPUs stopped or paused. */
void pci_root_reset(struct pci_root *root);

#endif

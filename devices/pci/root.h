/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEVICES_PCI_ROOT_H
#define DEVICES_PCI_ROOT_H

#include "devices/pci/device.h"

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
	uint32_t intx_gsi_base; /* first of 8 interrupt lines that INTx swizzles over: 16 */
	bool config_ports;      /* 0xCF8 and 0xCFC of pio reach configuration space */
};

/* Pin 0..3 (INTA..INTD) of slot 0..31 on a root bus arrives at intx_gsi_base + (slot + pin) % 8. */
#define PCI_INTX_GSI_COUNT 8u

/*
 * Returns 0, -EINVAL (bus count), -ENOMEM, or the errno of bus_add(). Everything in options must
 * outlive the root; pio may be NULL (no config_ports, no I/O BARs), irq and memory may be NULL in
 * tests.
 */
int pci_root_create(struct pci_root **root, const struct pci_root_options *options);

/* vCPUs stopped. Does not touch the functions: they may be gone already. NULL is allowed. */
void pci_root_destroy(struct pci_root *root);

void pci_root_lock(struct pci_root *root);
void pci_root_unlock(struct pci_root *root);

/*
 * A host bridge: a root bus @first_bus and the numbers up to @last_bus for the bridges below it.
 * Returns 0, -EINVAL, -EEXIST (ranges overlap), -ENOMEM. The bus belongs to the root. Bus 0 comes
 * with a host bridge function at 0:0.0 (class 0x060000).
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

/*
 * pci_bus_required() - how much address space the functions below @bus need, bridge windows
 * included; for sizing the windows. Each window's size is what is needed when its base is aligned
 * to required->...base (a power of two, or 0 when the size is 0). 64-bit BARs are counted in
 * memory_64. Returns 0, -ENOMEM or -EOVERFLOW.
 */
int pci_bus_required(struct pci_bus *bus, struct pci_host_windows *required);

/*
 * pci_assign_resources() - what boot firmware does: number the buses below @bus, program bridge
 * windows and BARs inside
 * @windows, leave PCI_COMMAND decoding off (the operating system turns it on). Before the first
 * KVM_RUN, and again after pci_root_reset(). When memory_64.size is 0, 64-bit BARs go to memory_32.
 * From then on BARs outside @windows are refused. A lack of I/O ports is a warning. Returns 0,
 * -ENOMEM, -EOVERFLOW or -ENOSPC, naming the device and the window that was too small in the log.
 */
int pci_assign_resources(struct pci_bus *bus, const struct pci_host_windows *windows);

/* The number of @bus now (a bridge's secondary bus number; 0 when the guest unset it). Under the
 * lock. */
uint8_t pci_bus_number(const struct pci_bus *bus);

/*
 * One access to [offset, offset + size) of the ECAM range, any size from 1 to 8 and any alignment:
 * split into dword accesses, absent functions read all-ones. Takes the lock; also what CF8/CFC and
 * the tests use.
 */
uint64_t pci_ecam_read(struct pci_root *root, uint64_t offset, unsigned int size);
void pci_ecam_write(struct pci_root *root, uint64_t offset, uint64_t value, unsigned int size);

/* Called for every function, buses in ascending order; under the lock. */
void pci_root_visit(struct pci_root *root,
		    void (*visit)(void *opaque, struct pci_device *device, uint8_t bus),
		    void *opaque);

/* All functions to their power-on state (machine reset): BARs and bus numbers are gone until
 * pci_assign_resources(). vCPUs stopped or paused. */
void pci_root_reset(struct pci_root *root);

#endif

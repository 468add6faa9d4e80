/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_DEVICES_PCI_FIXTURE_H
#define TESTS_UNIT_DEVICES_PCI_FIXTURE_H

#include "devices/pci/msix.h"
#include "devices/pci/root.h"
#include "devices/pci/root_port.h"
#include "tests/unit/devices/pci/small_machine.h"

/*
 * A root with real buses, real guest memory and a real interrupt router, over a KVM that only keeps
 * track of irqfds, routes and lines.
 */
#define PCI_FIXTURE_ECAM   SMALL_MACHINE_ECAM
#define PCI_FIXTURE_RAM    0x1000000ull /* 16 MiB at 0 */
#define PCI_FIXTURE_IRQFDS 128

struct pci_fixture_irqfd {
	int fd;
	uint32_t gsi;
};

struct pci_fixture {
	struct kvm_vm vm;
	struct small_machine machine;
	struct logger logger;
	struct pci_bus *bus; /* 0 to 0x0f */

	unsigned int warnings;
	unsigned int errors;
	char last_message[512];
	unsigned int ioctls;
	int fail_irqfd; /* errno for the next KVM_IRQFD */
	struct pci_fixture_irqfd irqfds[PCI_FIXTURE_IRQFDS];
	unsigned int irqfd_count;
	uint32_t route_data[256];
	uint64_t route_address[256];
	bool lines[24];
};

void pci_fixture_init(struct pci_fixture *fixture);
void pci_fixture_destroy(struct pci_fixture *fixture);

/* The GSI that @fd is attached to, or -1. */
int pci_fixture_gsi_of(const struct pci_fixture *fixture, int fd);

#define PCI_BDF(bus, devfn) ((uint64_t)(bus) << 20 | (uint64_t)(devfn) << 12)

/* Through the MMIO bus, as a vCPU does. */
uint64_t pci_fixture_read(struct pci_fixture *fixture, uint64_t bdf, uint32_t offset,
			  unsigned int size);
void pci_fixture_write(struct pci_fixture *fixture, uint64_t bdf, uint32_t offset, uint64_t value,
		       unsigned int size);
uint64_t pci_fixture_mmio_read(struct pci_fixture *fixture, uint64_t address, unsigned int size);
void pci_fixture_mmio_write(struct pci_fixture *fixture, uint64_t address, uint64_t value,
			    unsigned int size);

/* A function whose BARs answer with the offset and remember the last write. */
struct pci_test_device {
	struct pci_device device;
	uint64_t last_offset;
	uint64_t last_value;
	unsigned int mapped;
	unsigned int unmapped;
	unsigned int resets;
	enum pci_reset_kind reset_kind; /* of the last one */
	unsigned int config_written;
	bool mapped_at_written; /* BAR 0, when a write was last reported */
	int map_error;
};

extern const struct bus_ops pci_test_bar_ops;

/* Vendor 0x1234, device 0x5678, class 0x020000; not plugged in yet. */
void pci_test_device_init(struct pci_test_device *test, const char *name);

#endif

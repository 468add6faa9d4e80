/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_DEVICES_PCI_SMALL_MACHINE_H
#define TESTS_UNIT_DEVICES_PCI_SMALL_MACHINE_H

#include "devices/pci/root.h"

/*
 * The parts of a machine that PCI functions live on: real buses, guest memory, interrupt router and
 * root, without vCPUs. The one of all tests of PCI functions, emulated and passed through; what
 * each of them adds (a KVM that counts, an event loop, a server) stands beside it.
 */
struct small_machine {
	struct bus mmio;
	struct bus pio;
	struct guest_memory *memory;
	struct irq_router *irq;
	struct pci_root *root;
};

struct small_machine_options {
	struct kvm_vm *vm;           /* NULL: none */
	const struct logger *logger; /* NULL: silent */
	uint64_t ram;                /* bytes at address 0 */
	bool shared;                 /* the RAM is a memfd */
	bool ports;                  /* configuration space at CF8 and CFC too */
};

#define SMALL_MACHINE_ECAM 0xe0000000ull

/* Fails the test when something cannot be made. */
void small_machine_up(struct small_machine *machine, const struct small_machine_options *options);
/* The functions are gone already. */
void small_machine_down(struct small_machine *machine);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMM_MACHINE_INTERNAL_H
#define VMM_MACHINE_INTERNAL_H

/* The machine itself, for the files of vmm/machine only. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "devices/pci/root.h"
#include "arch/arch.h"
#include "core/budget.h"
#include "core/bus.h"
#include "core/event_loop.h"
#include "core/guest_memory.h"
#include "core/irq.h"
#include "core/kvm.h"
#include "vmm/machine/layout.h"
#include "vmm/machine/life.h"
#include "vmm/machine/machine.h"
#include "vmm/machine/part.h"
#include "vmm/machine/vcpu.h"

/* What everything stands on: KVM's virtual machine, the physical map, buses, interrupts, the loop.
 */
struct machine_platform {
	struct kvm_vm vm;
	struct guest_memory *memory;
	struct irq_router *irq;
	struct bus mmio;
	struct bus pio;
	bool buses_ready;
	struct event_loop *loop;     /* of the devices */
	struct iommu_spaces *spaces; /* what functions reach by DMA; NULL: none is passed through */
	struct quota copies;         /* bytes that devices copy a guest's data through */
	struct arch_kernel *kernel;
	uint64_t tables_ns; /* what making the firmware tables took */
	struct log_ratelimit panic_limit;
};

struct machine_cpus {
	struct cpu_topology topology;
	struct arch_cpus *model;
	struct arch_irqchip *irqchip;
	struct vcpu_set *vcpus;
};

struct machine_map {
	struct layout layout;
	/* Of the host bridges: 0 is the plain one, then one for each accelerator. */
	struct pci_host_windows windows[LAYOUT_MAX_BRIDGES];
	size_t bridge_count;
};

struct machine_pci {
	struct pci_root *root;
	struct pci_bus *root_bus;
	/* No more buses than there are: Linux reads the vendor ID of every device number of every
	 * bus that the MCFG names, two exits each. Bus 0 and one below each root port of a plain
	 * function come first, then two for each CXL host bridge. */
	unsigned int plain_last_bus;
	unsigned int cxl_count; /* of the functions that have CXL, each with a host bridge */
	unsigned int bus_count;
};

struct machine {
	const struct machine_specification *specification;
	const struct logger *logger;
	struct machine_platform platform;
	struct machine_cpus cpus;
	struct machine_map map;
	struct machine_pci pci;
	struct machine_parts parts;
	struct machine_life life;
};

#endif

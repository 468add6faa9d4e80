/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARCH_ARCH_H
#define ARCH_ARCH_H

/*
 * What an architecture owes to the machine. arch/<architecture>/ implements all of it and nobody
 * else names an architecture: the rooms above include this file only. A machine uses the functions
 * in the order in which they stand here.
 *
 * Unless a comment says otherwise a function is called by the thread that builds the machine,
 * before any vCPU runs, returns 0 or a negative errno, and has logged the reason when it fails. A
 * function that an architecture does not have returns -ENOSYS and stands in arch_gaps().
 */

#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bus.h"
#include "core/irq.h"
#include "core/kvm.h"
#include "core/log.h"

/* A function that is missing, and what it would take. */
struct arch_gap {
	const char *function;
	const char *reason;
};

/* arch_gaps() - what this architecture does not implement. A machine starts only when *@count is 0.
 */
const struct arch_gap *arch_gaps(size_t *count);

/*
 * The map: fixed points of the guest physical address space. Where RAM, CXL windows and PCI windows
 * go between them is planned by vmm/machine/layout.c, for all architectures in the same way.
 */

/* A place that is always the same, for the description of a machine. */
struct arch_place {
	const char *name;
	uint64_t base;
	uint64_t size;
	bool in_ram; /* firmware tables; else registers that KVM answers */
};

/* Every architecture has room for a whole PCI segment. */
#define ARCH_ECAM_BUSES 256u

struct arch_map {
	/* RAM starts here, goes on up to low_ram_end at most, and from high_ram_start on. */
	uint64_t low_ram_start;
	uint64_t low_ram_end;
	uint64_t high_ram_start;
	/* The 32-bit window of PCI memory. */
	uint64_t pci_32_start;
	uint64_t pci_32_end;
	/* The ports that PCI devices may have. */
	uint64_t pci_io_start;
	uint64_t pci_io_end;
	/* Configuration space: room for ARCH_ECAM_BUSES; a machine shows the buses that it has. */
	uint64_t ecam_start;
	/* CXL host bridge component registers grow down from here. */
	uint64_t chbs_end;
	/* The interrupt lines that INTx swizzles over. */
	uint32_t intx_gsi;
	uint32_t intx_gsi_count;
	/* Ports 0xcf8 to 0xcff reach configuration space. */
	bool config_ports;
	const struct arch_place *places;
	size_t place_count;
};

/* arch_map() - the same for all machines. Any thread. */
const struct arch_map *arch_map(void);

/*
 * CPUs.
 */

/* What the guest sees; vcpus = sockets * cores * threads. */
struct cpu_topology {
	uint32_t vcpus;
	uint32_t sockets;
	uint32_t cores;   /* per socket */
	uint32_t threads; /* per core */
};

struct arch_cpus_options {
	struct cpu_topology topology;
	const char *features;   /* "+name,-name" in the architecture's names; NULL: the host's */
	uint32_t max_phys_bits; /* 0: as the host */
};

#define ARCH_FEATURE_NAME 64u

/*
 * arch_check_features() - are all names of @features known? Returns 0, or -EINVAL with the first
 * unknown one in @bad (ARCH_FEATURE_NAME bytes). Logs nothing. Pure.
 */
int arch_check_features(const char *features, char *bad);

/* The CPU model of one machine. */
struct arch_cpus;

/*
 * arch_cpus_create() - find out what the host supports and make the model out of it, before the
 * first vCPU exists. @vm must outlive it. Returns 0, -EINVAL (unknown feature), -ENOTSUP (a feature
 * that the host does not offer), -ENOMEM, or -errno of KVM.
 */
int arch_cpus_create(struct arch_cpus **cpus, const struct kvm_vm *vm,
		     const struct arch_cpus_options *options, const struct logger *logger);

/* NULL is allowed. */
void arch_cpus_destroy(struct arch_cpus *cpus);

/* Bits of a guest physical address. */
uint32_t arch_cpus_phys_bits(const struct arch_cpus *cpus);

/*
 * Interrupt controllers.
 */

/* The lines of the controller, for irq_router_create(). Any thread. */
const struct irq_lines *arch_irq_lines(void);

/* The in-kernel interrupt controllers of one machine. */
struct arch_irqchip;

/* arch_irqchip_create() - before the first vCPU exists. @vm must outlive it. */
int arch_irqchip_create(struct arch_irqchip **irqchip, const struct kvm_vm *vm, uint32_t vcpus,
			const struct logger *logger);

/* arch_irqchip_finish() - what can only be done when all vCPUs exist. */
int arch_irqchip_finish(struct arch_irqchip *irqchip);

/* When the vCPUs have stopped. NULL is allowed. */
void arch_irqchip_destroy(struct arch_irqchip *irqchip);

/* arch_cpus_set_up() - give vCPU @index, whose descriptor is @vcpu_fd, its model. */
int arch_cpus_set_up(struct arch_cpus *cpus, uint32_t index, int vcpu_fd);

/*
 * Exits. vmm/machine/vcpu.c runs the vCPUs and serves what is the same everywhere: accesses to
 * memory-mapped registers, kicks, memory that the host cannot provide.
 */

struct arch_vcpu {
	const struct kvm_vm *vm;
	int fd;
	struct kvm_run *run;
	uint32_t index;
	struct bus *ports; /* the port space; NULL: the machine has none */
};

enum arch_exit {
	ARCH_EXIT_SERVED,  /* the vCPU may go on */
	ARCH_EXIT_PORTS,   /* so too: it was an access to ports */
	ARCH_EXIT_CRASHED, /* the guest has run into the ground (triple fault) */
	ARCH_EXIT_ERROR,   /* KVM gave up */
};

struct arch_exit_report {
	uint32_t unclaimed; /* ARCH_EXIT_PORTS: accesses that no device answered */
	char detail[200];   /* ARCH_EXIT_CRASHED, ARCH_EXIT_ERROR: one line */
};

/* arch_serve_exit() - answer the exit in @vcpu->run. In the vCPU's thread; logs nothing. */
enum arch_exit arch_serve_exit(const struct arch_vcpu *vcpu, struct arch_exit_report *report);

/* Where the vCPU is in the guest's code, 0 when KVM does not say. In the vCPU's thread. */
uint64_t arch_instruction_pointer(const struct arch_vcpu *vcpu);

/* The name of that register. */
extern const char arch_instruction_pointer_name[];

/* arch_vcpu_paused() - the vCPU has left the guest for a pause: its watchdogs must not take that
 * for a lock-up. Any thread. */
void arch_vcpu_paused(const struct arch_vcpu *vcpu);

#endif

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

#include "devices/legacy/serial_backend.h"
#include "guest-fw/acpi/acpi.h"
#include "core/bus.h"
#include "core/event_loop.h"
#include "core/guest_memory.h"
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
	/* The ports that PCI devices may have; the port space ends with them. */
	uint64_t pci_io_start;
	uint64_t pci_io_end;
	/* Configuration space: room for ARCH_ECAM_BUSES; a machine shows the buses that it has. */
	uint64_t ecam_start;
	/* CXL host bridge component registers grow down from here. */
	uint64_t chbs_end;
	/* The first of the eight interrupt lines that INTx swizzles over. */
	uint32_t intx_gsi;
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
	const uint32_t *nodes;  /* the NUMA node of each vCPU, for the call; NULL: all in one */
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

/* arch_irqchip_create() - before the first vCPU exists; the vCPUs come next. @vm must outlive it.
 */
int arch_irqchip_create(struct arch_irqchip **irqchip, const struct kvm_vm *vm, uint32_t vcpus,
			const struct logger *logger);

/* arch_cpus_set_up() - give vCPU @index, whose descriptor is @vcpu_fd, its model. */
int arch_cpus_set_up(struct arch_cpus *cpus, uint32_t index, int vcpu_fd);

/* arch_irqchip_finish() - what can only be done when all vCPUs exist. */
int arch_irqchip_finish(struct arch_irqchip *irqchip);

/* When the vCPUs have stopped. NULL is allowed. */
void arch_irqchip_destroy(struct arch_irqchip *irqchip);

/*
 * The kernel that the machine boots.
 */

struct arch_kernel;

/* How much of a file is read to see what it is. */
#define ARCH_KERNEL_HEAD 4096u

/* What a kernel wants of its machine. */
struct arch_kernel_needs {
	uint64_t ram_end;   /* the end of the RAM that it is loaded into */
	size_t cmdline_max; /* bytes of its command line, without the NUL */
};

/*
 * arch_check_kernel() - can the file @fd of @file_size bytes be booted? Returns 0 with @needs
 * filled, -ENOEXEC with a sentence in @why (static storage), -ENOMEM, -ENODATA (it is shorter than
 * that), or the errno of pread. Logs nothing.
 */
int arch_check_kernel(int fd, uint64_t file_size, struct arch_kernel_needs *needs,
		      const char **why);

/*
 * arch_kernel_load() - copy the image at @path into guest RAM. Returns 0; -ENOEXEC (not a kernel
 * that can be booted); -ENOSPC (guest RAM too small); -ENOMEM; or the errno of open or read.
 */
int arch_kernel_load(struct arch_kernel **kernel, struct guest_memory *memory, const char *path,
		     const struct logger *logger);

/* NULL is allowed. */
void arch_kernel_destroy(struct arch_kernel *kernel);

/* arch_cpus_set_boot() - the registers of the boot vCPU, as @kernel wants them. After
 * arch_write_firmware(). The other vCPUs wait until the guest starts them. */
int arch_cpus_set_boot(const struct arch_cpus *cpus, int vcpu_fd, const struct arch_kernel *kernel);

/*
 * Platform devices: what a machine of this architecture has apart from PCI. Serial port, clock,
 * power button, reset, what tests and measurements need.
 */

struct arch_platform;

/* In the thread of the vCPU whose guest did it. */
struct arch_platform_events {
	void (*power_off)(void *opaque);
	void (*reset)(void *opaque);
	void (*panicked)(void *opaque, bool crash_kernel); /* a crash kernel takes over */
	void (*debug_exit)(void *opaque, uint32_t value);
	void *opaque;
};

struct arch_platform_options {
	struct bus *mmio;
	struct bus *ports;
	struct irq_router *irq;
	const struct arch_cpus *cpus;
	const struct logger *logger;
	/* The host's end of the serial port; NULL: the guest has none. Copied. */
	const struct serial_backend_options *serial;
	bool pvpanic;
	bool debug_exit;   /* a register for test guests to end with a value */
	bool boot_timer;   /* a register whose writes are logged with their time since start_ns */
	uint64_t start_ns; /* CLOCK_MONOTONIC */
	const struct arch_platform_events *events; /* copied; opaque outlives the platform */
};

/* Returns 0, -ENOMEM, or the errno of opening the serial port's host end. */
int arch_platform_create(struct arch_platform **platform,
			 const struct arch_platform_options *options);

/* vCPUs and the event loop must be stopped. NULL is allowed. */
void arch_platform_destroy(struct arch_platform *platform);

/* Write out what the serial port has queued, as far as that goes without waiting. NULL is allowed.
 */
void arch_platform_flush(struct arch_platform *platform);

/* Press the power button. Any thread. Returns 0 or -errno, not logged. */
int arch_platform_power_button(struct arch_platform *platform);

/*
 * Firmware: what the guest is told about the machine.
 */

struct arch_range {
	uint64_t base;
	uint64_t size;
};

#define ARCH_RANGES_MAX 128u

struct arch_firmware {
	struct guest_memory *memory;
	const struct logger *logger;
	const struct arch_cpus *cpus;
	const uint32_t *cpu_nodes; /* the proximity domain of each vCPU */
	const struct arch_platform *platform;
	const struct arch_kernel *kernel;
	const char *initramfs; /* path; NULL: none */
	const char *cmdline;   /* NULL: empty */
	/* PCI, CXL and memory are described; the architecture adds CPUs, interrupt controllers and
	 * its platform devices in a copy. At least one ECAM. */
	const struct acpi_machine *acpi;
	/* At most ARCH_RANGES_MAX of both together. */
	const struct arch_range *ram;
	size_t ram_count;
	const struct arch_range *cxl; /* fixed windows that the memory map says no word about */
	size_t cxl_count;
};

/*
 * arch_write_firmware() - initramfs, ACPI tables, memory map and boot parameters into guest RAM.
 * Returns 0; -EINVAL (a description that is wrong); -ENOSPC (no room for the tables or for the
 * initramfs); -E2BIG (command line longer than the kernel takes); -ENOMEM; or the errno of open or
 * read.
 */
int arch_write_firmware(const struct arch_firmware *firmware);

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

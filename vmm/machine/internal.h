/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMM_MACHINE_INTERNAL_H
#define VMM_MACHINE_INTERNAL_H

/* What the files of vmm/machine share; nobody else includes this. */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "devices/pci/root.h"
#include "devices/virtio/pci.h"
#include "passthrough/device/passthrough.h"
#include "arch/arch.h"
#include "core/bus.h"
#include "core/event_loop.h"
#include "core/guest_memory.h"
#include "core/irq.h"
#include "core/kvm.h"
#include "vmm/machine/layout.h"
#include "vmm/machine/life.h"
#include "vmm/machine/machine.h"
#include "vmm/machine/vcpu.h"

/* blk, net, vsock, console, rng, balloon */
#define MACHINE_MAX_VIRTIO (MACHINE_MAX_DISKS + MACHINE_MAX_NETS + 4u)

struct machine_console;
struct passed_function;

/* What everything stands on: KVM's virtual machine, the physical map, buses, interrupts, the loop.
 */
struct machine_platform {
	struct kvm_vm vm;
	struct guest_memory *memory;
	struct irq_router *irq;
	struct bus mmio;
	struct bus pio;
	bool buses_ready;
	struct event_loop *loop;
	struct arch_kernel *kernel;
	uint64_t tables_ns; /* what making the firmware tables took */
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
	unsigned int bus_count;
};

struct machine_parts {
	struct virtio_pci *virtio[MACHINE_MAX_VIRTIO];
	size_t virtio_count;
	struct machine_console *console; /* NULL: the guest has none */
	struct arch_platform *platform;
	struct passed_function *functions; /* passed through, with CXL or without */
	size_t function_count;
	struct iommu_spaces *spaces; /* what they reach by DMA; NULL: there are none */
};

struct machine {
	const struct machine_specification *config;
	const struct logger *logger;
	struct machine_platform platform;
	struct machine_cpus cpus;
	struct machine_map map;
	struct machine_pci pci;
	struct machine_parts parts;
	struct machine_life life;
};

/* memory.c: the RAM blocks of the layout, split over the NUMA nodes. */
int machine_add_ram(struct machine *machine);

/* affinity.c: bind the calling vCPU thread as the specification says. */
int machine_set_affinity(struct machine *machine, uint32_t vcpu);

/* firmware.c: kernel, initramfs, ACPI tables, memory map, boot parameters into guest RAM. */
int machine_load_payload(struct machine *machine);
int machine_write_firmware(struct machine *machine);

/* machine_virtio.c */
int machine_add_virtio_devices(struct machine *machine);
void machine_remove_virtio_devices(struct machine *machine);
void machine_pause_virtio(struct machine *machine);
void machine_resume_virtio(struct machine *machine);
/* Write out what the console has queued; the event loop has ended. */
void machine_flush_virtio(struct machine *machine);

/* platform.c */
int machine_add_platform_devices(struct machine *machine);
void machine_remove_platform_devices(struct machine *machine);
/* Write out what the serial port has queued. */
void machine_flush_platform_devices(struct machine *machine);
/* Press the power button; in the machine's thread. */
void machine_press_power_button(struct machine *machine);

struct description;
void machine_describe_windows(const struct machine *machine, struct description *description);

/* machine_accelerators.c */
int machine_connect_devices(struct machine *machine); /* before the layout and the PCI root */
int machine_plug_devices(struct machine *machine);    /* after RAM, before the PCI assignment */
void machine_remove_devices(struct machine *machine);
/* What the functions have posted; in the machine's thread. */
void machine_serve_functions(struct machine *machine);
bool machine_needs_shared_ram(const struct machine *machine);
size_t machine_layout_accelerators(const struct machine *machine, struct layout_accelerator *list);
/* The first address that the IOMMU of some device does not translate, and that device; 0: no limit.
 */
uint64_t machine_dma_limit(const struct machine *machine, const char **device);
/* The first bus number of the i-th CXL host bridge; after machine_connect_devices(). */
unsigned int machine_accelerator_bus(const struct machine *machine, size_t index);
/* The fixed memory windows for the CEDT; returns how many. */
struct acpi_cfmws;
size_t machine_describe_fixed_windows(const struct machine *machine, struct acpi_cfmws *cfmws);

/* The memory of one CXL device, for memory map, SRAT and HMAT. */
struct machine_cxl_memory {
	uint64_t base; /* guest physical */
	uint64_t size;
	uint8_t root_bus; /* of its host bridge; the device is on the next one */
	bool node;        /* the guest's page allocator owns it from the start */
};
/* In the order of the CXL devices; @list has room for MACHINE_MAX_DEVICES. Returns how many. */
size_t machine_list_cxl_memory(const struct machine *machine, struct machine_cxl_memory *list);
/* The root bus of every host bridge, the plain one first; @buses has room for LAYOUT_MAX_BRIDGES.
 */
void machine_list_root_buses(const struct machine *machine, struct pci_bus **buses);
size_t machine_passthrough_count(const struct machine *machine);
struct passthrough_device *machine_passthrough(const struct machine *machine, size_t index);
/* Base of the fixed window of the index-th passed-through device, 0 when it has none. */
uint64_t machine_window_of(const struct machine *machine, size_t index);
/* Guest accesses to the component registers of all passed-through devices. Any thread. */
uint64_t machine_component_accesses(const struct machine *machine);
bool machine_memory_fault(struct machine *machine, uint64_t gpa);

#endif

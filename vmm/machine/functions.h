/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMM_MACHINE_FUNCTIONS_H
#define VMM_MACHINE_FUNCTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "devices/cxl/host_bridge.h"
#include "devices/cxl/root_port.h"
#include "devices/pci/root_port.h"
#include "passthrough/device/passthrough.h"
#include "vmm/machine/layout.h"
#include "vmm/machine/part.h"

/*
 * The functions that are passed through, each a part, and what the rest of the machine asks of all
 * of them. An accelerator is a function that has CXL.
 */
#define CXL_BUSES_PER_HOST 2u /* the root bus and the one below its only root port */

/* One function and what it hangs on: a root port of its own, and for CXL a host bridge of its own.
 */
struct passed_function {
	struct passthrough_device *device;
	bool cxl;
	uint16_t slot;    /* among all functions, from 1 */
	size_t cxl_index; /* among the accelerators: window, CHBS, host bridge */
	char port_name[48];
	char bridge_name[48];
	struct pci_bus *root_bus;           /* CXL: of its host bridge; else bus 0 */
	struct cxl_host_bridge host_bridge; /* CXL only */
	struct cxl_root_port cxl_port;      /* CXL only */
	struct pci_root_port plain_port;    /* else */
	struct pci_root_port *port;         /* the one of the two that was added, or NULL */
};

/* passthrough.c: struct passthrough_options is wanted. connect: reach the device and learn what the
 * address map depends on. add: give it to the guest. */
extern const struct machine_part_ops machine_function_part;

/* The next one that is connected after *@part (which starts as NULL), or NULL. */
struct passed_function *machine_next_function(const struct machine *machine,
					      const struct machine_part **part);

/* MACHINE_REQUEST_SERVE_FUNCTIONS; in the machine's thread. */
void machine_serve_functions(struct machine *machine);

/* KVM_RUN could not reach guest memory at @gpa. In the vCPU's thread. Returns whether the vCPU may
 * run again. */
bool machine_memory_fault(struct machine *machine, uint64_t gpa);

/* Guest accesses to the component registers of all functions. Any thread. */
uint64_t machine_component_accesses(const struct machine *machine);

bool machine_needs_shared_ram(const struct machine *machine);

/* The first address that the IOMMU of some device does not translate, and that device; 0: no limit.
 */
uint64_t machine_dma_limit(const struct machine *machine, const char **device);

/* What the accelerators want of the address plan; @list has room for MACHINE_MAX_DEVICES. Returns
 * how many. */
size_t machine_layout_accelerators(const struct machine *machine, struct layout_accelerator *list);

/* The first bus number of the index-th CXL host bridge; when all functions are connected. */
unsigned int machine_accelerator_bus(const struct machine *machine, size_t index);

/* The root bus of every host bridge, the plain one first; @buses has room for LAYOUT_MAX_BRIDGES.
 */
void machine_list_root_buses(const struct machine *machine, struct pci_bus **buses);

/* The fixed memory windows for the CEDT; returns how many. */
struct acpi_cfmws;
size_t machine_describe_fixed_windows(const struct machine *machine, struct acpi_cfmws *cfmws);

/* The memory of one accelerator, for memory map, SRAT and HMAT. */
struct machine_cxl_memory {
	uint64_t base; /* guest physical */
	uint64_t size;
	uint8_t root_bus; /* of its host bridge; the device is on the next one */
	bool node;        /* the guest's page allocator owns it from the start */
};
/* In the order of the accelerators; @list has room for MACHINE_MAX_DEVICES. Returns how many. */
size_t machine_list_cxl_memory(const struct machine *machine, struct machine_cxl_memory *list);

#endif

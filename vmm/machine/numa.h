/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMM_MACHINE_NUMA_H
#define VMM_MACHINE_NUMA_H

#include "guest-fw/acpi/acpi.h"
#include "vmm/machine/functions.h"

/*
 * Proximity domains of a machine with CXL devices: the NUMA nodes first, then one for each device
 * with its memory and its engine (a generic initiator), then one for the port of each host bridge
 * (a generic port). Pure.
 */
#define NUMA_MAX_DOMAINS (MACHINE_MAX_NODES + 2 * MACHINE_MAX_DEVICES)

/*
 * What the HMAT says when nobody knows better: from one kind of initiator to one kind of target.
 * Round numbers of the kind that servers with CXL report; guest-fw/acpi/README.md lists them.
 */
struct numa_locality {
	uint32_t nanoseconds;
	uint32_t megabytes; /* per second */
};

struct numa_tables {
	struct acpi_generic_affinity generic[2 * MACHINE_MAX_DEVICES];
	size_t generic_count;
	struct acpi_locality localities[2]; /* access latency, access bandwidth */
	size_t locality_count;              /* 0: no CXL devices, no HMAT */
	uint32_t initiators[NUMA_MAX_DOMAINS];
	uint32_t targets[NUMA_MAX_DOMAINS];
	uint16_t latency[NUMA_MAX_DOMAINS * NUMA_MAX_DOMAINS];
	uint16_t bandwidth[NUMA_MAX_DOMAINS * NUMA_MAX_DOMAINS];
};

/* @cpu_nodes, @ram_nodes: bit n set: node n has processors, RAM. @nodes: at least 1. @tables points
 * into itself afterwards: do not copy it. */
void numa_describe(struct numa_tables *tables, uint32_t nodes, uint64_t cpu_nodes,
		   uint64_t ram_nodes, const struct machine_cxl_memory *devices, size_t count);

/* The proximity domain of a device's memory. */
static inline uint32_t numa_device_domain(uint32_t nodes, size_t device)
{
	return nodes + (uint32_t)device;
}

#endif

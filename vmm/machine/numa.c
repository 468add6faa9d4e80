/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/machine/numa.h"

#include <string.h>

#define LATENCY_UNIT   1000u /* picoseconds: an entry counts nanoseconds */
#define BANDWIDTH_UNIT 100u  /* MB/s that an entry counts */

enum domain_kind {
	DOMAIN_NODE,   /* processors, RAM */
	DOMAIN_DEVICE, /* engine, device memory */
	DOMAIN_PORT,
};

struct domain {
	enum domain_kind kind;
	uint32_t number; /* of the node or device */
};

static struct domain domain_of(uint32_t domain, uint32_t nodes, size_t count)
{
	if (domain < nodes)
		return (struct domain){DOMAIN_NODE, domain};
	domain -= nodes;
	if (domain < count)
		return (struct domain){DOMAIN_DEVICE, domain};
	return (struct domain){DOMAIN_PORT, domain - (uint32_t)count};
}

/* Zeroes: not reachable. */
static struct numa_locality locality(struct domain from, struct domain to)
{
	static const struct numa_locality local_ram = {100, 60000};
	static const struct numa_locality remote_ram = {160, 30000};
	static const struct numa_locality device_memory = {250, 25000};
	static const struct numa_locality port = {80, 50000}; /* without link and device */
	static const struct numa_locality own_memory = {150, 400000};
	static const struct numa_locality ram_from_device = {300, 25000};
	static const struct numa_locality peer_memory = {500, 12000};
	static const struct numa_locality unreachable = {0, 0};

	if (from.kind == DOMAIN_NODE) {
		if (to.kind == DOMAIN_NODE)
			return from.number == to.number ? local_ram : remote_ram;
		return to.kind == DOMAIN_DEVICE ? device_memory : port;
	}
	if (to.kind == DOMAIN_NODE)
		return ram_from_device;
	if (to.kind == DOMAIN_DEVICE)
		return from.number == to.number ? own_memory : peer_memory;
	return unreachable;
}

static void describe_generic(struct numa_tables *tables, uint32_t nodes,
			     const struct machine_cxl_memory *devices, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		tables->generic[tables->generic_count++] = (struct acpi_generic_affinity){
			.kind = ACPI_GENERIC_PORT,
			.handle = ACPI_HANDLE_ACPI,
			.proximity_domain = nodes + (uint32_t)(count + i),
			.hid = "ACPI0016",
			.uid = devices[i].root_bus,
		};
		tables->generic[tables->generic_count++] = (struct acpi_generic_affinity){
			.kind = ACPI_GENERIC_INITIATOR,
			.handle = ACPI_HANDLE_PCI,
			.proximity_domain = numa_device_domain(nodes, i),
			.bus = (uint8_t)(devices[i].root_bus + 1),
		};
	}
}

void numa_describe(struct numa_tables *tables, uint32_t nodes, uint64_t cpu_nodes,
		   uint64_t ram_nodes, const struct machine_cxl_memory *devices, size_t count)
{
	size_t initiators = 0, targets = 0;

	memset(tables, 0, sizeof(*tables));
	if (!count)
		return;
	describe_generic(tables, nodes, devices, count);
	for (uint32_t i = 0; i < nodes + count; i++)
		if (i >= nodes || (cpu_nodes >> i & 1))
			tables->initiators[initiators++] = i;
	for (uint32_t i = 0; i < nodes + 2 * count; i++) {
		struct domain domain = domain_of(i, nodes, count);

		if (domain.kind == DOMAIN_PORT ||
		    (domain.kind == DOMAIN_NODE ? ram_nodes >> i & 1 : devices[domain.number].node))
			tables->targets[targets++] = i;
	}
	for (size_t i = 0; i < initiators; i++) {
		for (size_t j = 0; j < targets; j++) {
			struct numa_locality value =
				locality(domain_of(tables->initiators[i], nodes, count),
					 domain_of(tables->targets[j], nodes, count));
			size_t entry = i * targets + j;

			tables->latency[entry] =
				value.nanoseconds ? (uint16_t)value.nanoseconds : UINT16_MAX;
			tables->bandwidth[entry] =
				value.megabytes ? (uint16_t)(value.megabytes / BANDWIDTH_UNIT)
						: UINT16_MAX;
		}
	}
	for (size_t i = 0; i < 2; i++)
		tables->localities[i] = (struct acpi_locality){
			.data = i ? ACPI_LOCALITY_ACCESS_BANDWIDTH : ACPI_LOCALITY_ACCESS_LATENCY,
			.base_unit = i ? BANDWIDTH_UNIT : LATENCY_UNIT,
			.initiators = tables->initiators,
			.initiator_count = initiators,
			.targets = tables->targets,
			.target_count = targets,
			.entries = i ? tables->bandwidth : tables->latency,
		};
	tables->locality_count = 2;
}

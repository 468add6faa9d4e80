/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "vmm/machine/numa.h"

static struct numa_tables tables;

static uint16_t entry(const uint16_t *entries, uint32_t initiator, uint32_t target)
{
	const struct acpi_locality *locality = &tables.localities[0];

	for (size_t i = 0; i < locality->initiator_count; i++)
		for (size_t j = 0; j < locality->target_count; j++)
			if (tables.initiators[i] == initiator && tables.targets[j] == target)
				return entries[i * locality->target_count + j];
	return 0;
}

Test(numa, nothing_without_cxl_devices)
{
	numa_describe(&tables, 4, 0xf, 0xf, NULL, 0);
	cr_assert_eq(tables.generic_count, 0);
	cr_assert_eq(tables.locality_count, 0);
}

Test(numa, domains_of_nodes_devices_and_ports)
{
	const struct machine_cxl_memory devices[] = {
		{.base = 0x100000000, .size = 0x10000000, .root_bus = 1, .node = true},
		{.base = 0x110000000, .size = 0x10000000, .root_bus = 3},
	};

	/* Node 1 has no processors, node 0 no RAM. */
	numa_describe(&tables, 2, 1, 2, devices, 2);
	cr_assert_eq(tables.generic_count, 4);
	cr_expect_eq(tables.generic[0].kind, ACPI_GENERIC_PORT);
	cr_expect_eq(tables.generic[0].proximity_domain, 4);
	cr_expect_eq(tables.generic[0].uid, 1);
	cr_expect_eq(tables.generic[1].kind, ACPI_GENERIC_INITIATOR);
	cr_expect_eq(tables.generic[1].proximity_domain, 2);
	cr_expect_eq(tables.generic[1].bus, 2);
	cr_expect_eq(tables.generic[2].proximity_domain, 5);
	cr_expect_eq(tables.generic[2].uid, 3);
	cr_expect_eq(tables.generic[3].proximity_domain, 3);
	cr_expect_eq(tables.generic[3].bus, 4);

	cr_assert_eq(tables.locality_count, 2);
	cr_assert_eq(tables.localities[0].initiator_count, 3, "node 0 and two engines");
	cr_assert_eq(tables.localities[0].target_count, 4, "node 1, one memory, two ports");
	cr_expect_eq(tables.localities[0].base_unit, 1000, "nanoseconds");
	cr_expect_eq(tables.localities[1].base_unit, 100, "100 MB/s");
	cr_expect_eq(entry(tables.latency, 0, 1), 160);
	cr_expect_eq(entry(tables.latency, 0, 2), 250);
	cr_expect_eq(entry(tables.bandwidth, 0, 2), 250);
	cr_expect_eq(entry(tables.latency, 0, 4), 80);
	cr_expect_eq(entry(tables.latency, 2, 2), 150);
	cr_expect_eq(entry(tables.bandwidth, 2, 2), 4000);
	cr_expect_eq(entry(tables.latency, 3, 2), 500);
	cr_expect_eq(entry(tables.latency, 3, 1), 300);
	cr_expect_eq(entry(tables.latency, 2, 4), 0xffff, "an engine reaches no port");
	cr_expect_eq(entry(tables.latency, 0, 3), 0, "memory that the driver owns has no domain");
}

/* What is described passes the checks of the tables' builder, for the largest machine too. */
Test(numa, tables_are_accepted)
{
	static struct machine_cxl_memory devices[MACHINE_MAX_DEVICES];
	static struct acpi_memory_affinity memory[MACHINE_MAX_NODES + MACHINE_MAX_DEVICES];
	static struct acpi_cpu cpus[MACHINE_MAX_NODES];
	static uint8_t buffer[ACPI_SIZE_TYPICAL];
	static const struct acpi_ioapic ioapic = {.address = 0xfec00000, .gsi_count = 24};
	struct acpi_machine machine = {
		.memory = memory, .cpus = cpus, .ioapics = &ioapic, .ioapic_count = 1};
	struct acpi_result result;
	const char *hmat = NULL;

	for (uint32_t i = 0; i < MACHINE_MAX_NODES; i++) {
		cpus[i] = (struct acpi_cpu){.apic_id = i, .proximity_domain = i};
		memory[machine.memory_count++] = (struct acpi_memory_affinity){
			.base = i * 0x1000000ull, .size = 0x1000000, .proximity_domain = i};
	}
	for (uint32_t i = 0; i < MACHINE_MAX_DEVICES; i++) {
		devices[i] = (struct machine_cxl_memory){.base = 0x100000000 + i * 0x10000000ull,
							 .size = 0x10000000,
							 .root_bus = (uint8_t)(1 + 2 * i),
							 .node = true};
		memory[machine.memory_count++] = (struct acpi_memory_affinity){
			.base = devices[i].base,
			.size = devices[i].size,
			.proximity_domain = numa_device_domain(MACHINE_MAX_NODES, i),
			.hot_pluggable = true};
	}
	numa_describe(&tables, MACHINE_MAX_NODES, 0xffff, 0xffff, devices, MACHINE_MAX_DEVICES);
	machine.cpu_count = MACHINE_MAX_NODES;
	machine.local_apic_address = 0xfee00000;
	machine.generic = tables.generic;
	machine.generic_count = tables.generic_count;
	machine.localities = tables.localities;
	machine.locality_count = tables.locality_count;
	machine.reset = (struct acpi_register){.space = ACPI_SPACE_IO, .address = 0x600};
	machine.sleep_control = machine.sleep_status = machine.reset;
	cr_assert_eq(acpi_build(&machine, 0xe0000, buffer, sizeof(buffer), &result), 0, "%s",
		     result.reason);
	for (size_t i = 0; i < result.table_count; i++)
		if (!strcmp(result.tables[i].signature, "HMAT"))
			hmat = result.tables[i].signature;
	cr_assert_not_null(hmat);
}

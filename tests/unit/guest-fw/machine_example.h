/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_GUEST_FW_MACHINE_EXAMPLE_H
#define TESTS_UNIT_GUEST_FW_MACHINE_EXAMPLE_H

#include "guest-fw/acpi/acpi.h"

#define EXAMPLE_CPUS 4

/*
 * A machine with everything in it: one PCIe and two CXL bridges, two windows, two NUMA nodes, a
 * generic initiator and ports. The arrays live in the struct so that a test can spoil one field.
 */
struct example {
	struct acpi_machine machine;
	struct acpi_cpu cpus[EXAMPLE_CPUS];
	struct acpi_ioapic ioapic;
	struct acpi_interrupt_override override;
	struct acpi_ecam ecam;
	struct acpi_bridge bridges[3];
	struct acpi_bridge_window windows[3][4];
	struct acpi_serial serial;
	struct acpi_cfmws cfmws[2];
	struct acpi_memory_affinity memory[2];
	struct acpi_generic_affinity generic[3];
	uint8_t distances[16];
	struct acpi_memory_attachment attachments[2];
	struct acpi_locality localities[2];
	uint32_t initiators[2];
	uint32_t targets[2];
	uint16_t latency[4];
	uint16_t bandwidth[4];
};

/* example_minimal() - one CPU, one IOAPIC, one PCIe bridge, a serial port. */
void example_minimal(struct example *example);

/* example_full() - all tables. */
void example_full(struct example *example);

/* example_table() - the place of a table in a built buffer, NULL when it is not there. */
const struct acpi_table_place *example_table(const struct acpi_result *result,
					     const char *signature);

#endif

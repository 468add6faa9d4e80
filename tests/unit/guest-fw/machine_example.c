/* SPDX-License-Identifier: Apache-2.0 */
#include "machine_example.h"

#include <string.h>

static const uint64_t gib = UINT64_C(1) << 30;

void example_minimal(struct example *e)
{
	memset(e, 0, sizeof(*e));
	e->cpus[0].apic_id = 0;
	e->ioapic = (struct acpi_ioapic){.id = 0, .address = 0xfec00000, .gsi_count = 24};
	e->ecam = (struct acpi_ecam){.base = 0xe0000000, .last_bus = 255};
	e->windows[0][0] = (struct acpi_bridge_window){ACPI_WINDOW_IO, false, 0, 0xcf8};
	e->windows[0][1] = (struct acpi_bridge_window){ACPI_WINDOW_IO, false, 0xd00, 0xf300};
	e->windows[0][2] =
		(struct acpi_bridge_window){ACPI_WINDOW_MEMORY, false, 0xc0000000, 0x10000000};
	e->windows[0][3] = (struct acpi_bridge_window){ACPI_WINDOW_MEMORY, true, 64 * gib, gib};
	e->bridges[0] = (struct acpi_bridge){
		.kind = ACPI_BRIDGE_PCIE,
		.last_bus = 0x0f,
		.config_ports = true,
		.windows = e->windows[0],
		.window_count = 4,
		.gsi_base = 16,
		.gsi_count = 8,
		.osc_pci_control = ACPI_OSC_PCI_CONTROL_DEFAULT,
	};
	e->serial = (struct acpi_serial){.port = 0x3f8, .gsi = 4};
	e->machine = (struct acpi_machine){
		.cpus = e->cpus,
		.cpu_count = 1,
		.local_apic_address = 0xfee00000,
		.ioapics = &e->ioapic,
		.ioapic_count = 1,
		.ecams = &e->ecam,
		.ecam_count = 1,
		.bridges = e->bridges,
		.bridge_count = 1,
		.sleep_control = {ACPI_SPACE_IO, 0x600},
		.sleep_status = {ACPI_SPACE_IO, 0x601},
		.s5_type = 5,
		.reset = {ACPI_SPACE_IO, 0x602},
		.reset_value = 1,
		.serials = &e->serial,
		.serial_count = 1,
		.rtc = true,
	};
}

static void example_cxl(struct example *e)
{
	for (size_t i = 1; i < 3; i++) {
		e->windows[i][0] = (struct acpi_bridge_window){
			ACPI_WINDOW_MEMORY, false, 0xd0000000 + 0x1000000 * i, 0x1000000};
		e->windows[i][1] = (struct acpi_bridge_window){ACPI_WINDOW_MEMORY, false,
							       (64 + 4 * i) * gib, 4 * gib};
		e->bridges[i] = (struct acpi_bridge){
			.kind = ACPI_BRIDGE_CXL,
			.uid = 0x10 * (uint32_t)i,
			.first_bus = (uint8_t)(0x10 * i),
			.last_bus = (uint8_t)(0x10 * i + 3),
			.preserve_configuration = true,
			.windows = e->windows[i],
			.window_count = 2,
			.gsi_base = 16,
			.gsi_count = 8,
			.has_proximity_domain = true,
			.proximity_domain = 0,
			.osc_pci_control = ACPI_OSC_PCI_CONTROL_DEFAULT,
			.osc_cxl_control = ACPI_OSC_CXL_CONTROL_DEFAULT,
			.component_base = 0xfe000000 + 0x10000 * i,
		};
		e->cfmws[i - 1] = (struct acpi_cfmws){
			.base = (16 + 16 * i) * gib / 2,
			.size = gib,
			.restrictions =
				ACPI_CFMWS_DEVICE_COHERENT | ACPI_CFMWS_VOLATILE | ACPI_CFMWS_FIXED,
			.qtg_id = (uint16_t)(i - 1),
			.target_count = 1,
			.targets = {0x10 * (uint32_t)i},
		};
	}
	e->machine.bridge_count = 3;
	e->machine.cfmws = e->cfmws;
	e->machine.cfmws_count = 2;
}

static void example_numa(struct example *e)
{
	e->memory[0] = (struct acpi_memory_affinity){.base = 0, .size = 3 * gib};
	e->memory[1] =
		(struct acpi_memory_affinity){.base = 4 * gib, .size = gib, .proximity_domain = 1};
	e->generic[0] = (struct acpi_generic_affinity){
		.kind = ACPI_GENERIC_INITIATOR,
		.handle = ACPI_HANDLE_PCI,
		.proximity_domain = 2,
		.bus = 0x11,
		.devfn = 0x08,
	};
	for (size_t i = 1; i < 3; i++)
		e->generic[i] = (struct acpi_generic_affinity){
			.kind = ACPI_GENERIC_PORT,
			.handle = ACPI_HANDLE_ACPI,
			.proximity_domain = 3,
			.hid = "ACPI0016",
			.uid = 0x10 * (uint32_t)i,
		};
	for (size_t i = 0; i < 16; i++)
		e->distances[i] = i / 4 == i % 4 ? 10 : 20;
	e->attachments[0] = (struct acpi_memory_attachment){0, 0};
	e->attachments[1] = (struct acpi_memory_attachment){1, 1};
	e->initiators[0] = 0;
	e->initiators[1] = 1;
	e->targets[0] = 0;
	e->targets[1] = 3;
	for (size_t i = 0; i < 4; i++) {
		e->latency[i] = (uint16_t)(100 + 10 * i);
		e->bandwidth[i] = (uint16_t)(1000 - 10 * i);
	}
	for (size_t i = 0; i < 2; i++)
		e->localities[i] = (struct acpi_locality){
			.data = i ? ACPI_LOCALITY_ACCESS_BANDWIDTH : ACPI_LOCALITY_ACCESS_LATENCY,
			.base_unit = i ? 100 : 1000,
			.initiators = e->initiators,
			.initiator_count = 2,
			.targets = e->targets,
			.target_count = 2,
			.entries = i ? e->bandwidth : e->latency,
		};
	e->machine.memory = e->memory;
	e->machine.memory_count = 2;
	e->machine.generic = e->generic;
	e->machine.generic_count = 3;
	e->machine.distances = e->distances;
	e->machine.distance_count = 4;
	e->machine.attachments = e->attachments;
	e->machine.attachment_count = 2;
	e->machine.localities = e->localities;
	e->machine.locality_count = 2;
}

void example_full(struct example *e)
{
	example_minimal(e);
	e->override = (struct acpi_interrupt_override){.irq = 0, .gsi = 2};
	e->machine.overrides = &e->override;
	e->machine.override_count = 1;
	for (uint32_t i = 0; i < EXAMPLE_CPUS; i++) {
		e->cpus[i].apic_id = i < 3 ? i : 0x100;
		e->cpus[i].proximity_domain = i / 2;
	}
	e->machine.cpu_count = EXAMPLE_CPUS;
	e->machine.processor_devices = true;
	e->machine.spcr = true;
	e->machine.i8042 = true;
	e->machine.rtc_century = 0x32;
	e->machine.pvpanic_port = 0x505;
	e->machine.pm_timer_port = 0x608;
	e->machine.ged = (struct acpi_ged){
		.event = {ACPI_SPACE_IO, 0x604},
		.gsi = 9,
		.events = ACPI_GED_POWER_BUTTON | ACPI_GED_PCI_RESCAN,
	};
	example_cxl(e);
	example_numa(e);
}

const struct acpi_table_place *example_table(const struct acpi_result *result,
					     const char *signature)
{
	for (size_t i = 0; i < result->table_count; i++)
		if (strcmp(result->tables[i].signature, signature) == 0)
			return &result->tables[i];
	return NULL;
}

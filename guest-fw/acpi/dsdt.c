/* SPDX-License-Identifier: Apache-2.0 */
/* Differentiated System Description Table: the frame, processors, reserved resources, events. */
#include "guest-fw/acpi/internal.h"

#include <stdio.h>

#define NOTIFY_BUS_CHECK    0x00u
#define NOTIFY_POWER_BUTTON 0x80u

static void dsdt_sleep(struct aml_builder *aml, const struct acpi_machine *machine)
{
	if (!machine->sleep_control.address)
		return;
	aml_name(aml, "\\_S5");
	aml_begin_package(aml, 4);
	aml_integer(aml, machine->s5_type);
	aml_integer(aml, machine->s5_type);
	aml_integer(aml, 0);
	aml_integer(aml, 0);
	aml_end(aml);
}

static void dsdt_processors(struct aml_builder *aml, const struct acpi_machine *machine)
{
	for (size_t i = 0; machine->processor_devices && i < machine->cpu_count; i++) {
		char name[8];

		snprintf(name, sizeof(name), "C%03X", (unsigned int)(i & 0xfff));
		aml_begin_device(aml, name);
		aml_name_string(aml, "_HID", "ACPI0007");
		aml_name_integer(aml, "_UID", i);
		if (machine->cpus[i].disabled)
			aml_name_integer(aml, "_STA", 0);
		if (machine->memory_count)
			aml_name_integer(aml, "_PXM", machine->cpus[i].proximity_domain);
		aml_end(aml);
	}
}

/* The registers of the FADT and the GED that lie in I/O space, each port range once. */
static void dsdt_reserved_ports(struct aml_builder *aml, const struct acpi_machine *machine)
{
	const struct {
		struct acpi_register place;
		uint8_t size;
	} ports[] = {
		{machine->sleep_control, 1},
		{machine->sleep_status, 1},
		{machine->reset, 1},
		{machine->ged.event, 4},
		{{ACPI_SPACE_IO, machine->pm_timer_port}, 4},
	};

	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		uint64_t address = ports[i].place.address;
		bool skip = ports[i].place.space != ACPI_SPACE_IO || !address;

		/* 0xcf9 and the like belong to the bridge's configuration ports. */
		if (address - ACPI_CONFIG_PORT < ACPI_CONFIG_PORT_SIZE)
			skip = true;
		for (size_t j = 0; j < i; j++)
			if (ports[j].place.space == ACPI_SPACE_IO &&
			    address - ports[j].place.address < ports[j].size)
				skip = true;
		if (!skip)
			aml_io(aml, (uint16_t)address, ports[i].size);
	}
}

/*
 * Motherboard resources. Linux uses an ECAM only if the memory map or a PNP0C02 device reserves it
 * (PCI Firmware 4.1.2).
 */
static void dsdt_reserved(struct aml_builder *aml, const struct acpi_machine *machine)
{
	aml_begin_device(aml, "MBRD");
	aml_name_eisa_id(aml, "_HID", "PNP0C02");
	aml_name_integer(aml, "_UID", 0);
	aml_name(aml, "_CRS");
	aml_begin_resources(aml);
	for (size_t i = 0; i < machine->ecam_count; i++) {
		const struct acpi_ecam *ecam = &machine->ecams[i];
		uint64_t base = ecam->base + ((uint64_t)ecam->first_bus << 20);
		uint64_t size = ((uint64_t)ecam->last_bus - ecam->first_bus + 1) << 20;

		if (base + size - 1 <= UINT32_MAX)
			aml_memory32_fixed(aml, (uint32_t)base, (uint32_t)size);
		else
			aml_qword_memory_consumer(aml, base, size);
	}
	dsdt_reserved_ports(aml, machine);
	aml_end_resources(aml);
	aml_end(aml);
}

static void dsdt_if_event(struct aml_builder *aml, uint32_t event)
{
	aml_begin_if(aml);
	aml_operator(aml, AML_AND);
	aml_local(aml, 0);
	aml_integer(aml, event);
	aml_no_target(aml);
}

static void dsdt_notify(struct aml_builder *aml, const char *path, uint64_t value)
{
	aml_operator(aml, AML_NOTIFY);
	aml_path(aml, path);
	aml_integer(aml, value);
}

static void dsdt_event_method(struct aml_builder *aml, const struct acpi_machine *machine)
{
	aml_begin_method(aml, "_EVT", 1, true);
	aml_operator(aml, AML_STORE);
	aml_path(aml, "EVNT");
	aml_local(aml, 0);
	if (machine->ged.events & ACPI_GED_POWER_BUTTON) {
		dsdt_if_event(aml, ACPI_GED_POWER_BUTTON);
		dsdt_notify(aml, "\\_SB.PWRB", NOTIFY_POWER_BUTTON);
		aml_end(aml);
	}
	if (machine->ged.events & ACPI_GED_PCI_RESCAN) {
		dsdt_if_event(aml, ACPI_GED_PCI_RESCAN);
		for (size_t i = 0; i < machine->bridge_count; i++) {
			char name[5], path[16];

			acpi_bridge_name(machine, i, name);
			snprintf(path, sizeof(path), "\\_SB.%s", name);
			dsdt_notify(aml, path, NOTIFY_BUS_CHECK);
		}
		aml_end(aml);
	}
	aml_end(aml);
}

void acpi_write_events(struct aml_builder *aml, const struct acpi_machine *machine)
{
	const struct acpi_ged *ged = &machine->ged;

	if (!ged->event.address)
		return;
	if (ged->events & ACPI_GED_POWER_BUTTON) {
		aml_begin_device(aml, "PWRB");
		aml_name_eisa_id(aml, "_HID", "PNP0C0C");
		aml_name_integer(aml, "_UID", 0);
		aml_end(aml);
	}
	aml_begin_device(aml, "GED");
	aml_name_string(aml, "_HID", "ACPI0013");
	aml_name_integer(aml, "_UID", 0);
	aml_name(aml, "_CRS");
	aml_begin_resources(aml);
	aml_interrupt(aml, ged->gsi, true, false);
	aml_end_resources(aml);
	aml_operation_region(aml, "EREG",
			     ged->event.space == ACPI_SPACE_IO ? AML_REGION_SYSTEM_IO
							       : AML_REGION_SYSTEM_MEMORY,
			     ged->event.address, 4);
	aml_begin_field(aml, "EREG", AML_ACCESS_DWORD);
	aml_field_unit(aml, "EVNT", 32);
	aml_end(aml);
	dsdt_event_method(aml, machine);
	aml_end(aml);
}

void acpi_write_dsdt(struct acpi_build *build)
{
	const struct acpi_machine *machine = build->machine;
	struct aml_builder aml;

	aml_init(&aml, &build->writer);
	dsdt_sleep(&aml, machine);
	aml_begin_scope(&aml, "\\_SB");
	dsdt_processors(&aml, machine);
	acpi_write_bridges(&aml, machine);
	acpi_write_cxl_root(&aml, machine);
	dsdt_reserved(&aml, machine);
	acpi_write_legacy_devices(&aml, machine);
	acpi_write_events(&aml, machine);
	aml_end(&aml);
	aml_finish(&aml);
}

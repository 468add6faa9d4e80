/* SPDX-License-Identifier: Apache-2.0 */
/* System Resource Affinity Table (ACPI 6.5, 5.2.16). */
#include "guest-fw/acpi/internal.h"

enum {
	SRAT_LOCAL_APIC = 0,
	SRAT_MEMORY = 1,
	SRAT_X2APIC = 2,
	SRAT_GENERIC_INITIATOR = 5,
	SRAT_GENERIC_PORT = 6,
};

#define SRAT_ENABLED          1u
#define SRAT_MEMORY_HOTPLUG   2u
#define SRAT_MEMORY_NVOLATILE 4u
#define SRAT_X2APIC_FIRST     255u

static void srat_cpu(struct byte_writer *writer, const struct acpi_cpu *cpu)
{
	uint32_t domain = cpu->proximity_domain;

	if (cpu->apic_id >= SRAT_X2APIC_FIRST) {
		bytes_u8(writer, SRAT_X2APIC);
		bytes_u8(writer, 24);
		bytes_u16(writer, 0);
		bytes_u32(writer, domain);
		bytes_u32(writer, cpu->apic_id);
		bytes_u32(writer, SRAT_ENABLED);
		bytes_u32(writer, 0); /* clock domain */
		bytes_u32(writer, 0);
		return;
	}
	bytes_u8(writer, SRAT_LOCAL_APIC);
	bytes_u8(writer, 16);
	bytes_u8(writer, (uint8_t)domain);
	bytes_u8(writer, (uint8_t)cpu->apic_id);
	bytes_u32(writer, SRAT_ENABLED);
	bytes_u8(writer, 0); /* local SAPIC EID */
	bytes_u8(writer, (uint8_t)(domain >> 8));
	bytes_u8(writer, (uint8_t)(domain >> 16));
	bytes_u8(writer, (uint8_t)(domain >> 24));
	bytes_u32(writer, 0); /* clock domain */
}

static void srat_memory(struct byte_writer *writer, const struct acpi_memory_affinity *memory)
{
	uint32_t flags = SRAT_ENABLED;

	if (memory->hot_pluggable)
		flags |= SRAT_MEMORY_HOTPLUG;
	if (memory->non_volatile)
		flags |= SRAT_MEMORY_NVOLATILE;
	bytes_u8(writer, SRAT_MEMORY);
	bytes_u8(writer, 40);
	bytes_u32(writer, memory->proximity_domain);
	bytes_u16(writer, 0);
	bytes_u64(writer, memory->base);
	bytes_u64(writer, memory->size);
	bytes_u32(writer, 0);
	bytes_u32(writer, flags);
	bytes_u64(writer, 0);
}

static void srat_generic(struct byte_writer *writer, const struct acpi_generic_affinity *generic)
{
	bytes_u8(writer,
		 generic->kind == ACPI_GENERIC_PORT ? SRAT_GENERIC_PORT : SRAT_GENERIC_INITIATOR);
	bytes_u8(writer, 32);
	bytes_u8(writer, 0);
	bytes_u8(writer, (uint8_t)generic->handle);
	bytes_u32(writer, generic->proximity_domain);
	if (generic->handle == ACPI_HANDLE_ACPI) {
		bytes_copy(writer, generic->hid, 8);
		bytes_u32(writer, generic->uid);
		bytes_u32(writer, 0);
	} else {
		bytes_u16(writer, generic->segment);
		bytes_u8(writer, generic->bus); /* the bus is the low byte (table 5.66) */
		bytes_u8(writer, generic->devfn);
		bytes_zero(writer, 12);
	}
	bytes_u32(writer, SRAT_ENABLED);
	bytes_u32(writer, 0);
}

void acpi_write_srat(struct acpi_build *build)
{
	const struct acpi_machine *machine = build->machine;
	struct byte_writer *writer = &build->writer;

	bytes_u32(writer, 1); /* for compatibility (table 5.58) */
	bytes_u64(writer, 0);
	for (size_t i = 0; i < machine->cpu_count; i++)
		srat_cpu(writer, &machine->cpus[i]);
	for (size_t i = 0; i < machine->memory_count; i++)
		srat_memory(writer, &machine->memory[i]);
	for (size_t i = 0; i < machine->generic_count; i++)
		srat_generic(writer, &machine->generic[i]);
}

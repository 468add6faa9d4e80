/* SPDX-License-Identifier: Apache-2.0 */
/* Multiple APIC Description Table (ACPI 6.5, 5.2.12). */
#include "guest-fw/acpi/internal.h"

enum {
	MADT_LOCAL_APIC = 0,
	MADT_IOAPIC = 1,
	MADT_INTERRUPT_OVERRIDE = 2,
	MADT_LOCAL_APIC_NMI = 4,
	MADT_X2APIC = 9,
	MADT_X2APIC_NMI = 10,
};

#define MADT_ENABLED        1u
#define MADT_ONLINE_CAPABLE 2u
#define MADT_ALL_PROCESSORS 0xffu
#define MADT_NMI_LINT       1u
/* Ids and UIDs from 255 on do not fit the old entries (0xff means "all"). */
#define MADT_X2APIC_FIRST 255u

static bool madt_is_x2apic(const struct acpi_machine *machine, size_t index)
{
	return machine->cpus[index].apic_id >= MADT_X2APIC_FIRST || index >= MADT_X2APIC_FIRST;
}

static void madt_cpu(struct byte_writer *writer, const struct acpi_machine *machine, size_t index)
{
	const struct acpi_cpu *cpu = &machine->cpus[index];
	uint32_t flags = cpu->disabled ? MADT_ONLINE_CAPABLE : MADT_ENABLED;

	if (madt_is_x2apic(machine, index)) {
		bytes_u8(writer, MADT_X2APIC);
		bytes_u8(writer, 16);
		bytes_u16(writer, 0);
		bytes_u32(writer, cpu->apic_id);
		bytes_u32(writer, flags);
		bytes_u32(writer, (uint32_t)index);
	} else {
		bytes_u8(writer, MADT_LOCAL_APIC);
		bytes_u8(writer, 8);
		bytes_u8(writer, (uint8_t)index);
		bytes_u8(writer, (uint8_t)cpu->apic_id);
		bytes_u32(writer, flags);
	}
}

void acpi_write_madt(struct acpi_build *build)
{
	const struct acpi_machine *machine = build->machine;
	struct byte_writer *writer = &build->writer;
	bool x2apic = false, local_apic = false;

	bytes_u32(writer, machine->local_apic_address);
	bytes_u32(writer, 0); /* no PCAT_COMPAT: the guest is not offered the 8259 pair */
	for (size_t i = 0; i < machine->cpu_count; i++) {
		madt_cpu(writer, machine, i);
		if (madt_is_x2apic(machine, i))
			x2apic = true;
		else
			local_apic = true;
	}
	for (size_t i = 0; i < machine->ioapic_count; i++) {
		const struct acpi_ioapic *ioapic = &machine->ioapics[i];

		bytes_u8(writer, MADT_IOAPIC);
		bytes_u8(writer, 12);
		bytes_u8(writer, ioapic->id);
		bytes_u8(writer, 0);
		bytes_u32(writer, ioapic->address);
		bytes_u32(writer, ioapic->gsi_base);
	}
	for (size_t i = 0; i < machine->override_count; i++) {
		const struct acpi_interrupt_override *override = &machine->overrides[i];

		bytes_u8(writer, MADT_INTERRUPT_OVERRIDE);
		bytes_u8(writer, 10);
		bytes_u8(writer, 0); /* ISA */
		bytes_u8(writer, override->irq);
		bytes_u32(writer, override->gsi);
		bytes_u16(writer, override->flags);
	}
	if (local_apic) {
		bytes_u8(writer, MADT_LOCAL_APIC_NMI);
		bytes_u8(writer, 6);
		bytes_u8(writer, MADT_ALL_PROCESSORS);
		bytes_u16(writer, 0);
		bytes_u8(writer, MADT_NMI_LINT);
	}
	if (x2apic) {
		bytes_u8(writer, MADT_X2APIC_NMI);
		bytes_u8(writer, 12);
		bytes_u16(writer, 0);
		bytes_u32(writer, UINT32_MAX);
		bytes_u8(writer, MADT_NMI_LINT);
		bytes_zero(writer, 3);
	}
}

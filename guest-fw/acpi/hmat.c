/* SPDX-License-Identifier: Apache-2.0 */
/* Heterogeneous Memory Attribute Table (ACPI 6.5, 5.2.28). */
#include "guest-fw/acpi/internal.h"

enum {
	HMAT_PROXIMITY_DOMAIN = 0,
	HMAT_LOCALITY = 1,
};

#define HMAT_INITIATOR_VALID 1u

static void hmat_attachment(struct byte_writer *writer,
			    const struct acpi_memory_attachment *attachment)
{
	bytes_u16(writer, HMAT_PROXIMITY_DOMAIN);
	bytes_u16(writer, 0);
	bytes_u32(writer, 40);
	bytes_u16(writer, HMAT_INITIATOR_VALID);
	bytes_u16(writer, 0);
	bytes_u32(writer, attachment->initiator_domain);
	bytes_u32(writer, attachment->memory_domain);
	bytes_zero(writer, 4 + 8 + 8);
}

static void hmat_locality(struct byte_writer *writer, const struct acpi_locality *locality)
{
	size_t entries = locality->initiator_count * locality->target_count;
	size_t length = 32 + 4 * (locality->initiator_count + locality->target_count) + 2 * entries;

	bytes_u16(writer, HMAT_LOCALITY);
	bytes_u16(writer, 0);
	bytes_u32(writer, (uint32_t)length);
	bytes_u8(writer, 0); /* memory, not a memory side cache */
	bytes_u8(writer, (uint8_t)locality->data);
	bytes_u8(writer, 0); /* minimum transfer size */
	bytes_u8(writer, 0);
	bytes_u32(writer, (uint32_t)locality->initiator_count);
	bytes_u32(writer, (uint32_t)locality->target_count);
	bytes_u32(writer, 0);
	bytes_u64(writer, locality->base_unit);
	for (size_t i = 0; i < locality->initiator_count; i++)
		bytes_u32(writer, locality->initiators[i]);
	for (size_t i = 0; i < locality->target_count; i++)
		bytes_u32(writer, locality->targets[i]);
	for (size_t i = 0; i < entries; i++)
		bytes_u16(writer, locality->entries[i]);
}

void acpi_write_hmat(struct acpi_build *build)
{
	const struct acpi_machine *machine = build->machine;

	bytes_u32(&build->writer, 0);
	for (size_t i = 0; i < machine->attachment_count; i++)
		hmat_attachment(&build->writer, &machine->attachments[i]);
	for (size_t i = 0; i < machine->locality_count; i++)
		hmat_locality(&build->writer, &machine->localities[i]);
}

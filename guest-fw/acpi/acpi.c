/* SPDX-License-Identifier: Apache-2.0 */
/* Layout of all tables in one buffer: RSDP, DSDT, the XSDT's tables, XSDT. */
#include "guest-fw/acpi/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define RSDP_SIZE        36u
#define RSDP_SIZE_ACPI_1 20u

static const char oem_id[6] = "CXVM  ";
static const char creator_id[4] = "CXVM";

struct acpi_table_kind {
	char signature[5];
	uint8_t revision;
	bool (*present)(const struct acpi_machine *machine); /* NULL: always */
	void (*write)(struct acpi_build *build);
};

bool acpi_has_cxl(const struct acpi_machine *machine)
{
	for (size_t i = 0; i < machine->bridge_count; i++)
		if (machine->bridges[i].kind == ACPI_BRIDGE_CXL)
			return true;
	return false;
}

static bool acpi_has_ecam(const struct acpi_machine *machine)
{
	return machine->ecam_count > 0;
}

static bool acpi_has_spcr(const struct acpi_machine *machine)
{
	return machine->spcr;
}

static bool acpi_has_srat(const struct acpi_machine *machine)
{
	return machine->memory_count > 0;
}

static bool acpi_has_slit(const struct acpi_machine *machine)
{
	return machine->distance_count > 0;
}

static bool acpi_has_hmat(const struct acpi_machine *machine)
{
	return machine->attachment_count > 0 || machine->locality_count > 0;
}

/* The DSDT first: the FADT holds its address. Revisions are those of ACPI 6.5 and CXL 3.0. */
static const struct acpi_table_kind table_kinds[] = {
	{"DSDT", 2, NULL, acpi_write_dsdt},          {"FACP", 6, NULL, acpi_write_fadt},
	{"APIC", 5, NULL, acpi_write_madt},          {"MCFG", 1, acpi_has_ecam, acpi_write_mcfg},
	{"SPCR", 2, acpi_has_spcr, acpi_write_spcr}, {"SRAT", 3, acpi_has_srat, acpi_write_srat},
	{"SLIT", 1, acpi_has_slit, acpi_write_slit}, {"HMAT", 2, acpi_has_hmat, acpi_write_hmat},
	{"CEDT", 1, acpi_has_cxl, acpi_write_cedt},
};

#define TABLE_KIND_COUNT (sizeof(table_kinds) / sizeof(table_kinds[0]))

void acpi_generic_address(struct byte_writer *writer, enum acpi_space space, uint8_t bits,
			  uint8_t access_size, uint64_t address)
{
	bytes_u8(writer, (uint8_t)space);
	bytes_u8(writer, bits);
	bytes_u8(writer, 0);
	bytes_u8(writer, access_size);
	bytes_u64(writer, address);
}

static void acpi_checksum(struct byte_writer *writer, size_t start, size_t length, size_t field)
{
	uint8_t sum = 0;

	if (writer->error)
		return;
	for (size_t i = 0; i < length; i++)
		sum = (uint8_t)(sum + writer->data[start + i]);
	sum = (uint8_t)(0u - sum);
	bytes_patch(writer, start + field, &sum, sizeof(sum));
}

static size_t acpi_begin_table(struct acpi_build *build, const char *signature, uint8_t revision)
{
	struct byte_writer *writer = &build->writer;
	size_t start;

	bytes_align(writer, 16);
	start = writer->length;
	bytes_copy(writer, signature, 4);
	bytes_u32(writer, 0); /* length, patched */
	bytes_u8(writer, revision);
	bytes_u8(writer, 0); /* checksum, patched */
	bytes_copy(writer, oem_id, sizeof(oem_id));
	bytes_copy(writer, "CXVM", 4);
	bytes_copy(writer, signature, 4);
	bytes_u32(writer, 1);
	bytes_copy(writer, creator_id, sizeof(creator_id));
	bytes_u32(writer, 1);
	return start;
}

static void acpi_record(struct acpi_build *build, const char *signature, size_t start,
			size_t length)
{
	struct acpi_result *result = build->result;
	struct acpi_table_place *place = &result->tables[result->table_count++];

	memcpy(place->signature, signature, 4);
	place->signature[4] = '\0';
	place->offset = start;
	place->length = length;
}

static void acpi_end_table(struct acpi_build *build, const char *signature, size_t start)
{
	size_t length = build->writer.length - start;
	uint8_t bytes[4];

	if (length > UINT32_MAX) {
		bytes_fail(&build->writer, -ENOSPC);
		return;
	}
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(length >> (8 * i));
	bytes_patch(&build->writer, start + 4, bytes, sizeof(bytes));
	acpi_checksum(&build->writer, start, length, 9);
	acpi_record(build, signature, start, length);
}

static void acpi_write_xsdt(struct acpi_build *build)
{
	const struct acpi_result *result = build->result;
	size_t start = acpi_begin_table(build, "XSDT", 1);

	for (size_t i = 0; i < result->table_count; i++) {
		const struct acpi_table_place *place = &result->tables[i];

		if (strcmp(place->signature, "DSDT") != 0)
			bytes_u64(&build->writer, build->gpa + place->offset);
	}
	acpi_end_table(build, "XSDT", start);
}

/* Root System Description Pointer (5.2.5.3), at the start of the buffer. */
static void acpi_fill_rsdp(struct acpi_build *build, uint64_t xsdt)
{
	uint8_t bytes[RSDP_SIZE];
	struct byte_writer rsdp;

	bytes_init_fixed(&rsdp, bytes, sizeof(bytes));
	bytes_copy(&rsdp, "RSD PTR ", 8);
	bytes_u8(&rsdp, 0); /* checksum of the first 20 bytes */
	bytes_copy(&rsdp, oem_id, sizeof(oem_id));
	bytes_u8(&rsdp, 2);  /* revision */
	bytes_u32(&rsdp, 0); /* no RSDT */
	bytes_u32(&rsdp, RSDP_SIZE);
	bytes_u64(&rsdp, xsdt);
	bytes_u8(&rsdp, 0); /* checksum of everything */
	bytes_zero(&rsdp, 3);
	acpi_checksum(&rsdp, 0, RSDP_SIZE_ACPI_1, 8);
	acpi_checksum(&rsdp, 0, RSDP_SIZE, 32);
	bytes_patch(&build->writer, 0, bytes, sizeof(bytes));
}

static int acpi_check_place(uint64_t gpa, size_t size, struct acpi_result *result)
{
	uint64_t end;

	if (gpa % 16 == 0 && gpa != 0 && !__builtin_add_overflow(gpa, (uint64_t)size, &end))
		return 0;
	snprintf(result->reason, sizeof(result->reason),
		 "gpa: tables of %zu bytes at 0x%" PRIx64
		 " must be 16-byte aligned, not at 0 and not wrap",
		 size, gpa);
	return -EINVAL;
}

int acpi_build(const struct acpi_machine *machine, uint64_t gpa, void *buffer, size_t size,
	       struct acpi_result *result)
{
	struct acpi_build build = {.machine = machine, .gpa = gpa, .result = result};
	int error;

	memset(result, 0, sizeof(*result));
	error = acpi_check(machine, result->reason, sizeof(result->reason));
	if (!error)
		error = acpi_check_place(gpa, size, result);
	if (error)
		return error;

	bytes_init_fixed(&build.writer, buffer, size);
	bytes_zero(&build.writer, RSDP_SIZE);
	for (size_t i = 0; i < TABLE_KIND_COUNT; i++) {
		const struct acpi_table_kind *kind = &table_kinds[i];
		size_t start;

		if (kind->present && !kind->present(machine))
			continue;
		start = acpi_begin_table(&build, kind->signature, kind->revision);
		if (i == 0)
			build.dsdt = gpa + start;
		kind->write(&build);
		acpi_end_table(&build, kind->signature, start);
	}
	acpi_write_xsdt(&build);
	acpi_fill_rsdp(&build, gpa + result->tables[result->table_count - 1].offset);
	acpi_record(&build, "RSDP", 0, RSDP_SIZE);
	result->rsdp = gpa;
	result->used = build.writer.length;
	return build.writer.error;
}

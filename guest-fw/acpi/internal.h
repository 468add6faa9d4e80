/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GUEST_FW_ACPI_INTERNAL_H
#define GUEST_FW_ACPI_INTERNAL_H

#include "guest-fw/acpi/acpi.h"
#include "guest-fw/acpi/aml.h"
#include "guest-fw/acpi/byte_writer.h"

/* Shared by the files of guest-fw that make up acpi_build(); not for others. */

#define ACPI_HEADER_SIZE      36u
#define ACPI_CHBS_LENGTH      0x10000u
#define ACPI_CFMWS_ALIGNMENT  UINT64_C(0x10000000)
#define ACPI_DISTANCE_LOCAL   10u
#define ACPI_BRIDGE_SLOTS     32u
#define ACPI_BRIDGE_PINS      4u
#define ACPI_CONFIG_PORT      0xcf8u
#define ACPI_CONFIG_PORT_SIZE 8u
#define ACPI_RTC_PORT         0x70u
#define ACPI_KEYBOARD_GSI     1u

/* One build in progress. The machine has passed acpi_check(). */
struct acpi_build {
	const struct acpi_machine *machine;
	struct byte_writer writer;
	uint64_t gpa;
	uint64_t dsdt; /* guest physical address, known before the FADT is written */
	struct acpi_result *result;
};

/* Write the body of one table after its 36-byte header; errors stick in build->writer. */
void acpi_write_dsdt(struct acpi_build *build);
void acpi_write_fadt(struct acpi_build *build);
void acpi_write_madt(struct acpi_build *build);
void acpi_write_mcfg(struct acpi_build *build);
void acpi_write_spcr(struct acpi_build *build);
void acpi_write_srat(struct acpi_build *build);
void acpi_write_slit(struct acpi_build *build);
void acpi_write_hmat(struct acpi_build *build);
void acpi_write_cedt(struct acpi_build *build);

/* Parts of the DSDT. */
void acpi_write_bridges(struct aml_builder *aml, const struct acpi_machine *machine);
void acpi_write_cxl_root(struct aml_builder *aml, const struct acpi_machine *machine);
void acpi_write_legacy_devices(struct aml_builder *aml, const struct acpi_machine *machine);
void acpi_write_events(struct aml_builder *aml, const struct acpi_machine *machine);

/* acpi_bridge_name() - "PC00" or "CX00" with the bridge's index in hexadecimal. */
void acpi_bridge_name(const struct acpi_machine *machine, size_t index, char name[5]);

/* acpi_generic_address() - a 12-byte Generic Address Structure (5.2.3.2). */
void acpi_generic_address(struct byte_writer *writer, enum acpi_space space, uint8_t bits,
			  uint8_t access_size, uint64_t address);

/* acpi_has_cxl() - is there a CXL host bridge, and so an ACPI0017 and a CEDT? */
bool acpi_has_cxl(const struct acpi_machine *machine);

/* acpi_ways_code() - eniw of @targets (CXL 8.2.4.20.7), negative when there is none. */
int acpi_ways_code(unsigned int targets);

/* Validation, in the order of acpi_check(). */
struct acpi_checker {
	const struct acpi_machine *machine;
	char *reason;
	size_t reason_size;
};

/* acpi_reject() - store the reason; returns -EINVAL. */
int acpi_reject(const struct acpi_checker *checker, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* acpi_check_list() - a list must have a pointer, and min..max elements. */
int acpi_check_list(const struct acpi_checker *checker, const char *name, const void *list,
		    size_t count, size_t min, size_t max);

/* acpi_check_gsi() - is @gsi an input of some IOAPIC? */
int acpi_check_gsi(const struct acpi_checker *checker, const char *name, size_t index,
		   uint32_t gsi);

int acpi_check_platform(const struct acpi_checker *checker);
int acpi_check_bridges(const struct acpi_checker *checker);
int acpi_check_cfmws(const struct acpi_checker *checker);
int acpi_check_edge_interrupts(const struct acpi_checker *checker);
int acpi_check_address_map(const struct acpi_checker *checker);
int acpi_check_numa(const struct acpi_checker *checker);

#endif

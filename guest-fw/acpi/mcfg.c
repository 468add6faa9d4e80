/* SPDX-License-Identifier: Apache-2.0 */
/* PCI Express memory mapped configuration (PCI Firmware 3.3, 4.1.2). */
#include "guest-fw/acpi/internal.h"

void acpi_write_mcfg(struct acpi_build *build)
{
	bytes_u64(&build->writer, 0);
	for (size_t i = 0; i < build->machine->ecam_count; i++) {
		const struct acpi_ecam *ecam = &build->machine->ecams[i];

		bytes_u64(&build->writer, ecam->base);
		bytes_u16(&build->writer, ecam->segment);
		bytes_u8(&build->writer, ecam->first_bus);
		bytes_u8(&build->writer, ecam->last_bus);
		bytes_u32(&build->writer, 0);
	}
}

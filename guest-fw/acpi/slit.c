/* SPDX-License-Identifier: Apache-2.0 */
/* System Locality Distance Information Table (ACPI 6.5, 5.2.17). */
#include "guest-fw/acpi/internal.h"

void acpi_write_slit(struct acpi_build *build)
{
	size_t count = build->machine->distance_count;

	bytes_u64(&build->writer, count);
	bytes_copy(&build->writer, build->machine->distances, count * count);
}

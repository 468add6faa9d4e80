/* SPDX-License-Identifier: Apache-2.0 */
/* CXL Early Discovery Table (CXL 9.18.1). */
#include "guest-fw/acpi/internal.h"

#include <errno.h>

enum {
	CEDT_CHBS = 0,
	CEDT_CFMWS = 1,
};

#define CHBS_VERSION_CXL_2      1u
#define CFMWS_MODULO_ARITHMETIC 0u

int acpi_ways_code(unsigned int targets)
{
	switch (targets) {
	case 1:
		return 0;
	case 2:
		return 1;
	case 4:
		return 2;
	case 8:
		return 3;
	case 16:
		return 4;
	case 3:
		return 8;
	case 6:
		return 9;
	case 12:
		return 10;
	default:
		return -EINVAL;
	}
}

static void cedt_chbs(struct byte_writer *writer, const struct acpi_bridge *bridge)
{
	bytes_u8(writer, CEDT_CHBS);
	bytes_u8(writer, 0);
	bytes_u16(writer, 32);
	bytes_u32(writer, bridge->uid);
	bytes_u32(writer, CHBS_VERSION_CXL_2);
	bytes_u32(writer, 0);
	bytes_u64(writer, bridge->component_base);
	bytes_u64(writer, ACPI_CHBS_LENGTH);
}

static void cedt_cfmws(struct byte_writer *writer, const struct acpi_cfmws *window)
{
	bytes_u8(writer, CEDT_CFMWS);
	bytes_u8(writer, 0);
	bytes_u16(writer, (uint16_t)(36 + 4 * window->target_count));
	bytes_u32(writer, 0);
	bytes_u64(writer, window->base);
	bytes_u64(writer, window->size);
	bytes_u8(writer, (uint8_t)acpi_ways_code(window->target_count));
	bytes_u8(writer, CFMWS_MODULO_ARITHMETIC);
	bytes_u16(writer, 0);
	bytes_u32(writer, window->encoded_granularity);
	bytes_u16(writer, window->restrictions);
	bytes_u16(writer, window->qtg_id);
	for (unsigned int i = 0; i < window->target_count; i++)
		bytes_u32(writer, window->targets[i]);
}

void acpi_write_cedt(struct acpi_build *build)
{
	const struct acpi_machine *machine = build->machine;

	for (size_t i = 0; i < machine->bridge_count; i++)
		if (machine->bridges[i].kind == ACPI_BRIDGE_CXL)
			cedt_chbs(&build->writer, &machine->bridges[i]);
	for (size_t i = 0; i < machine->cfmws_count; i++)
		cedt_cfmws(&build->writer, &machine->cfmws[i]);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Serial ports, clock, keyboard controller and pvpanic in the DSDT. */
#include "guest-fw/acpi/internal.h"

#include <stdio.h>

#define SERIAL_PORTS   8
#define RTC_PORTS      2
#define KEYBOARD_DATA  0x60
#define KEYBOARD_STATE 0x64

static void legacy_serials(struct aml_builder *aml, const struct acpi_machine *machine)
{
	for (size_t i = 0; i < machine->serial_count; i++) {
		char name[8];

		snprintf(name, sizeof(name), "COM%u", (unsigned int)(i + 1) % 10);
		aml_begin_device(aml, name);
		aml_name_eisa_id(aml, "_HID", "PNP0501");
		aml_name_integer(aml, "_UID", i);
		aml_name(aml, "_CRS");
		aml_begin_resources(aml);
		aml_io(aml, machine->serials[i].port, SERIAL_PORTS);
		/*
		 * An extended interrupt names the GSI itself: without an 8259 there is no ISA
		 * interrupt number that Linux could translate.
		 */
		aml_interrupt(aml, machine->serials[i].gsi, true, false);
		aml_end_resources(aml);
		aml_end(aml);
	}
}

void acpi_write_legacy_devices(struct aml_builder *aml, const struct acpi_machine *machine)
{
	legacy_serials(aml, machine);
	if (machine->rtc) {
		aml_begin_device(aml, "RTC");
		aml_name_eisa_id(aml, "_HID", "PNP0B00");
		aml_name(aml, "_CRS");
		aml_begin_resources(aml);
		aml_io(aml, ACPI_RTC_PORT, RTC_PORTS);
		aml_end_resources(aml);
		aml_end(aml);
	}
	if (machine->i8042) {
		aml_begin_device(aml, "PS2K");
		aml_name_eisa_id(aml, "_HID", "PNP0303");
		aml_name(aml, "_CRS");
		aml_begin_resources(aml);
		aml_io(aml, KEYBOARD_DATA, 1);
		aml_io(aml, KEYBOARD_STATE, 1);
		aml_interrupt(aml, ACPI_KEYBOARD_GSI, true, false);
		aml_end_resources(aml);
		aml_end(aml);
	}
	if (machine->pvpanic_port) {
		aml_begin_device(aml, "PEVT");
		aml_name_string(aml, "_HID", "QEMU0001");
		aml_name(aml, "_CRS");
		aml_begin_resources(aml);
		aml_io(aml, machine->pvpanic_port, 1);
		aml_end_resources(aml);
		aml_end(aml);
	}
}

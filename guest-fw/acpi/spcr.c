/* SPDX-License-Identifier: Apache-2.0 */
/* Serial Port Console Redirection table, revision 2 (the last that Debian 12's iasl knows). */
#include "guest-fw/acpi/internal.h"

#define SPCR_TYPE_16550       0u
#define SPCR_INTERRUPT_IOAPIC 2u
#define SPCR_BAUD_115200      7u
#define SPCR_STOP_BITS_1      1u
#define SPCR_TERMINAL_ANSI    3u
#define GAS_BYTE              1u

void acpi_write_spcr(struct acpi_build *build)
{
	const struct acpi_serial *serial = &build->machine->serials[0];
	struct byte_writer *writer = &build->writer;

	bytes_u8(writer, SPCR_TYPE_16550);
	bytes_zero(writer, 3);
	acpi_generic_address(writer, ACPI_SPACE_IO, 8, GAS_BYTE, serial->port);
	bytes_u8(writer, SPCR_INTERRUPT_IOAPIC);
	bytes_u8(writer, 0); /* no 8259 interrupt */
	bytes_u32(writer, serial->gsi);
	bytes_u8(writer, SPCR_BAUD_115200);
	bytes_u8(writer, 0); /* no parity */
	bytes_u8(writer, SPCR_STOP_BITS_1);
	bytes_u8(writer, 0); /* no flow control */
	bytes_u8(writer, SPCR_TERMINAL_ANSI);
	bytes_u8(writer, 0);
	bytes_u16(writer, 0xffff); /* not a PCI device */
	bytes_u16(writer, 0xffff);
	bytes_zero(writer, 3 + 4 + 1 + 4);
}

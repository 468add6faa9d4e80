/* SPDX-License-Identifier: Apache-2.0 */
/* Fixed ACPI Description Table (ACPI 6.5, 5.2.9) of a hardware-reduced machine. */
#include "guest-fw/acpi/internal.h"

#include <errno.h>

/* IAPC boot architecture flags (5.2.9.3). */
#define FADT_BOOT_8042        0x0002u
#define FADT_BOOT_NO_VGA      0x0004u
#define FADT_BOOT_NO_CMOS_RTC 0x0020u

/* Fixed feature flags. */
#define FADT_WBINVD          0x00000001u
#define FADT_PROC_C1         0x00000004u
#define FADT_NO_POWER_BUTTON 0x00000010u /* no fixed button: it is a PNP0C0C device */
#define FADT_NO_SLEEP_BUTTON 0x00000020u
#define FADT_TIMER_32_BIT    0x00000100u
#define FADT_RESET_REGISTER  0x00000400u
#define FADT_HW_REDUCED      0x00100000u

#define FADT_MINOR_VERSION 5u
#define FADT_LATENCY_NONE  0x0fffu /* C2 and C3 are not supported */
#define GAS_BYTE           1u
#define GAS_DWORD          3u

static void fadt_register(struct byte_writer *writer, const struct acpi_register *reg)
{
	if (reg->address)
		acpi_generic_address(writer, reg->space, 8, GAS_BYTE, reg->address);
	else
		bytes_zero(writer, 12);
}

void acpi_write_fadt(struct acpi_build *build)
{
	const struct acpi_machine *machine = build->machine;
	struct byte_writer *writer = &build->writer;
	uint32_t flags = FADT_WBINVD | FADT_PROC_C1 | FADT_NO_POWER_BUTTON | FADT_NO_SLEEP_BUTTON |
			 FADT_HW_REDUCED;
	uint16_t boot = FADT_BOOT_NO_VGA;

	if (machine->reset.address)
		flags |= FADT_RESET_REGISTER;
	if (machine->pm_timer_port)
		flags |= FADT_TIMER_32_BIT;
	if (machine->i8042)
		boot |= FADT_BOOT_8042;
	if (!machine->rtc)
		boot |= FADT_BOOT_NO_CMOS_RTC;

	bytes_zero(writer, 76 - 36); /* FIRMWARE_CTRL .. PM2_CNT_BLK: no FACS, no SCI, no PM1 */
	bytes_u32(writer, machine->pm_timer_port);
	bytes_zero(writer, 91 - 80);
	bytes_u8(writer, machine->pm_timer_port ? 4 : 0);
	bytes_zero(writer, 96 - 92);
	bytes_u16(writer, FADT_LATENCY_NONE);
	bytes_u16(writer, FADT_LATENCY_NONE);
	bytes_zero(writer, 108 - 100);
	bytes_u8(writer, machine->rtc_century);
	bytes_u16(writer, boot);
	bytes_u8(writer, 0);
	bytes_u32(writer, flags);
	fadt_register(writer, &machine->reset);
	bytes_u8(writer, machine->reset_value);
	bytes_u16(writer, 0);
	bytes_u8(writer, FADT_MINOR_VERSION);
	bytes_u64(writer, 0); /* X_FIRMWARE_CTRL */
	bytes_u64(writer, build->dsdt);
	bytes_zero(writer, 208 - 148); /* X_PM1a_EVT_BLK .. X_PM2_CNT_BLK */
	if (machine->pm_timer_port)
		acpi_generic_address(writer, ACPI_SPACE_IO, 32, GAS_DWORD, machine->pm_timer_port);
	else
		bytes_zero(writer, 12);
	bytes_zero(writer, 244 - 220);
	fadt_register(writer, &machine->sleep_control);
	fadt_register(writer, &machine->sleep_status);
	bytes_copy(writer, "CXVM\0\0\0\0", 8); /* hypervisor vendor identity */
}

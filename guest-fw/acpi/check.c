/* SPDX-License-Identifier: Apache-2.0 */
/* Validation of struct acpi_machine: processors, interrupts, platform registers. */
#include "guest-fw/acpi/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define IO_SPACE_SIZE 0x10000u

int acpi_reject(const struct acpi_checker *checker, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(checker->reason, checker->reason_size, format, arguments);
	va_end(arguments);
	return -EINVAL;
}

int acpi_check_list(const struct acpi_checker *checker, const char *name, const void *list,
		    size_t count, size_t min, size_t max)
{
	if (count < min || count > max)
		return acpi_reject(checker, "%s: %zu entries, must be %zu to %zu", name, count, min,
				   max);
	if (count && !list)
		return acpi_reject(checker, "%s: %zu entries but no array", name, count);
	return 0;
}

int acpi_check_gsi(const struct acpi_checker *checker, const char *name, size_t index, uint32_t gsi)
{
	for (size_t i = 0; i < checker->machine->ioapic_count; i++) {
		const struct acpi_ioapic *ioapic = &checker->machine->ioapics[i];

		if (gsi >= ioapic->gsi_base && gsi - ioapic->gsi_base < ioapic->gsi_count)
			return 0;
	}
	return acpi_reject(checker, "%s[%zu]: GSI %u is not an input of any IOAPIC", name, index,
			   gsi);
}

static int check_cpus(const struct acpi_checker *checker)
{
	const struct acpi_machine *machine = checker->machine;
	int result = acpi_check_list(checker, "cpus", machine->cpus, machine->cpu_count, 1,
				     ACPI_CPU_MAX);

	if (result)
		return result;
	if (machine->cpus[0].disabled)
		return acpi_reject(checker, "cpus[0].disabled: the boot processor must be enabled");
	for (size_t i = 0; i < machine->cpu_count; i++) {
		uint32_t id = machine->cpus[i].apic_id;

		if (id == UINT32_MAX)
			return acpi_reject(checker, "cpus[%zu].apic_id: 0x%x means broadcast", i,
					   id);
		for (size_t j = 0; j < i; j++)
			if (machine->cpus[j].apic_id == id)
				return acpi_reject(checker,
						   "cpus[%zu].apic_id: %u is already that of "
						   "cpus[%zu]",
						   i, id, j);
	}
	return 0;
}

static int check_ioapics(const struct acpi_checker *checker)
{
	const struct acpi_machine *machine = checker->machine;
	int result = acpi_check_list(checker, "ioapics", machine->ioapics, machine->ioapic_count, 1,
				     ACPI_IOAPIC_MAX);

	if (result)
		return result;
	if (!machine->local_apic_address || machine->local_apic_address % 4096)
		return acpi_reject(checker, "local_apic_address: 0x%x is not a page address",
				   machine->local_apic_address);
	for (size_t i = 0; i < machine->ioapic_count; i++) {
		const struct acpi_ioapic *ioapic = &machine->ioapics[i];

		if (!ioapic->address || ioapic->address % 1024)
			return acpi_reject(checker,
					   "ioapics[%zu].address: 0x%x is not 1 KiB aligned", i,
					   ioapic->address);
		if (ioapic->gsi_count < 1 || ioapic->gsi_count > 240 ||
		    ioapic->gsi_base > UINT32_MAX - ioapic->gsi_count)
			return acpi_reject(
				checker,
				"ioapics[%zu].gsi_count: %u inputs from GSI %u; 1 to 240 "
				"are possible",
				i, ioapic->gsi_count, ioapic->gsi_base);
		for (size_t j = 0; j < i; j++) {
			const struct acpi_ioapic *other = &machine->ioapics[j];

			if (other->id == ioapic->id || other->address == ioapic->address ||
			    (ioapic->gsi_base < other->gsi_base + other->gsi_count &&
			     other->gsi_base < ioapic->gsi_base + ioapic->gsi_count))
				return acpi_reject(checker,
						   "ioapics[%zu]: id, address or GSIs collide with "
						   "ioapics[%zu]",
						   i, j);
		}
	}
	return 0;
}

static int check_overrides(const struct acpi_checker *checker)
{
	const struct acpi_machine *machine = checker->machine;
	int result = acpi_check_list(checker, "overrides", machine->overrides,
				     machine->override_count, 0, ACPI_INTERRUPT_OVERRIDE_MAX);

	for (size_t i = 0; !result && i < machine->override_count; i++) {
		const struct acpi_interrupt_override *override = &machine->overrides[i];
		unsigned int polarity = override->flags & 3, trigger = override->flags >> 2 & 3;

		if (override->irq > 15)
			return acpi_reject(checker, "overrides[%zu].irq: %u is not an ISA irq", i,
					   override->irq);
		if (override->flags > 0xf || polarity == 2 || trigger == 2)
			return acpi_reject(checker, "overrides[%zu].flags: 0x%x is reserved", i,
					   override->flags);
		for (size_t j = 0; j < i; j++)
			if (machine->overrides[j].irq == override->irq)
				return acpi_reject(checker,
						   "overrides[%zu].irq: %u is overridden twice", i,
						   override->irq);
		result = acpi_check_gsi(checker, "overrides", i, override->gsi);
	}
	return result;
}

static int check_register(const struct acpi_checker *checker, const char *name,
			  const struct acpi_register *reg, unsigned int size)
{
	if (!reg->address)
		return 0;
	if (reg->space != ACPI_SPACE_IO && reg->space != ACPI_SPACE_MEMORY)
		return acpi_reject(checker, "%s.space: %d is neither memory nor I/O", name,
				   (int)reg->space);
	if (reg->space == ACPI_SPACE_IO && reg->address > IO_SPACE_SIZE - size)
		return acpi_reject(checker, "%s.address: 0x%" PRIx64 " is not an I/O port", name,
				   reg->address);
	if (reg->address % size)
		return acpi_reject(checker, "%s.address: 0x%" PRIx64 " is not aligned to %u bytes",
				   name, reg->address, size);
	return 0;
}

static int check_power(const struct acpi_checker *checker)
{
	const struct acpi_machine *machine = checker->machine;
	int result = check_register(checker, "sleep_control", &machine->sleep_control, 1);

	if (!result)
		result = check_register(checker, "sleep_status", &machine->sleep_status, 1);
	if (!result)
		result = check_register(checker, "reset", &machine->reset, 1);
	if (result)
		return result;
	if (!machine->sleep_control.address != !machine->sleep_status.address)
		return acpi_reject(checker, "sleep_control, sleep_status: one is useless without "
					    "the other");
	if (machine->s5_type > 7)
		return acpi_reject(checker, "s5_type: %u does not fit SLP_TYP (0 to 7)",
				   machine->s5_type);
	if (machine->pm_timer_port > IO_SPACE_SIZE - 4 || machine->pm_timer_port % 4)
		return acpi_reject(checker, "pm_timer_port: 0x%x is not a multiple of 4",
				   machine->pm_timer_port);
	return 0;
}

static int check_ged(const struct acpi_checker *checker)
{
	const struct acpi_ged *ged = &checker->machine->ged;
	int result = check_register(checker, "ged.event", &ged->event, 4);

	if (result || !ged->event.address)
		return result;
	if (!ged->events || ged->events & ~(ACPI_GED_POWER_BUTTON | ACPI_GED_PCI_RESCAN))
		return acpi_reject(checker, "ged.events: 0x%x has no or unknown events",
				   ged->events);
	return acpi_check_gsi(checker, "ged", 0, ged->gsi);
}

static int check_legacy(const struct acpi_checker *checker)
{
	const struct acpi_machine *machine = checker->machine;
	int result = acpi_check_list(checker, "serials", machine->serials, machine->serial_count, 0,
				     ACPI_SERIAL_MAX);

	for (size_t i = 0; !result && i < machine->serial_count; i++) {
		const struct acpi_serial *serial = &machine->serials[i];

		if (!serial->port || serial->port % 8)
			return acpi_reject(checker,
					   "serials[%zu].port: 0x%x is not a multiple of 8", i,
					   serial->port);
		for (size_t j = 0; j < i; j++)
			if (machine->serials[j].port == serial->port)
				return acpi_reject(checker, "serials[%zu].port: 0x%x is used twice",
						   i, serial->port);
		result = acpi_check_gsi(checker, "serials", i, serial->gsi);
	}
	if (result)
		return result;
	if (machine->spcr && !machine->serial_count)
		return acpi_reject(checker, "spcr: there is no serial port to describe");
	if (machine->rtc_century && !machine->rtc)
		return acpi_reject(checker, "rtc_century: there is no CMOS clock");
	if (machine->i8042)
		return acpi_check_gsi(checker, "i8042", 0, ACPI_KEYBOARD_GSI);
	return 0;
}

/* Edge-triggered inputs have one owner; the pins of a bridge are level-triggered and shared. */
static int check_edge_gsi(const struct acpi_checker *checker, const char *name, size_t index,
			  uint32_t gsi)
{
	for (size_t i = 0; i < checker->machine->bridge_count; i++) {
		const struct acpi_bridge *bridge = &checker->machine->bridges[i];

		if (gsi >= bridge->gsi_base && gsi - bridge->gsi_base < bridge->gsi_count)
			return acpi_reject(checker,
					   "%s[%zu].gsi: %u is also an INTx line of bridges[%zu]",
					   name, index, gsi, i);
	}
	return 0;
}

int acpi_check_edge_interrupts(const struct acpi_checker *checker)
{
	const struct acpi_machine *machine = checker->machine;
	bool has_ged = machine->ged.event.address != 0;
	int result = has_ged ? check_edge_gsi(checker, "ged", 0, machine->ged.gsi) : 0;

	for (size_t i = 0; !result && i < machine->serial_count; i++) {
		uint32_t gsi = machine->serials[i].gsi;

		if (has_ged && gsi == machine->ged.gsi)
			return acpi_reject(checker, "serials[%zu].gsi: %u is that of the GED", i,
					   gsi);
		for (size_t j = 0; j < i; j++)
			if (machine->serials[j].gsi == gsi)
				return acpi_reject(checker,
						   "serials[%zu].gsi: %u is that of serials[%zu]",
						   i, gsi, j);
		result = check_edge_gsi(checker, "serials", i, gsi);
	}
	return result;
}

int acpi_check_platform(const struct acpi_checker *checker)
{
	static int (*const checks[])(const struct acpi_checker *) = {
		check_cpus, check_ioapics, check_overrides, check_power, check_ged, check_legacy,
	};
	int result = 0;

	for (size_t i = 0; !result && i < sizeof(checks) / sizeof(checks[0]); i++)
		result = checks[i](checker);
	return result;
}

int acpi_check(const struct acpi_machine *machine, char *reason, size_t reason_size)
{
	const struct acpi_checker checker = {machine, reason, reason_size};
	static int (*const checks[])(const struct acpi_checker *) = {
		acpi_check_platform, acpi_check_bridges, acpi_check_edge_interrupts,
		acpi_check_cfmws,    acpi_check_numa,    acpi_check_address_map,
	};
	int result = 0;

	if (reason_size)
		reason[0] = '\0';
	for (size_t i = 0; !result && i < sizeof(checks) / sizeof(checks[0]); i++)
		result = checks[i](&checker);
	return result;
}

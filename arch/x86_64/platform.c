/* SPDX-License-Identifier: Apache-2.0 */
/* The platform devices of an x86 machine, all of them behind ports. */
#include "arch/x86_64/platform.h"

#include <errno.h>
#include <stdlib.h>

#include "devices/legacy/acpi_ged.h"
#include "devices/legacy/acpi_pm_timer.h"
#include "devices/legacy/cmos_rtc.h"
#include "devices/legacy/debug_ports.h"
#include "devices/legacy/i8042.h"
#include "devices/legacy/pvpanic.h"
#include "devices/legacy/serial.h"
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/layout.h"

struct arch_platform {
	struct arch_platform_events events;
	bool spcr; /* somebody reads the serial port */
	struct serial_backend *serial_backend;
	struct serial *serial;
	struct cmos_rtc *rtc;
	struct i8042 *i8042;
	struct debug_ports *debug_ports;
	struct pvpanic *pvpanic;
	struct acpi_ged *ged;
	struct acpi_pm_timer *pm_timer; /* NULL: the guest has kvmclock */
};

static void panicked(void *opaque, uint8_t events)
{
	const struct arch_platform *platform = opaque;

	platform->events.panicked(platform->events.opaque, !(events & PVPANIC_PANICKED));
}

static int add_serial(struct arch_platform *platform, const struct arch_platform_options *options)
{
	struct serial_options serial = {
		.base = X86_PORT_SERIAL,
		.gsi = X86_GSI_SERIAL,
		.bus = options->ports,
		.irq = options->irq,
		.logger = options->logger,
	};
	int result;

	if (!options->serial)
		return 0;
	result = serial_backend_create(&platform->serial_backend, options->serial);
	if (result)
		return result;
	platform->spcr = options->serial->kind != SERIAL_BACKEND_NULL;
	serial.name = options->serial->name;
	serial.backend = platform->serial_backend;
	return serial_create(&platform->serial, &serial);
}

static int add_ports(struct arch_platform *platform, const struct arch_platform_options *options)
{
	const struct arch_platform_events *events = &platform->events;
	const struct cmos_rtc_options rtc = {.bus = options->ports, .logger = options->logger};
	const struct i8042_options i8042 = {
		.bus = options->ports,
		.logger = options->logger,
		.reset = events->reset,
		.opaque = events->opaque,
	};
	const struct debug_ports_options debug_ports = {
		.bus = options->ports,
		.logger = options->boot_timer ? options->logger : NULL,
		.boot_base = X86_PORT_BOOT_TIMING,
		.exit_base = X86_PORT_DEBUG_EXIT,
		.start_ns = options->start_ns,
		.debug_exit = options->debug_exit ? events->debug_exit : NULL,
		.opaque = events->opaque,
	};
	const struct pvpanic_options pvpanic = {
		.bus = options->ports,
		.logger = options->logger,
		.base = X86_PORT_PVPANIC,
		.event = panicked,
		.opaque = platform,
	};
	const struct acpi_ged_options ged = {
		.bus = options->ports,
		.base = X86_PORT_GED,
		.irq = options->irq,
		.gsi = X86_GSI_GED,
		.logger = options->logger,
		.power_off = events->power_off,
		.reset = events->reset,
		.opaque = events->opaque,
	};
	const struct acpi_pm_timer_options pm_timer = {
		.bus = options->ports,
		.base = X86_PORT_PM_TIMER,
		.logger = options->logger,
	};
	int result;

	result = cmos_rtc_create(&platform->rtc, &rtc);
	if (!result)
		result = i8042_create(&platform->i8042, &i8042);
	if (!result)
		result = debug_ports_create(&platform->debug_ports, &debug_ports);
	if (!result && options->pvpanic)
		result = pvpanic_create(&platform->pvpanic, &pvpanic);
	if (!result)
		result = acpi_ged_create(&platform->ged, &ged);
	/* The reference that Linux needs for its TSC when it cannot look for kvmclock. */
	if (!result && !cpu_cpuid_has_hypervisor(&options->cpus->cpuid))
		result = acpi_pm_timer_create(&platform->pm_timer, &pm_timer);
	return result;
}

int arch_platform_create(struct arch_platform **result, const struct arch_platform_options *options)
{
	struct arch_platform *platform = calloc(1, sizeof(*platform));
	int error;

	if (!platform)
		return -ENOMEM;
	platform->events = *options->events;
	error = add_serial(platform, options);
	if (!error)
		error = add_ports(platform, options);
	if (error) {
		arch_platform_destroy(platform);
		return error;
	}
	*result = platform;
	return 0;
}

void arch_platform_destroy(struct arch_platform *platform)
{
	if (!platform)
		return;
	acpi_pm_timer_destroy(platform->pm_timer);
	acpi_ged_destroy(platform->ged);
	pvpanic_destroy(platform->pvpanic);
	debug_ports_destroy(platform->debug_ports);
	i8042_destroy(platform->i8042);
	cmos_rtc_destroy(platform->rtc);
	serial_destroy(platform->serial);
	serial_backend_destroy(platform->serial_backend);
	free(platform);
}

void arch_platform_flush(struct arch_platform *platform)
{
	if (platform && platform->serial_backend)
		serial_backend_finish(platform->serial_backend);
}

int arch_platform_power_button(struct arch_platform *platform)
{
	return acpi_ged_raise(platform->ged, ACPI_GED_POWER_BUTTON);
}

static struct acpi_register port(uint64_t offset)
{
	return (struct acpi_register){.space = ACPI_SPACE_IO, .address = X86_PORT_GED + offset};
}

void platform_describe(const struct arch_platform *platform, struct acpi_machine *acpi)
{
	static const struct acpi_serial serial = {.port = X86_PORT_SERIAL, .gsi = X86_GSI_SERIAL};

	if (platform->serial) {
		acpi->serials = &serial;
		acpi->serial_count = 1;
		acpi->spcr = platform->spcr;
	}
	acpi->rtc = true;
	acpi->rtc_century = CMOS_RTC_CENTURY;
	acpi->pm_timer_port = platform->pm_timer ? X86_PORT_PM_TIMER : 0;
	acpi->sleep_control = port(ACPI_GED_SLEEP_CONTROL_OFFSET);
	acpi->sleep_status = port(ACPI_GED_SLEEP_STATUS_OFFSET);
	acpi->s5_type = ACPI_GED_S5_TYPE;
	acpi->reset = port(ACPI_GED_RESET_OFFSET);
	acpi->reset_value = ACPI_GED_RESET_VALUE;
	acpi->ged.event = port(ACPI_GED_EVENT_OFFSET);
	acpi->ged.gsi = X86_GSI_GED;
	acpi->ged.events = ACPI_GED_POWER_BUTTON;
	acpi->pvpanic_port = platform->pvpanic ? X86_PORT_PVPANIC : 0;
}

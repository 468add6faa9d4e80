/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "devices/legacy/acpi_ged.h"
#include "devices/legacy/acpi_pm_timer.h"
#include "devices/legacy/cmos_rtc.h"
#include "devices/legacy/debug_ports.h"
#include "devices/legacy/i8042.h"
#include "devices/legacy/pvpanic.h"
#include "devices/legacy/serial.h"
#include "guest-fw/acpi/acpi.h"
#include "arch/x86_64/layout.h"
#include "vmm/machine/console.h"
#include "vmm/machine/internal.h"

#define SERIAL_PORT 0x3f8u
#define GED_PORT    0x600u
#define PM_PORT     0x608u

struct legacy_devices {
	struct serial_backend *serial_backend;
	struct serial *serial;
	struct cmos_rtc *rtc;
	struct i8042 *i8042;
	struct debug_ports *debug_ports;
	struct pvpanic *pvpanic;
	struct acpi_ged *ged;
	struct acpi_pm_timer *pm_timer; /* NULL: the guest has kvmclock */
};

static void power_off(void *opaque)
{
	machine_exit(opaque, CXVM_EXIT_POWEROFF, 0, "the guest powered off");
}

static void reset(void *opaque)
{
	machine_exit(opaque, CXVM_EXIT_REBOOT, 0, "the guest asked for a reset");
}

static void debug_exit(void *opaque, uint32_t value)
{
	machine_exit(opaque, CXVM_EXIT_DEBUG, value, "the guest wrote 0x%x to the debug-exit port",
		     value);
}

static void panicked(void *opaque, uint8_t events)
{
	struct machine *machine = opaque;

	if (events & PVPANIC_PANICKED)
		machine_exit(machine, CXVM_EXIT_PANIC, 0, "the guest's kernel panicked");
	else
		log_warning(machine->logger, "pvpanic",
			    "the guest's kernel panicked and its crash kernel takes over");
}

static int add_serial(struct machine *machine, struct legacy_devices *legacy)
{
	const struct cxvm_console *config = &machine->config->serial;
	const struct serial_backend_options backend = {
		.kind = machine_backend_kind(config->mode),
		.name = "serial0",
		.path = config->path,
		.input_fd = STDIN_FILENO,
		.output_fd = STDOUT_FILENO,
		.loop = machine->platform.loop,
		.logger = machine->logger,
	};
	struct serial_options options = {
		.name = "serial0",
		.port = SERIAL_PORT,
		.gsi = X86_GSI_SERIAL,
		.pio = &machine->platform.pio,
		.irq = machine->platform.irq,
		.logger = machine->logger,
	};
	int result;

	if (config->mode == CXVM_CONSOLE_OFF)
		return 0;
	result = serial_backend_create(&legacy->serial_backend, &backend);
	if (result)
		return result;
	options.backend = legacy->serial_backend;
	return serial_create(&legacy->serial, &options);
}

static int add_ports(struct machine *machine, struct legacy_devices *legacy)
{
	const struct cxvm_platform *platform = &machine->config->platform;
	const struct cmos_rtc_options rtc = {.pio = &machine->platform.pio,
					     .logger = machine->logger};
	const struct i8042_options i8042 = {
		.pio = &machine->platform.pio,
		.logger = machine->logger,
		.reset = reset,
		.opaque = machine,
	};
	const struct debug_ports_options debug_ports = {
		.pio = &machine->platform.pio,
		.logger = toggle_on(platform->boot_timer, false) ? machine->logger : NULL,
		.start_ns = machine->life.start_ns,
		.debug_exit = toggle_on(platform->debug_exit, false) ? debug_exit : NULL,
		.opaque = machine,
	};
	const struct pvpanic_options pvpanic = {
		.pio = &machine->platform.pio,
		.logger = machine->logger,
		.event = panicked,
		.opaque = machine,
	};
	const struct acpi_ged_options ged = {
		.bus = &machine->platform.pio,
		.base = GED_PORT,
		.irq = machine->platform.irq,
		.gsi = X86_GSI_GED,
		.logger = machine->logger,
		.power_off = power_off,
		.reset = reset,
		.opaque = machine,
	};
	const struct acpi_pm_timer_options pm_timer = {
		.pio = &machine->platform.pio,
		.port = PM_PORT,
		.logger = machine->logger,
	};
	int result;

	result = cmos_rtc_create(&legacy->rtc, &rtc);
	if (!result)
		result = i8042_create(&legacy->i8042, &i8042);
	if (!result)
		result = debug_ports_create(&legacy->debug_ports, &debug_ports);
	if (!result && toggle_on(platform->pvpanic, true))
		result = pvpanic_create(&legacy->pvpanic, &pvpanic);
	if (!result)
		result = acpi_ged_create(&legacy->ged, &ged);
	/* The reference that Linux needs for its TSC when it cannot look for kvmclock. */
	if (!result && !cpu_cpuid_has_hypervisor(&machine->cpus.model->cpuid))
		result = acpi_pm_timer_create(&legacy->pm_timer, &pm_timer);
	return result;
}

int machine_add_legacy_devices(struct machine *machine)
{
	int result;

	machine->parts.legacy = calloc(1, sizeof(*machine->parts.legacy));
	if (!machine->parts.legacy)
		return -ENOMEM;
	result = add_serial(machine, machine->parts.legacy);
	return result ? result : add_ports(machine, machine->parts.legacy);
}

void machine_remove_legacy_devices(struct machine *machine)
{
	struct legacy_devices *legacy = machine->parts.legacy;

	if (!legacy)
		return;
	acpi_pm_timer_destroy(legacy->pm_timer);
	acpi_ged_destroy(legacy->ged);
	pvpanic_destroy(legacy->pvpanic);
	debug_ports_destroy(legacy->debug_ports);
	i8042_destroy(legacy->i8042);
	cmos_rtc_destroy(legacy->rtc);
	serial_destroy(legacy->serial);
	serial_backend_destroy(legacy->serial_backend);
	free(legacy);
	machine->parts.legacy = NULL;
}

void machine_flush_legacy(struct machine *machine)
{
	if (machine->parts.legacy && machine->parts.legacy->serial_backend)
		serial_backend_flush(machine->parts.legacy->serial_backend);
}

void machine_legacy_power_button(struct machine *machine)
{
	int result = acpi_ged_raise(machine->parts.legacy->ged, ACPI_GED_POWER_BUTTON);

	if (result)
		log_error(machine->logger, "machine", "cannot press the power button");
}

static struct acpi_register port(uint64_t offset)
{
	return (struct acpi_register){.space = ACPI_SPACE_IO, .address = GED_PORT + offset};
}

void machine_describe_legacy(const struct machine *machine, struct acpi_machine *acpi)
{
	static const struct acpi_serial serial = {.port = SERIAL_PORT, .gsi = X86_GSI_SERIAL};
	enum cxvm_console_mode mode = machine->config->serial.mode;

	if (mode != CXVM_CONSOLE_OFF) {
		acpi->serials = &serial;
		acpi->serial_count = 1;
		acpi->spcr = mode != CXVM_CONSOLE_NULL;
	}
	acpi->rtc = true;
	acpi->rtc_century = CMOS_RTC_CENTURY;
	acpi->pm_timer_port = machine->parts.legacy->pm_timer ? PM_PORT : 0;
	acpi->sleep_control = port(ACPI_GED_SLEEP_CONTROL_OFFSET);
	acpi->sleep_status = port(ACPI_GED_SLEEP_STATUS_OFFSET);
	acpi->s5_type = ACPI_GED_S5_TYPE;
	acpi->reset = port(ACPI_GED_RESET_OFFSET);
	acpi->reset_value = ACPI_GED_RESET_VALUE;
	acpi->ged.event = port(ACPI_GED_EVENT_OFFSET);
	acpi->ged.gsi = X86_GSI_GED;
	acpi->ged.events = ACPI_GED_POWER_BUTTON;
	acpi->pvpanic_port = toggle_on(machine->config->platform.pvpanic, true) ? PVPANIC_PORT : 0;
}

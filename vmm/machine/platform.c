/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/machine/platform.h"

#include <unistd.h>

#include "arch/arch.h"
#include "vmm/machine/console.h"
#include "vmm/machine/internal.h"

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

static void panicked(void *opaque, bool crash_kernel)
{
	struct machine *machine = opaque;

	if (crash_kernel)
		log_limited(machine->logger, &machine->platform.panic_limit, LOG_LEVEL_WARNING,
			    "pvpanic",
			    "the guest's kernel panicked and its crash kernel takes over");
	else
		machine_exit(machine, CXVM_EXIT_PANIC, 0, "the guest's kernel panicked");
}

static int add_platform(struct machine_part *part)
{
	struct machine *machine = part->machine;
	const struct specification_platform *platform = &machine->specification->platform;
	const struct specification_console *console = &machine->specification->serial;
	const struct serial_backend_options serial = {
		.kind = machine_backend_kind(console->mode),
		.name = "serial0",
		.path = console->path,
		.input_fd = STDIN_FILENO,
		.output_fd = STDOUT_FILENO,
		.loop = machine->platform.loop,
		.logger = machine->logger,
	};
	const struct arch_platform_events events = {
		.power_off = power_off,
		.reset = reset,
		.panicked = panicked,
		.debug_exit = debug_exit,
		.opaque = machine,
	};
	const struct arch_platform_options options = {
		.mmio = &machine->platform.mmio,
		.ports = &machine->platform.pio,
		.irq = machine->platform.irq,
		.cpus = machine->cpus.model,
		.logger = machine->logger,
		.serial = console->mode == CXVM_CONSOLE_OFF ? NULL : &serial,
		.pvpanic = platform->pvpanic,
		.debug_exit = platform->debug_exit,
		.boot_timer = platform->boot_timer,
		.start_ns = machine->life.start_ns,
		.events = &events,
	};

	struct arch_platform *devices;
	int result = arch_platform_create(&devices, &options);

	if (!result)
		part->state = devices;
	return result;
}

static void flush_platform(struct machine_part *part)
{
	arch_platform_flush(part->state);
}

static void remove_platform(struct machine_part *part)
{
	arch_platform_destroy(part->state);
}

const struct machine_part_ops machine_platform_part = {
	.name = "platform devices",
	.add = add_platform,
	.flush = flush_platform,
	.remove = remove_platform,
};

static struct arch_platform *devices_of(const struct machine *machine)
{
	return machine_part_next(&machine->parts, &machine_platform_part, NULL)->state;
}

const struct arch_platform *machine_platform_devices(const struct machine *machine)
{
	return devices_of(machine);
}

void machine_press_power_button(struct machine *machine)
{
	if (arch_platform_power_button(devices_of(machine)))
		log_error(machine->logger, "machine", "cannot press the power button");
}

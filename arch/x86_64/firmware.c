/* SPDX-License-Identifier: Apache-2.0 */
/* What firmware would leave behind: ACPI tables below 1 MiB, the memory map, the boot parameters.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "guest-fw/acpi/acpi.h"
#include "guest-fw/x86/e820.h"
#include "arch/arch.h"
#include "arch/x86_64/boot.h"
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/layout.h"
#include "arch/x86_64/platform.h"

/* In one allocation: the tables of 64 vCPUs and 33 bridges are no stack matter. */
struct tables {
	struct acpi_machine acpi; /* the caller's, and what is ours */
	struct acpi_cpu *cpus;
	struct e820_entry e820[E820_MAX];
	struct boot_memory_range ranges[E820_MAX];
	uint8_t bytes[X86_FIRMWARE_END - X86_FIRMWARE_START];
};

_Static_assert(ARCH_RANGES_MAX <= E820_MAX, "the memory map takes all ranges");

static const struct acpi_ioapic ioapic = {
	.id = 0, .address = X86_IOAPIC, .gsi_base = 0, .gsi_count = X86_IOAPIC_PINS};

static int describe_cpus(const struct arch_firmware *firmware, struct tables *tables)
{
	const struct cpu_topology *topology = &firmware->cpus->options.topology;

	tables->cpus = calloc(topology->vcpus, sizeof(*tables->cpus));
	if (!tables->cpus)
		return -ENOMEM;
	for (uint32_t i = 0; i < topology->vcpus; i++) {
		tables->cpus[i].apic_id = cpu_apic_id(topology, i);
		tables->cpus[i].proximity_domain = firmware->cpu_nodes[i];
	}
	tables->acpi.cpus = tables->cpus;
	tables->acpi.cpu_count = topology->vcpus;
	tables->acpi.local_apic_address = X86_LAPIC;
	tables->acpi.ioapics = &ioapic;
	tables->acpi.ioapic_count = 1;
	return 0;
}

static size_t copy_ranges(struct e820_range *to, const struct arch_range *from, size_t count)
{
	for (size_t i = 0; i < count; i++)
		to[i] = (struct e820_range){.base = from[i].base, .size = from[i].size};
	return count;
}

static int build_e820(const struct arch_firmware *firmware, struct tables *tables, size_t bytes,
		      size_t *count)
{
	const struct acpi_ecam *ecam = firmware->acpi->ecams;
	struct e820_range ram[ARCH_RANGES_MAX];
	struct e820_range cxl[ARCH_RANGES_MAX];
	const struct e820_range reserved[] = {
		{.base = X86_EBDA_START, .size = X86_KERNEL_START - X86_EBDA_START},
		{.base = ecam->base, .size = ((uint64_t)ecam->last_bus + 1) << 20},
	};
	struct e820_input input = {
		.ram = ram,
		.reserved = reserved,
		.reserved_count = sizeof(reserved) / sizeof(reserved[0]),
		.acpi = {.base = X86_FIRMWARE_START, .size = bytes},
		.cxl = cxl,
	};
	int result;

	if (firmware->ram_count > ARCH_RANGES_MAX ||
	    firmware->cxl_count > ARCH_RANGES_MAX - firmware->ram_count)
		return -EINVAL;
	input.ram_count = copy_ranges(ram, firmware->ram, firmware->ram_count);
	input.cxl_count = copy_ranges(cxl, firmware->cxl, firmware->cxl_count);
	result = e820_build(&input, tables->e820, E820_MAX, count);
	for (size_t i = 0; !result && i < *count; i++)
		tables->ranges[i] = (struct boot_memory_range){
			.base = tables->e820[i].base,
			.size = tables->e820[i].size,
			.type = (uint32_t)tables->e820[i].type,
		};
	return result;
}

static int write_tables(const struct arch_firmware *firmware, struct tables *tables,
			struct boot_parameters *parameters)
{
	struct acpi_result built;
	int result;

	tables->acpi = *firmware->acpi;
	result = describe_cpus(firmware, tables);
	if (result)
		return result;
	platform_describe(firmware->platform, &tables->acpi);
	result = acpi_build(&tables->acpi, X86_FIRMWARE_START, tables->bytes, sizeof(tables->bytes),
			    &built);
	if (result) {
		log_error(firmware->logger, "acpi", "cannot build the tables: %s",
			  result == -EINVAL ? built.reason
					    : "they do not fit below 1 MiB; use fewer devices");
		return result;
	}
	parameters->rsdp_gpa = built.rsdp;
	result = build_e820(firmware, tables, built.used, &parameters->range_count);
	if (!result)
		result = guest_memory_write(firmware->memory, X86_FIRMWARE_START, tables->bytes,
					    built.used);
	return result;
}

static int write_all(const struct arch_firmware *firmware, struct tables *tables)
{
	const struct boot_kernel *kernel = &firmware->kernel->image;
	struct boot_parameters parameters = {
		.cmdline = firmware->cmdline,
		.ranges = tables->ranges,
	};
	int result = write_tables(firmware, tables, &parameters);

	if (!result && firmware->initramfs)
		result = boot_load_initrd(firmware->memory, firmware->initramfs, kernel,
					  firmware->logger, &parameters.initrd_gpa,
					  &parameters.initrd_bytes);
	return result ? result
		      : boot_write_parameters(firmware->memory, kernel, &parameters,
					      firmware->logger);
}

int arch_write_firmware(const struct arch_firmware *firmware)
{
	struct tables *tables = calloc(1, sizeof(*tables));
	int result;

	if (!tables)
		return -ENOMEM;
	result = write_all(firmware, tables);
	free(tables->cpus);
	free(tables);
	return result;
}

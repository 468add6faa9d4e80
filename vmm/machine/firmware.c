/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "guest-fw/acpi/acpi.h"
#include "guest-fw/x86/e820.h"
#include "arch/x86_64/layout.h"
#include "vmm/machine/internal.h"
#include "vmm/machine/numa.h"

/* Everything that acpi_build() reads, in one allocation: the tables of 64 vCPUs and 33 bridges are
 * no stack matter. */
struct firmware {
	struct acpi_machine acpi;
	struct acpi_ecam ecam;
	struct acpi_cpu cpus[MACHINE_MAX_VCPUS];
	struct acpi_bridge bridges[LAYOUT_MAX_BRIDGES];
	struct acpi_bridge_window bridge_windows[LAYOUT_MAX_BRIDGES][3];
	struct acpi_cfmws cfmws[MACHINE_MAX_DEVICES];
	struct acpi_memory_affinity memory[2 * MACHINE_MAX_NODES + MACHINE_MAX_DEVICES];
	struct machine_cxl_memory cxl_memory[MACHINE_MAX_DEVICES];
	size_t cxl_memory_count;
	struct numa_tables numa;
	struct e820_entry e820[E820_MAX];
	struct boot_memory_range ranges[E820_MAX];
	uint8_t tables[X86_FIRMWARE_END - X86_FIRMWARE_START];
};

static const struct acpi_ioapic ioapic = {
	.id = 0, .address = X86_IOAPIC, .gsi_base = 0, .gsi_count = X86_IOAPIC_PINS};

int machine_load_payload(struct machine *machine)
{
	const char *kernel = machine->config->payload.kernel;

	if (!kernel) {
		log_error(machine->logger, "payload", "no kernel given; use --kernel PATH");
		return -EINVAL;
	}
	return boot_load_kernel(machine->platform.memory, kernel, machine->logger,
				&machine->platform.kernel);
}

static uint32_t node_of_cpu(const struct machine_config *config, uint32_t cpu)
{
	for (size_t i = 0; i < config->node_count; i++) {
		const char *text = config->nodes[i].cpus;

		while (text && *text) {
			char *end;
			unsigned long first = strtoul(text, &end, 10), last = first;

			if (end == text)
				break;
			if (*end == '-')
				last = strtoul(end + 1, &end, 10);
			if (cpu >= first && cpu <= last)
				return config->nodes[i].id;
			text = *end == ',' ? end + 1 : end;
			if (*end && *end != ',')
				break;
		}
	}
	return 0;
}

static void describe_cpus(const struct machine *machine, struct firmware *firmware)
{
	for (uint32_t i = 0; i < machine->cpus.topology.vcpus; i++) {
		firmware->cpus[i].apic_id = cpu_apic_id(&machine->cpus.topology, i);
		firmware->cpus[i].proximity_domain = node_of_cpu(machine->config, i);
	}
	firmware->acpi.cpus = firmware->cpus;
	firmware->acpi.cpu_count = machine->cpus.topology.vcpus;
	firmware->acpi.local_apic_address = X86_LAPIC;
	firmware->acpi.ioapics = &ioapic;
	firmware->acpi.ioapic_count = 1;
}

/* Not prefetchable, also above 4 GiB: a guest would refuse our 64-bit BARs that are not. */
static void add_window(struct acpi_bridge *bridge, struct acpi_bridge_window *list,
		       enum acpi_window_kind kind, const struct pci_window *window)
{
	if (!window->size)
		return;
	list[bridge->window_count++] = (struct acpi_bridge_window){
		.kind = kind,
		.base = window->base,
		.size = window->size,
	};
}

static void describe_bridges(const struct machine *machine, struct firmware *firmware)
{
	firmware->ecam = (struct acpi_ecam){
		.base = X86_ECAM_START,
		.first_bus = 0,
		.last_bus = (uint8_t)(machine->pci.bus_count - 1),
	};
	firmware->acpi.ecams = &firmware->ecam;
	firmware->acpi.ecam_count = 1;
	for (size_t i = 0; i < machine->map.bridge_count; i++) {
		struct acpi_bridge *bridge = &firmware->bridges[i];
		const struct pci_host_windows *windows = &machine->map.windows[i];

		bridge->kind = i ? ACPI_BRIDGE_CXL : ACPI_BRIDGE_PCIE;
		bridge->first_bus = i ? (uint8_t)machine_accelerator_bus(machine, i - 1) : 0;
		bridge->last_bus =
			i ? (uint8_t)(bridge->first_bus + 1) : (uint8_t)machine->pci.plain_last_bus;
		bridge->uid = bridge->first_bus;
		bridge->config_ports = !i;
		/* Every BAR and bus number is assigned already; the guest saves the work and keeps
		 * our placement. */
		bridge->preserve_configuration = true;
		bridge->windows = firmware->bridge_windows[i];
		bridge->gsi_base = X86_GSI_INTX;
		bridge->gsi_count = 8;
		bridge->osc_pci_control = ACPI_OSC_PCI_CONTROL_DEFAULT;
		bridge->osc_cxl_control = ACPI_OSC_CXL_CONTROL_DEFAULT;
		if (i)
			bridge->component_base = machine->map.layout.chbs[i - 1];
		add_window(bridge, firmware->bridge_windows[i], ACPI_WINDOW_IO, &windows->io);
		add_window(bridge, firmware->bridge_windows[i], ACPI_WINDOW_MEMORY,
			   &windows->memory_32);
		add_window(bridge, firmware->bridge_windows[i], ACPI_WINDOW_MEMORY,
			   &windows->memory_64);
	}
	firmware->acpi.bridges = firmware->bridges;
	firmware->acpi.bridge_count = machine->map.bridge_count;
}

/* CFMWS per accelerator, and SRAT when there is anything that has a place: NUMA nodes or
 * accelerators. */
static void describe_memory(const struct machine *machine, struct firmware *firmware)
{
	struct acpi_machine *acpi = &firmware->acpi;
	uint32_t nodes = machine->config->node_count ? (uint32_t)machine->config->node_count : 1;
	uint64_t cpu_nodes = 0, ram_nodes = 0;
	const struct guest_ram_block *blocks;
	size_t count;

	acpi->cfmws_count = machine_describe_fixed_windows(machine, firmware->cfmws);
	acpi->cfmws = firmware->cfmws;
	firmware->cxl_memory_count = machine_list_cxl_memory(machine, firmware->cxl_memory);
	if (machine->config->node_count < 2 && !firmware->cxl_memory_count)
		return;
	blocks = guest_memory_blocks(machine->platform.memory, &count);
	for (size_t i = 0; i < count; i++) {
		firmware->memory[i] = (struct acpi_memory_affinity){
			.base = blocks[i].gpa,
			.size = blocks[i].size,
			.proximity_domain = blocks[i].node,
		};
		ram_nodes |= 1ull << blocks[i].node;
	}
	for (size_t i = 0; i < firmware->cxl_memory_count; i++)
		if (firmware->cxl_memory[i].node)
			/* Hot-pluggable: with movable_node the guest's kernel keeps its own
			 * structures out of it. */
			firmware->memory[count++] = (struct acpi_memory_affinity){
				.base = firmware->cxl_memory[i].base,
				.size = firmware->cxl_memory[i].size,
				.proximity_domain = numa_device_domain(nodes, i),
				.hot_pluggable = true,
			};
	acpi->memory_count = count;
	acpi->memory = firmware->memory;
	for (size_t i = 0; i < acpi->cpu_count; i++)
		cpu_nodes |= 1ull << firmware->cpus[i].proximity_domain;
	numa_describe(&firmware->numa, nodes, cpu_nodes, ram_nodes, firmware->cxl_memory,
		      firmware->cxl_memory_count);
	acpi->generic = firmware->numa.generic;
	acpi->generic_count = firmware->numa.generic_count;
	acpi->localities = firmware->numa.localities;
	acpi->locality_count = firmware->numa.locality_count;
}

static int build_e820(const struct machine *machine, struct firmware *firmware, size_t table_bytes,
		      size_t *count)
{
	struct e820_range ram[2 * MACHINE_MAX_NODES + MACHINE_MAX_DEVICES];
	struct e820_range cxl[MACHINE_MAX_DEVICES];
	const struct e820_range reserved[] = {
		{.base = X86_EBDA_START, .size = X86_KERNEL_START - X86_EBDA_START},
		{.base = X86_ECAM_START, .size = (uint64_t)machine->pci.bus_count << 20},
	};
	struct e820_input input = {
		.ram = ram,
		.reserved = reserved,
		.reserved_count = sizeof(reserved) / sizeof(reserved[0]),
		.acpi = {.base = X86_FIRMWARE_START, .size = table_bytes},
		.cxl = cxl,
	};
	const struct guest_ram_block *blocks =
		guest_memory_blocks(machine->platform.memory, &input.ram_count);
	int result;

	for (size_t i = 0; i < input.ram_count; i++)
		ram[i] = (struct e820_range){.base = blocks[i].gpa, .size = blocks[i].size};
	for (size_t i = 0; i < firmware->cxl_memory_count; i++) {
		struct e820_range window = {.base = firmware->cfmws[i].base,
					    .size = firmware->cfmws[i].size};

		/* RAM from the start, or nothing that firmware says a word about. */
		if (firmware->cxl_memory[i].node) {
			window.size = firmware->cxl_memory[i].size;
			ram[input.ram_count++] = window;
		} else {
			cxl[input.cxl_count++] = window;
		}
	}
	result = e820_build(&input, firmware->e820, E820_MAX, count);
	for (size_t i = 0; !result && i < *count; i++)
		firmware->ranges[i] = (struct boot_memory_range){
			.base = firmware->e820[i].base,
			.size = firmware->e820[i].size,
			.type = (uint32_t)firmware->e820[i].type,
		};
	return result;
}

static int write_tables(struct machine *machine, struct firmware *firmware)
{
	const char *initramfs = machine->config->payload.initramfs;
	struct boot_parameters parameters = {
		.cmdline = machine->config->payload.cmdline,
		.ranges = firmware->ranges,
	};
	struct acpi_result tables;
	int result;

	describe_cpus(machine, firmware);
	describe_bridges(machine, firmware);
	describe_memory(machine, firmware);
	machine_describe_legacy(machine, &firmware->acpi);
	result = acpi_build(&firmware->acpi, X86_FIRMWARE_START, firmware->tables,
			    sizeof(firmware->tables), &tables);
	if (result) {
		log_error(machine->logger, "acpi", "cannot build the tables: %s",
			  result == -EINVAL ? tables.reason
					    : "they do not fit below 1 MiB; use fewer devices");
		return result;
	}
	result = build_e820(machine, firmware, tables.used, &parameters.range_count);
	if (!result)
		result = guest_memory_write(machine->platform.memory, X86_FIRMWARE_START,
					    firmware->tables, tables.used);
	if (result)
		return result;
	parameters.rsdp_gpa = tables.rsdp;
	if (initramfs) {
		result = boot_load_initrd(machine->platform.memory, initramfs,
					  &machine->platform.kernel, machine->logger,
					  &parameters.initrd_gpa, &parameters.initrd_bytes);
		if (result)
			return result;
	}
	return boot_write_parameters(machine->platform.memory, &machine->platform.kernel,
				     &parameters, machine->logger);
}

int machine_write_firmware(struct machine *machine)
{
	struct firmware *firmware = calloc(1, sizeof(*firmware));
	int result;

	if (!firmware)
		return -ENOMEM;
	result = write_tables(machine, firmware);
	free(firmware);
	return result;
}

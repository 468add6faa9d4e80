/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "guest-fw/acpi/acpi.h"
#include "arch/arch.h"
#include "vmm/machine/build.h"
#include "vmm/machine/functions.h"
#include "vmm/machine/internal.h"
#include "vmm/machine/numa.h"
#include "vmm/machine/platform.h"

/* What the machine knows of what its firmware says, in one allocation: 33 bridges are no stack
 * matter. The architecture adds the rest and writes it. */
struct firmware {
	struct acpi_machine acpi;
	struct acpi_ecam ecam;
	uint32_t cpu_nodes[MACHINE_MAX_VCPUS];
	struct acpi_bridge bridges[LAYOUT_MAX_BRIDGES];
	struct acpi_bridge_window bridge_windows[LAYOUT_MAX_BRIDGES][3];
	struct acpi_cfmws cfmws[MACHINE_MAX_DEVICES];
	struct acpi_memory_affinity memory[2 * MACHINE_MAX_NODES + MACHINE_MAX_DEVICES];
	struct machine_cxl_memory cxl_memory[MACHINE_MAX_DEVICES];
	size_t cxl_memory_count;
	struct numa_tables numa;
	struct arch_range ram[2 * MACHINE_MAX_NODES + MACHINE_MAX_DEVICES];
	size_t ram_count;
	struct arch_range windows[MACHINE_MAX_DEVICES];
	size_t window_count;
};

_Static_assert(2 * (MACHINE_MAX_NODES + MACHINE_MAX_DEVICES) <= ARCH_RANGES_MAX,
	       "RAM and windows of any machine");

int machine_load_payload(struct machine *machine)
{
	const char *kernel = machine->specification->payload.kernel;

	return arch_kernel_load(&machine->platform.kernel, machine->platform.memory, kernel,
				machine->logger);
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
	const struct arch_map *map = machine->map.layout.map;

	firmware->ecam = (struct acpi_ecam){
		.base = map->ecam_start,
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
		bridge->config_ports = !i && map->config_ports;
		/* Every BAR and bus number is assigned already; the guest saves the work and keeps
		 * our placement. */
		bridge->preserve_configuration = true;
		bridge->windows = firmware->bridge_windows[i];
		bridge->gsi_base = map->intx_gsi;
		bridge->gsi_count = PCI_INTX_GSI_COUNT;
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
	uint32_t nodes = machine->specification->node_count
				 ? (uint32_t)machine->specification->node_count
				 : 1;
	uint64_t cpu_nodes = 0, ram_nodes = 0;
	const struct guest_ram_block *blocks;
	size_t count;

	acpi->cfmws_count = machine_describe_fixed_windows(machine, firmware->cfmws);
	acpi->cfmws = firmware->cfmws;
	firmware->cxl_memory_count = machine_list_cxl_memory(machine, firmware->cxl_memory);
	if (machine->specification->node_count < 2 && !firmware->cxl_memory_count)
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
	for (uint32_t i = 0; i < machine->cpus.topology.vcpus; i++)
		cpu_nodes |= 1ull << firmware->cpu_nodes[i];
	numa_describe(&firmware->numa, nodes, cpu_nodes, ram_nodes, firmware->cxl_memory,
		      firmware->cxl_memory_count);
	acpi->generic = firmware->numa.generic;
	acpi->generic_count = firmware->numa.generic_count;
	acpi->localities = firmware->numa.localities;
	acpi->locality_count = firmware->numa.locality_count;
}

/* RAM from the start, or nothing that the memory map says a word about. */
static void list_ranges(const struct machine *machine, struct firmware *firmware)
{
	const struct guest_ram_block *blocks =
		guest_memory_blocks(machine->platform.memory, &firmware->ram_count);

	for (size_t i = 0; i < firmware->ram_count; i++)
		firmware->ram[i] =
			(struct arch_range){.base = blocks[i].gpa, .size = blocks[i].size};
	for (size_t i = 0; i < firmware->cxl_memory_count; i++) {
		struct arch_range window = {.base = firmware->cfmws[i].base,
					    .size = firmware->cfmws[i].size};

		if (firmware->cxl_memory[i].node) {
			window.size = firmware->cxl_memory[i].size;
			firmware->ram[firmware->ram_count++] = window;
		} else {
			firmware->windows[firmware->window_count++] = window;
		}
	}
}

static int write_firmware(const struct machine *machine, struct firmware *firmware)
{
	const struct arch_firmware parts = {
		.memory = machine->platform.memory,
		.logger = machine->logger,
		.cpus = machine->cpus.model,
		.cpu_nodes = firmware->cpu_nodes,
		.platform = machine_platform_devices(machine),
		.kernel = machine->platform.kernel,
		.initramfs = machine->specification->payload.initramfs,
		.cmdline = machine->specification->payload.cmdline,
		.acpi = &firmware->acpi,
		.ram = firmware->ram,
		.ram_count = firmware->ram_count,
		.cxl = firmware->windows,
		.cxl_count = firmware->window_count,
	};

	return arch_write_firmware(&parts);
}

int machine_write_firmware(struct machine *machine)
{
	struct firmware *firmware = calloc(1, sizeof(*firmware));
	int result;

	if (!firmware)
		return -ENOMEM;
	for (uint32_t i = 0; i < machine->cpus.topology.vcpus; i++)
		firmware->cpu_nodes[i] = specification_node_of(machine->specification, i);
	describe_bridges(machine, firmware);
	describe_memory(machine, firmware);
	list_ranges(machine, firmware);
	result = write_firmware(machine, firmware);
	free(firmware);
	return result;
}

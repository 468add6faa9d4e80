/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "devices/cxl/host_bridge.h"
#include "devices/cxl/root_port.h"
#include "devices/pci/root_port.h"
#include "guest-fw/acpi/acpi.h"
#include "arch/arch.h"
#include "vmm/machine/internal.h"

#define CXL_BUSES_PER_HOST 2u /* the root bus and the one below its only root port */

/* One passed-through device and what it hangs on: a root port of its own, and for CXL a host bridge
 * of its own. */
struct passed_function {
	struct passthrough_device *device;
	bool cxl;
	size_t cxl_index; /* among the CXL devices: window, CHBS, host bridge */
	char port_name[48];
	char bridge_name[48];
	struct pci_bus *root_bus;           /* CXL: of its host bridge; else bus 0 */
	struct cxl_host_bridge host_bridge; /* CXL only */
	struct cxl_root_port cxl_port;      /* CXL only */
	struct pci_root_port plain_port;    /* else */
	struct pci_root_port *port;         /* the one of the two that was added, or NULL */
};

unsigned int machine_accelerator_bus(const struct machine *machine, size_t index)
{
	return machine->pci.plain_last_bus + 1 + CXL_BUSES_PER_HOST * (unsigned int)index;
}

/* A device wants passthrough_serve(): any thread, any lock. */
static void want_attention(void *opaque, struct passthrough_device *device)
{
	(void)device;
	machine_post(opaque, MACHINE_REQUEST_SERVE_FUNCTIONS);
}

void machine_serve_functions(struct machine *machine)
{
	for (size_t i = 0; i < machine->parts.function_count; i++)
		passthrough_serve(machine->parts.functions[i].device);
}

/* The host took a device back: to the guest it was pulled out of its slot. */
static void device_returned(void *opaque, struct passthrough_device *device)
{
	struct machine *machine = opaque;

	for (size_t i = 0; i < machine->parts.function_count; i++)
		if (machine->parts.functions[i].device == device &&
		    machine->parts.functions[i].port)
			pci_root_port_surprise_removal(machine->parts.functions[i].port);
}

static int connect_one(struct machine *machine, const struct passthrough_options *options,
		       struct passed_function *function)
{
	const struct passthrough_environment environment = {
		.logger = machine->logger,
		.vm = &machine->platform.vm,
		.spaces = machine->parts.spaces,
		.memory = machine->platform.memory,
		.irq = machine->platform.irq,
		.mmio = &machine->platform.mmio,
		.loop = machine->platform.loop,
		.attention = want_attention,
		.returned = device_returned,
		.opaque = machine,
	};
	return passthrough_connect(options, &environment, &function->device);
}

int machine_connect_devices(struct machine *machine)
{
	const struct machine_specification *config = machine->config;
	size_t cxl_count = 0;
	int result;

	machine->pci.bus_count = 1;
	if (!config->device_count)
		return 0;
	machine->parts.functions = calloc(config->device_count, sizeof(*machine->parts.functions));
	if (!machine->parts.functions)
		return -ENOMEM;
	result = iommu_spaces_create(&machine->parts.spaces);
	if (result)
		return result;
	for (size_t i = 0; i < config->device_count; i++) {
		struct passed_function *function = &machine->parts.functions[i];

		result = connect_one(machine, &config->devices[i].options, function);
		if (result)
			return result;
		machine->parts.function_count = i + 1;
		function->cxl = passthrough_get_facts(function->device)->cxl;
		if (function->cxl)
			function->cxl_index = cxl_count++;
		else
			machine->pci.plain_last_bus++;
	}
	machine->pci.bus_count = machine_accelerator_bus(machine, cxl_count);
	_Static_assert(1 + CXL_BUSES_PER_HOST * MACHINE_MAX_DEVICES <= ARCH_ECAM_BUSES,
		       "every device has its buses");
	return 0;
}

bool machine_needs_shared_ram(const struct machine *machine)
{
	for (size_t i = 0; i < machine->parts.function_count; i++)
		if (passthrough_get_facts(machine->parts.functions[i].device)->needs_shared_ram)
			return true;
	return false;
}

size_t machine_layout_accelerators(const struct machine *machine, struct layout_accelerator *list)
{
	size_t count = 0;

	for (size_t i = 0; i < machine->parts.function_count; i++) {
		const struct passed_function *function = &machine->parts.functions[i];
		const struct passthrough_facts *facts = passthrough_get_facts(function->device);

		if (function->cxl)
			list[count++] = (struct layout_accelerator){
				.name = passthrough_id(function->device),
				.window_size = facts->window_size,
				.window_align = facts->window_align,
			};
	}
	return count;
}

uint64_t machine_dma_limit(const struct machine *machine, const char **device)
{
	uint64_t lowest = 0;

	for (size_t i = 0; i < machine->parts.function_count; i++) {
		const struct passthrough_device *one = machine->parts.functions[i].device;
		uint64_t limit = passthrough_get_facts(one)->dma_limit;

		if (limit && (!lowest || limit < lowest)) {
			lowest = limit;
			*device = passthrough_id(one);
		}
	}
	return lowest;
}

static int add_cxl_hierarchy(struct machine *machine, struct passed_function *function,
			     uint16_t slot)
{
	const struct passthrough_facts *facts = passthrough_get_facts(function->device);
	unsigned int bus = machine_accelerator_bus(machine, function->cxl_index);
	const struct cxl_host_bridge_range range = {
		.base = machine->map.layout.window[function->cxl_index],
		.size = facts->window_size,
		.host_only = facts->host_only,
	};
	int result;

	snprintf(function->bridge_name, sizeof(function->bridge_name), "CXL host bridge of %s",
		 passthrough_id(function->device));
	result = cxl_host_bridge_init(&function->host_bridge, &machine->platform.mmio,
				      function->bridge_name,
				      machine->map.layout.chbs[function->cxl_index],
				      facts->firmware_committed ? &range : NULL);
	if (!result)
		result = pci_root_add_host_bridge(machine->pci.root, (uint8_t)bus,
						  (uint8_t)(bus + CXL_BUSES_PER_HOST - 1),
						  &function->root_bus);
	if (result)
		return result;
	machine->map.bridge_count++;
	result = cxl_root_port_init(&function->cxl_port, machine->pci.root, function->port_name,
				    slot, facts->cache_capable);
	if (!result)
		pci_root_port_allow_removal(&function->cxl_port.port);
	if (!result)
		result = cxl_root_port_add(&function->cxl_port, function->root_bus, -1);
	if (!result)
		function->port = &function->cxl_port.port;
	return result;
}

static int add_plain_port(struct machine *machine, struct passed_function *function, uint16_t slot)
{
	int result;

	function->root_bus = machine->pci.root_bus;
	result = pci_root_port_init(&function->plain_port, machine->pci.root, function->port_name,
				    slot);
	if (!result)
		pci_root_port_allow_removal(&function->plain_port);
	if (!result)
		result = pci_root_port_add(&function->plain_port, function->root_bus, -1);
	if (!result)
		function->port = &function->plain_port;
	return result;
}

static int plug_one(struct machine *machine, struct passed_function *function, uint16_t slot)
{
	struct passthrough_place place = {.devfn = 0};
	int result;

	snprintf(function->port_name, sizeof(function->port_name), "root port of %s",
		 passthrough_id(function->device));
	result = function->cxl ? add_cxl_hierarchy(machine, function, slot)
			       : add_plain_port(machine, function, slot);
	if (result) {
		log_error(machine->logger, function->port_name, "cannot be added: %s",
			  strerror(-result));
		return result;
	}
	if (function->cxl) {
		place.window_base = machine->map.layout.window[function->cxl_index];
		place.window_size = passthrough_get_facts(function->device)->window_size;
	}
	place.bus = function->port->secondary;
	return passthrough_plug(function->device, &place);
}

int machine_plug_devices(struct machine *machine)
{
	int result = 0;

	for (size_t i = 0; i < machine->parts.function_count && !result; i++)
		result = plug_one(machine, &machine->parts.functions[i], (uint16_t)(i + 1));
	return result;
}

void machine_remove_devices(struct machine *machine)
{
	for (size_t i = 0; i < machine->parts.function_count; i++) {
		struct passed_function *function = &machine->parts.functions[i];

		passthrough_detach(function->device);
		if (function->port)
			pci_bus_remove(&function->port->device);
		cxl_root_port_destroy(&function->cxl_port);
		pci_root_port_destroy(&function->plain_port);
		cxl_host_bridge_destroy(&function->host_bridge);
	}
	iommu_spaces_destroy(machine->parts.spaces);
	machine->parts.spaces = NULL;
	free(machine->parts.functions);
	machine->parts.functions = NULL;
	machine->parts.function_count = 0;
}

void machine_list_root_buses(const struct machine *machine, struct pci_bus **buses)
{
	buses[0] = machine->pci.root_bus;
	for (size_t i = 0; i < machine->parts.function_count; i++)
		if (machine->parts.functions[i].cxl)
			buses[machine->parts.functions[i].cxl_index + 1] =
				machine->parts.functions[i].root_bus;
}

size_t machine_passthrough_count(const struct machine *machine)
{
	return machine->parts.function_count;
}

struct passthrough_device *machine_passthrough(const struct machine *machine, size_t index)
{
	return machine->parts.functions[index].device;
}

uint64_t machine_component_accesses(const struct machine *machine)
{
	struct passthrough_counters counters;
	uint64_t accesses = 0;

	for (size_t i = 0; i < machine->parts.function_count; i++) {
		passthrough_get_counters(machine->parts.functions[i].device, &counters);
		accesses += counters.component_reads + counters.component_writes;
	}
	return accesses;
}

uint64_t machine_window_of(const struct machine *machine, size_t index)
{
	const struct passed_function *function = &machine->parts.functions[index];

	return function->cxl ? machine->map.layout.window[function->cxl_index] : 0;
}

bool machine_memory_fault(struct machine *machine, uint64_t gpa)
{
	for (size_t i = 0; i < machine->parts.function_count; i++)
		if (!passthrough_handle_fault(machine->parts.functions[i].device,
					      gpa == VCPU_GPA_UNKNOWN ? PASSTHROUGH_GPA_UNKNOWN
								      : gpa))
			return true;
	return false;
}

size_t machine_describe_fixed_windows(const struct machine *machine, struct acpi_cfmws *cfmws)
{
	size_t count = 0;

	for (size_t i = 0; i < machine->parts.function_count; i++) {
		const struct passed_function *function = &machine->parts.functions[i];
		const struct passthrough_facts *facts = passthrough_get_facts(function->device);
		unsigned int bus = machine_accelerator_bus(machine, function->cxl_index);

		if (!function->cxl)
			continue;
		cfmws[count++] = (struct acpi_cfmws){
			.base = machine->map.layout.window[function->cxl_index],
			.size = facts->window_size,
			.restrictions = facts->window_restrictions,
			.target_count = 1,
			.targets = {bus},
		};
	}
	return count;
}

size_t machine_list_cxl_memory(const struct machine *machine, struct machine_cxl_memory *list)
{
	size_t count = 0;

	for (size_t i = 0; i < machine->parts.function_count; i++) {
		const struct passed_function *function = &machine->parts.functions[i];
		const struct passthrough_facts *facts = passthrough_get_facts(function->device);

		if (function->cxl)
			list[count++] = (struct machine_cxl_memory){
				.base = machine->map.layout.window[function->cxl_index],
				.size = facts->dpa_size, /* the window may be larger */
				.root_bus = (uint8_t)machine_accelerator_bus(machine,
									     function->cxl_index),
				.node = facts->memory == PASSTHROUGH_MEMORY_NODE,
			};
	}
	return count;
}

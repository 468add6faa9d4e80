/* SPDX-License-Identifier: Apache-2.0 */
/* What the machine asks of all its passed-through functions. */
#include "vmm/machine/functions.h"

#include "guest-fw/acpi/acpi.h"
#include "vmm/machine/internal.h"

struct passed_function *machine_next_function(const struct machine *machine,
					      const struct machine_part **part)
{
	do
		*part = machine_part_next(&machine->parts, &machine_function_part, *part);
	while (*part && !(*part)->state);
	return *part ? (*part)->state : NULL;
}

/* Each function in turn; needs struct machine_part *part, which is NULL, and @function. */
#define FOR_EACH_FUNCTION(function, machine, part)                                                 \
	while (((function) = machine_next_function(machine, &(part))))

void machine_serve_functions(struct machine *machine)
{
	const struct machine_part *part = NULL;
	struct passed_function *function;

	FOR_EACH_FUNCTION(function, machine, part)
	passthrough_serve(function->device);
}

static bool fault_is_proven(struct machine *machine)
{
	const struct machine_part *part = NULL;
	struct passed_function *function;

	FOR_EACH_FUNCTION(function, machine, part)
	if (!passthrough_handle_proven_fault(function->device))
		return true;
	return false;
}

bool machine_memory_fault(struct machine *machine, uint64_t gpa)
{
	const struct machine_part *part = NULL;
	struct passed_function *function;

	/* Without an address every device is a suspect: who is known to refuse comes first. */
	if (gpa == VCPU_GPA_UNKNOWN && fault_is_proven(machine))
		return true;
	FOR_EACH_FUNCTION(function, machine, part)
	if (!passthrough_handle_fault(function->device,
				      gpa == VCPU_GPA_UNKNOWN ? PASSTHROUGH_GPA_UNKNOWN : gpa))
		return true;
	return false;
}

uint64_t machine_component_accesses(const struct machine *machine)
{
	const struct machine_part *part = NULL;
	struct passthrough_counters counters;
	struct passed_function *function;
	uint64_t accesses = 0;

	FOR_EACH_FUNCTION(function, machine, part)
	{
		passthrough_get_counters(function->device, &counters);
		accesses += counters.component_reads + counters.component_writes;
	}
	return accesses;
}

bool machine_needs_shared_ram(const struct machine *machine)
{
	const struct machine_part *part = NULL;
	struct passed_function *function;

	FOR_EACH_FUNCTION(function, machine, part)
	if (passthrough_get_facts(function->device)->needs_shared_ram)
		return true;
	return false;
}

uint64_t machine_dma_limit(const struct machine *machine, const char **device)
{
	const struct machine_part *part = NULL;
	struct passed_function *function;
	uint64_t lowest = 0;

	FOR_EACH_FUNCTION(function, machine, part)
	{
		uint64_t limit = passthrough_get_facts(function->device)->dma_limit;

		if (limit && (!lowest || limit < lowest)) {
			lowest = limit;
			*device = passthrough_id(function->device);
		}
	}
	return lowest;
}

size_t machine_layout_accelerators(const struct machine *machine, struct layout_accelerator *list)
{
	const struct machine_part *part = NULL;
	struct passed_function *function;
	size_t count = 0;

	FOR_EACH_FUNCTION(function, machine, part)
	{
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

unsigned int machine_accelerator_bus(const struct machine *machine, size_t index)
{
	return machine->pci.plain_last_bus + 1 + CXL_BUSES_PER_HOST * (unsigned int)index;
}

void machine_list_root_buses(const struct machine *machine, struct pci_bus **buses)
{
	const struct machine_part *part = NULL;
	struct passed_function *function;

	buses[0] = machine->pci.root_bus;
	FOR_EACH_FUNCTION(function, machine, part)
	if (function->cxl)
		buses[function->cxl_index + 1] = function->root_bus;
}

size_t machine_describe_fixed_windows(const struct machine *machine, struct acpi_cfmws *cfmws)
{
	const struct machine_part *part = NULL;
	struct passed_function *function;
	size_t count = 0;

	FOR_EACH_FUNCTION(function, machine, part)
	{
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
	const struct machine_part *part = NULL;
	struct passed_function *function;
	size_t count = 0;

	FOR_EACH_FUNCTION(function, machine, part)
	{
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

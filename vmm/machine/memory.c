/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <unistd.h>

#include "vmm/machine/build.h"
#include "vmm/machine/functions.h"
#include "vmm/machine/internal.h"

#define PREFAULT_THREADS_MAX 16u

static uint32_t prefault_threads(const struct specification_memory *memory)
{
	long cpus;

	if (memory->prefault_threads)
		return memory->prefault_threads;
	cpus = sysconf(_SC_NPROCESSORS_ONLN);
	if (cpus < 1)
		return 1;
	return cpus > (long)PREFAULT_THREADS_MAX ? PREFAULT_THREADS_MAX : (uint32_t)cpus;
}

/* The next @bytes of RAM from *cursor on, in up to two blocks: before and after the hole. */
static int add_node(struct machine *machine, const struct guest_ram_options *options,
		    uint64_t bytes, uint64_t *cursor)
{
	const struct layout *layout = &machine->map.layout;
	const uint64_t low_end = layout->map->low_ram_start + layout->low_ram;

	while (bytes) {
		struct guest_ram_options block = *options;
		int result;

		block.gpa = *cursor;
		block.size = bytes;
		if (*cursor < low_end && bytes > low_end - *cursor)
			block.size = low_end - *cursor;
		result = guest_memory_add_ram(machine->platform.memory, &block);
		if (result)
			return result;
		bytes -= block.size;
		*cursor += block.size;
		if (*cursor == low_end)
			*cursor = layout->map->high_ram_start;
	}
	return 0;
}

int machine_add_ram(struct machine *machine)
{
	const struct machine_specification *config = machine->specification;
	const struct specification_memory *memory = &config->memory;
	struct guest_ram_options options = {
		.page_size = memory->page_size,
		.shared = toggle_on(memory->shared, machine_needs_shared_ram(machine)),
		.thp = memory->thp,
		.prefault = memory->prefault,
		.host_node = -1,
	};
	uint64_t cursor = machine->map.layout.map->low_ram_start;

	if (!options.shared && machine_needs_shared_ram(machine)) {
		log_error(
			machine->logger, "memory",
			"shared=off, but a vfio-user device needs to map guest RAM; use shared=on");
		return -EINVAL;
	}
	if (options.prefault)
		options.prefault_threads = prefault_threads(memory);
	if (!config->node_count)
		return add_node(machine, &options, memory->bytes, &cursor);
	for (size_t i = 0; i < config->node_count; i++) {
		int result;

		options.node = (uint32_t)i;
		options.host_node = config->nodes[i].host_node;
		result = add_node(machine, &options, config->nodes[i].bytes, &cursor);
		if (result)
			return result;
	}
	return 0;
}

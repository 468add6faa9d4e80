/* SPDX-License-Identifier: Apache-2.0 */
#include "accel-sim/layout.h"

#include <string.h>

#include "accel-sim/component_block.h"
#include "accel-sim/hdm_decoder.h"
#include "accel-sim/units.h"

#define SIM_WINDOW_BAR_SIZE (16 * MIB)

static uint64_t sim_layout_power_of_two(uint64_t size)
{
	uint64_t result = 4096;

	while (result < size)
		result <<= 1;
	return result;
}

/* Sparse areas: the BAR without the component block, as the contract's topologies have them. */
static void sim_layout_areas(struct sim_layout *layout, const struct sim_options *options)
{
	uint64_t length = options->component_size;
	uint64_t start = layout->component_offset;
	uint64_t end = start + SIM_COMPONENT_SIZE;

	if (start > 0 && start <= length)
		layout->areas[layout->area_count++] = (struct sim_area){0, start};
	if (end < length)
		layout->areas[layout->area_count++] = (struct sim_area){end, length - end};
}

static void sim_layout_break_areas(struct sim_layout *layout, const struct sim_options *options)
{
	uint64_t length = options->component_size;

	if (options->broken & (SIM_BROKEN_ZERO_AREA | SIM_BROKEN_WRAPPED_AREA)) {
		layout->areas[0] =
			(struct sim_area){SIM_COMPONENT_SIZE, length - SIM_COMPONENT_SIZE};
		layout->area_count = 1;
	}
	if (options->broken & SIM_BROKEN_OVERLAP)
		layout->areas[0] = (struct sim_area){0, length};
	if (options->broken & SIM_BROKEN_UNALIGNED) {
		layout->areas[0].offset += 0x800;
		layout->areas[0].size -= 0x900;
	}
	if (options->broken & SIM_BROKEN_PAST_END)
		layout->areas[layout->area_count - 1].size += 0x1000;
}

void sim_layout_plan(struct sim_layout *layout, const struct sim_options *options)
{
	unsigned int bar = (unsigned int)options->component_bar;
	unsigned int next = bar == 0 ? 2 : 0; /* first free slot */
	uint64_t pba_size = (options->vectors + 63) / 64 * 8;

	memset(layout, 0, sizeof(*layout));
	layout->device_regs_bar = -1;
	layout->component_bar = bar;
	layout->bars[bar] = (struct sim_bar){
		.size = options->component_size, .is_64bit = true, .prefetchable = true};
	switch (options->topology) {
	case SIM_TOPOLOGY_A:
		layout->component_offset = options->component_size - SIM_COMPONENT_SIZE;
		break;
	case SIM_TOPOLOGY_C:
		layout->component_offset = options->component_size / 4;
		break;
	case SIM_TOPOLOGY_B:
	case SIM_TOPOLOGY_D:
		layout->component_offset = 0;
		break;
	}
	sim_layout_areas(layout, options);
	if (options->class == SIM_CLASS_MEMORY) {
		layout->device_regs_bar = (int)next;
		layout->bars[next] =
			(struct sim_bar){.size = SIM_DEVICE_REGS_SIZE, .is_64bit = true};
		next = next == 0 && bar == 2 ? 4 : next + 2;
	} else if (layout->area_count == 0) {
		layout->window_bar = next;
		layout->window_size = SIM_WINDOW_BAR_SIZE;
		layout->bars[next] = (struct sim_bar){.size = SIM_WINDOW_BAR_SIZE,
						      .is_64bit = true,
						      .prefetchable = true,
						      .mappable = options->map_windows};
		next = next == 0 && bar == 2 ? 4 : next + 2;
	} else {
		layout->window_bar = bar;
		layout->window_offset = layout->areas[0].offset;
		layout->window_size = layout->areas[0].size;
	}
	sim_layout_break_areas(layout, options);
	layout->bars[bar].mappable = options->map_windows && layout->area_count != 0;

	/* The table in the BAR's first half, the pending bits behind it, on a page of their own. */
	layout->msix_bar = next;
	layout->msix_pba_offset = sim_layout_power_of_two(options->vectors * UINT64_C(16));
	layout->bars[next].size = sim_layout_power_of_two(layout->msix_pba_offset +
							  sim_layout_power_of_two(pba_size));

	layout->memory_size = options->dpa_size / SIM_HDM_UNIT * SIM_HDM_UNIT;
	layout->num_regions = SIM_FIRST_DEVICE_REGION;
	if (options->contract == SIM_CONTRACT_NONE)
		return;
	layout->num_regions += 2;
	/* v2 trees registered the memory first, v3 the registers (contract 2.1). */
	layout->memory_region = SIM_FIRST_DEVICE_REGION + (options->contract == SIM_CONTRACT_V3);
	layout->comp_regs_region = SIM_FIRST_DEVICE_REGION + (options->contract != SIM_CONTRACT_V3);
	switch (options->origin) {
	case SIM_ORIGIN_CACHEMEM:
		layout->comp_regs_size =
			SIM_HDM_POINTER + HDM_DECODER_BLOCK_SIZE(options->decoders);
		break;
	case SIM_ORIGIN_BLOCK:
		layout->comp_regs_size = SIM_COMPONENT_SIZE;
		break;
	case SIM_ORIGIN_HDM:
		layout->comp_regs_size = HDM_DECODER_BLOCK_SIZE(options->decoders);
		break;
	}
}

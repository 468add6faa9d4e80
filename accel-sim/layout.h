/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ACCEL_SIM_LAYOUT_H
#define ACCEL_SIM_LAYOUT_H

#include "accel-sim/options.h"

/* Where everything is: BARs, the component block, windows, regions. Pure arithmetic on the options.
 */

#define SIM_MAX_AREAS           4
#define SIM_BAR_COUNT           6
#define SIM_COMPONENT_SIZE      0x10000u
#define SIM_CACHEMEM_OFFSET     0x1000u
#define SIM_DEVICE_REGS_SIZE    0x10000u
#define SIM_REGION_CONFIG       7u
#define SIM_FIRST_DEVICE_REGION 9u

struct sim_area {
	uint64_t offset;
	uint64_t size;
};

struct sim_bar {
	uint64_t size; /* 0: not implemented, or the upper half of a 64-bit BAR */
	bool is_64bit;
	bool prefetchable;
	bool mappable; /* offered with an fd */
};

struct sim_layout {
	struct sim_bar bars[SIM_BAR_COUNT];
	unsigned int component_bar;
	uint64_t component_offset;
	/* sparse areas of the component BAR; 0 areas: not mappable at all */
	struct sim_area areas[SIM_MAX_AREAS];
	unsigned int area_count;
	/* the register window of the engine; size 0: no engine */
	unsigned int window_bar;
	uint64_t window_offset;
	uint64_t window_size;
	unsigned int msix_bar;
	uint64_t msix_table_offset;
	uint64_t msix_pba_offset;
	int device_regs_bar; /* memory class; else -1 */
	/* VFIO regions */
	uint32_t num_regions;
	uint32_t memory_region;    /* 0: none */
	uint32_t comp_regs_region; /* 0: none */
	uint64_t memory_size;      /* whole multiples of 256 MiB: what a decoder can describe */
	uint64_t comp_regs_size;
};

/* sim_layout_plan() - derive the layout from completed options. */
void sim_layout_plan(struct sim_layout *layout, const struct sim_options *options);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ACCEL_SIM_COMP_REGS_H
#define ACCEL_SIM_COMP_REGS_H

#include "accel-sim/component_block.h"
#include "accel-sim/layout.h"

/*
 * The COMP_REGS region: what a host driver of one contract generation would show of the component
 * registers. v2 and v3 are shadows with write rules of their own (not those of the specification)
 * that never reach the hardware; the HDM origin reads and writes the hardware block.
 */
struct sim_comp_regs {
	enum sim_origin origin;
	bool cache_capable;
	uint32_t size; /* of the region, bytes */
	uint32_t hdm;  /* offset of the HDM block in the region */
	uint32_t hdm_size;
	uint32_t shadow[SIM_COMPONENT_SIZE / 4];
};

/* sim_comp_regs_init() - set the region up; no snapshot yet. */
void sim_comp_regs_init(struct sim_comp_regs *regs, const struct sim_options *options,
			const struct sim_layout *layout);

/* sim_comp_regs_snapshot() - copy the hardware registers as the generation does (v2 hides the
 * base). */
void sim_comp_regs_snapshot(struct sim_comp_regs *regs, const struct sim_component_block *block);

/*
 * sim_comp_regs_read(), sim_comp_regs_write() - one access as pread()/pwrite() of the generation.
 * Returns the bytes done (v2 clamps at the end of the region) or -EINVAL.
 */
int sim_comp_regs_read(const struct sim_comp_regs *regs, const struct sim_component_block *block,
		       uint64_t offset, uint32_t size, void *data);
int sim_comp_regs_write(struct sim_comp_regs *regs, struct sim_component_block *block,
			uint64_t offset, uint32_t size, const void *data);

/* sim_comp_regs_committed() - does decoder 0 read as committed through the region? */
bool sim_comp_regs_committed(const struct sim_comp_regs *regs,
			     const struct sim_component_block *block);

#endif

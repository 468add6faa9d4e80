/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ACCEL_SIM_COMPONENT_BLOCK_H
#define ACCEL_SIM_COMPONENT_BLOCK_H

#include "accel-sim/hdm_decoder.h"

/*
 * The 64 KiB component register block (CXL 8.2.3) as the hardware shows it in the BAR: capability
 * array, RAS, Link and HDM decoders in the CXL.cachemem page, zero elsewhere.
 */

/* Pointers of the capability array, from the CXL.cachemem page (CXL 8.2.4.1) */
#define SIM_RAS_POINTER  0x080u
#define SIM_LINK_POINTER 0x0d8u
#define SIM_HDM_POINTER  0x110u

struct sim_ras {
	uint32_t uncorrectable_status; /* RW1C */
	uint32_t uncorrectable_mask;
	uint32_t uncorrectable_severity;
	uint32_t correctable_status; /* RW1C */
	uint32_t correctable_mask;
	uint32_t control;
};

struct sim_component_block {
	struct sim_ras ras;
	struct sim_hdm hdm;
	uint32_t hdm_capability_override; /* 0, or what a deliberately wrong device shows */
};

/* sim_component_init() - power-on state with idle decoders. */
void sim_component_init(struct sim_component_block *block, unsigned int decoders, uint64_t dpa_size,
			bool host_only);

/* sim_component_reset_ras() - what a reset does to the RAS structure. */
void sim_component_reset_ras(struct sim_component_block *block);

/* sim_component_dword() - the dword at `offset` (a multiple of 4, below 0x10000). */
uint32_t sim_component_dword(const struct sim_component_block *block, uint32_t offset);

/*
 * sim_component_read(), sim_component_write() - naturally aligned accesses of 1, 2, 4 or 8 bytes.
 * Return 0, or -EINVAL for another width, a misaligned offset or an access past the block.
 */
int sim_component_read(const struct sim_component_block *block, uint64_t offset, uint32_t size,
		       void *data);
int sim_component_write(struct sim_component_block *block, uint64_t offset, uint32_t size,
			const void *data);

#endif

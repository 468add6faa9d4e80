/* SPDX-License-Identifier: Apache-2.0 */
#include "accel-sim/comp_regs.h"

#include <errno.h>
#include <string.h>

/* Control bits that v2 clears on every unlocked write */
#define SIM_V2_ALWAYS_CLEAR 0xf0ff8000u
#define SIM_V2_BI           0x00002000u
#define SIM_V2_UIO          0x0f004000u
#define SIM_V2_KEEP                                                                                \
	(HDM_CONTROL_COMMITTED | HDM_CONTROL_ERROR_NOT_COMMITTED |                                 \
	 HDM_CONTROL_HOST_ONLY) /* as in hardware                                                  \
				 */

void sim_comp_regs_init(struct sim_comp_regs *regs, const struct sim_options *options,
			const struct sim_layout *layout)
{
	memset(regs, 0, sizeof(*regs));
	regs->origin = options->origin;
	regs->cache_capable = options->cache_capable;
	regs->size = (uint32_t)layout->comp_regs_size;
	regs->hdm_size = HDM_DECODER_BLOCK_SIZE(options->decoders);
	switch (options->origin) {
	case SIM_ORIGIN_CACHEMEM:
		regs->hdm = SIM_HDM_POINTER;
		break;
	case SIM_ORIGIN_BLOCK:
		regs->hdm = SIM_CACHEMEM_OFFSET + SIM_HDM_POINTER;
		break;
	case SIM_ORIGIN_HDM:
		regs->hdm = 0;
		break;
	}
}

/* The component block offset that region offset 0 stands for */
static uint32_t sim_comp_regs_block_offset(const struct sim_comp_regs *regs)
{
	return SIM_CACHEMEM_OFFSET + SIM_HDM_POINTER - regs->hdm;
}

void sim_comp_regs_snapshot(struct sim_comp_regs *regs, const struct sim_component_block *block)
{
	uint32_t origin = sim_comp_regs_block_offset(regs);
	uint32_t decoders = (regs->hdm_size - SIM_HDM_DECODER(0)) / HDM_DECODER_STRIDE;
	uint32_t end = regs->hdm + regs->hdm_size;

	memset(regs->shadow, 0, sizeof(regs->shadow));
	for (uint32_t offset = 0; offset < end; offset += 4)
		regs->shadow[offset / 4] = sim_component_dword(block, origin + offset);
	if (regs->origin != SIM_ORIGIN_CACHEMEM)
		return;
	/* v2 hides the host address of a locked decoder and gives the VMM an unlocked one. */
	for (uint32_t n = 0; n < decoders; n++) {
		uint32_t *decoder = &regs->shadow[(regs->hdm + SIM_HDM_DECODER(n)) / 4];

		if (!(decoder[SIM_HDM_CONTROL / 4] & HDM_CONTROL_LOCK_ON_COMMIT))
			continue;
		decoder[SIM_HDM_BASE_LOW / 4] = 0;
		decoder[SIM_HDM_BASE_HIGH / 4] = 0;
		decoder[SIM_HDM_CONTROL / 4] &= ~HDM_CONTROL_LOCK_ON_COMMIT;
	}
}

static void sim_comp_regs_write_v2(struct sim_comp_regs *regs, uint32_t offset, uint32_t value)
{
	uint32_t *word = &regs->shadow[offset / 4];
	uint32_t at = offset - regs->hdm, reg;
	uint32_t *control;

	if (offset < regs->hdm)
		return;
	if (at == HDM_DECODER_GLOBAL_CONTROL) {
		/* Bit 0 only where capability bit 10 offers poison on decode error. */
		*word = value & (regs->shadow[regs->hdm / 4] & HDM_CAPABILITY_POISON
					 ? HDM_GLOBAL_ENABLE | HDM_GLOBAL_POISON
					 : HDM_GLOBAL_ENABLE);
		return;
	}
	if (at < SIM_HDM_DECODER(0))
		return;
	reg = (at - SIM_HDM_DECODER(0)) % HDM_DECODER_STRIDE;
	control = word - reg / 4 + SIM_HDM_CONTROL / 4;
	switch (reg) {
	case SIM_HDM_BASE_LOW:
	case SIM_HDM_SIZE_LOW:
		if (!(*control & HDM_CONTROL_LOCK_ON_COMMIT))
			*word = value & CXL_RANGE_LOW_MASK;
		return;
	case SIM_HDM_BASE_HIGH:
	case SIM_HDM_SIZE_HIGH:
		if (!(*control & HDM_CONTROL_LOCK_ON_COMMIT))
			*word = value;
		return;
	case SIM_HDM_CONTROL:
		if (*word & HDM_CONTROL_LOCK_ON_COMMIT) {
			if (!(value & HDM_CONTROL_LOCK_ON_COMMIT))
				*word &= ~HDM_CONTROL_LOCK_ON_COMMIT;
			return;
		}
		value &= ~(SIM_V2_ALWAYS_CLEAR | SIM_V2_UIO);
		if (!regs->cache_capable)
			value &= ~SIM_V2_BI;
		value = (value & ~SIM_V2_KEEP) | (*word & SIM_V2_KEEP);
		value &= ~HDM_CONTROL_COMMITTED;
		if (value & HDM_CONTROL_COMMIT)
			value |= HDM_CONTROL_COMMITTED;
		*word = value;
		return;
	default:
		return;
	}
}

static void sim_comp_regs_write_v3(struct sim_comp_regs *regs, uint32_t offset, uint32_t value)
{
	uint32_t *word = &regs->shadow[offset / 4];
	uint32_t at = offset - regs->hdm, reg;
	uint32_t *control;

	if (offset < regs->hdm || at >= regs->hdm_size)
		return;
	if (at == HDM_DECODER_GLOBAL_CONTROL) {
		*word = value;
		return;
	}
	if (at < SIM_HDM_DECODER(0))
		return;
	reg = (at - SIM_HDM_DECODER(0)) % HDM_DECODER_STRIDE;
	control = word - reg / 4 + SIM_HDM_CONTROL / 4;
	if (reg < SIM_HDM_CONTROL) {
		if (!(*control & (HDM_CONTROL_COMMITTED | HDM_CONTROL_LOCK_ON_COMMIT)))
			*word = value;
		return;
	}
	if (reg != SIM_HDM_CONTROL) {
		*word = value;
		return;
	}
	if (*word & HDM_CONTROL_COMMITTED) {
		if (!(value & HDM_CONTROL_COMMIT))
			*word &= ~(HDM_CONTROL_COMMIT | HDM_CONTROL_COMMITTED |
				   HDM_CONTROL_LOCK_ON_COMMIT);
		return;
	}
	value &= ~(HDM_CONTROL_COMMITTED | HDM_CONTROL_ERROR_NOT_COMMITTED);
	*word = value & HDM_CONTROL_COMMIT ? value | HDM_CONTROL_COMMITTED : value;
}

/* The size rules of pread() and pwrite(): returns the bytes to do, 0 for nothing, or -EINVAL. */
static int sim_comp_regs_check(const struct sim_comp_regs *regs, uint64_t offset, uint32_t size)
{
	if (size == 0)
		return 0;
	if (offset >= regs->size || offset % 4 != 0)
		return -EINVAL;
	if (size > regs->size - offset) {
		if (regs->origin != SIM_ORIGIN_CACHEMEM)
			return -EINVAL;
		size = (uint32_t)(regs->size - offset);
	}
	if (regs->origin == SIM_ORIGIN_BLOCK ? size % 4 != 0 : size != 4)
		return -EINVAL;
	return (int)size;
}

int sim_comp_regs_read(const struct sim_comp_regs *regs, const struct sim_component_block *block,
		       uint64_t offset, uint32_t size, void *data)
{
	int count = sim_comp_regs_check(regs, offset, size);

	if (count <= 0)
		return count;
	if (regs->origin == SIM_ORIGIN_HDM) {
		uint32_t origin = sim_comp_regs_block_offset(regs);
		uint32_t dword = sim_component_dword(block, origin + (uint32_t)offset);

		memcpy(data, &dword, 4);
	} else {
		memcpy(data, &regs->shadow[offset / 4], (size_t)count);
	}
	return count;
}

int sim_comp_regs_write(struct sim_comp_regs *regs, struct sim_component_block *block,
			uint64_t offset, uint32_t size, const void *data)
{
	int count = sim_comp_regs_check(regs, offset, size);

	for (int done = 0; done < count; done += 4) {
		uint32_t at = (uint32_t)offset + (uint32_t)done;
		uint32_t value;

		memcpy(&value, (const uint8_t *)data + done, 4);
		if (regs->origin == SIM_ORIGIN_HDM)
			sim_hdm_write(&block->hdm, at, value, UINT32_MAX);
		else if (regs->origin == SIM_ORIGIN_BLOCK)
			sim_comp_regs_write_v3(regs, at, value);
		else
			sim_comp_regs_write_v2(regs, at, value);
	}
	return count;
}

bool sim_comp_regs_committed(const struct sim_comp_regs *regs,
			     const struct sim_component_block *block)
{
	uint32_t at = regs->hdm + SIM_HDM_DECODER(0) + SIM_HDM_CONTROL;

	if (regs->origin == SIM_ORIGIN_HDM)
		return sim_hdm_committed(&block->hdm, 0);
	return regs->shadow[at / 4] & HDM_CONTROL_COMMITTED;
}

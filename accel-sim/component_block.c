/* SPDX-License-Identifier: Apache-2.0 */
#include "accel-sim/component_block.h"

#include <errno.h>
#include <string.h>

#define SIM_BLOCK_SIZE     0x10000u
#define SIM_CACHEMEM_START 0x1000u
#define SIM_CACHEMEM_END   0x2000u
#define SIM_ARRAY_ENTRIES  3u
#define SIM_RAS_UE_BITS    0x0001cfffu /* CXL 8.2.4.17.1: defined uncorrectable errors */
#define SIM_RAS_CE_BITS    0x0000007fu
#define SIM_RAS_CONTROL_RW 0x00002000u /* poison enable, bit 13 */

void sim_component_reset_ras(struct sim_component_block *block)
{
	block->ras = (struct sim_ras){.uncorrectable_mask = SIM_RAS_UE_BITS,
				      .uncorrectable_severity = SIM_RAS_UE_BITS,
				      .correctable_mask = SIM_RAS_CE_BITS};
}

void sim_component_init(struct sim_component_block *block, unsigned int decoders, uint64_t dpa_size,
			bool host_only)
{
	memset(block, 0, sizeof(*block));
	sim_component_reset_ras(block);
	sim_hdm_init(&block->hdm, decoders, dpa_size, host_only);
}

/* Array entry: id 15:0, version 19:16, pointer 31:20 (CXL 8.2.4.4) */
static uint32_t sim_component_entry(uint32_t id, uint32_t version, uint32_t pointer)
{
	return id | version << 16 | pointer << 20;
}

static uint32_t sim_component_ras_dword(const struct sim_ras *ras, uint32_t offset)
{
	switch (offset) {
	case 0x00:
		return ras->uncorrectable_status;
	case 0x04:
		return ras->uncorrectable_mask;
	case 0x08:
		return ras->uncorrectable_severity;
	case 0x0c:
		return ras->correctable_status;
	case 0x10:
		return ras->correctable_mask;
	case 0x14:
		return ras->control;
	default:
		return 0; /* header log */
	}
}

uint32_t sim_component_dword(const struct sim_component_block *block, uint32_t offset)
{
	uint32_t at;

	if (offset < SIM_CACHEMEM_START || offset >= SIM_CACHEMEM_END)
		return 0;
	at = offset - SIM_CACHEMEM_START;
	switch (at) {
	case 0x00: /* id 1, version 1, CXL.cachemem version 1 */
		return sim_component_entry(1, 1, 0) | 1u << 20 | SIM_ARRAY_ENTRIES << 24;
	case 0x04:
		return sim_component_entry(2, 2, SIM_RAS_POINTER);
	case 0x08:
		return sim_component_entry(4, 2, SIM_LINK_POINTER);
	case 0x0c:
		return sim_component_entry(5, 1, SIM_HDM_POINTER);
	default:
		break;
	}
	if (at >= SIM_RAS_POINTER && at < SIM_RAS_POINTER + SIM_RAS_SIZE)
		return sim_component_ras_dword(&block->ras, at - SIM_RAS_POINTER);
	if (at == SIM_HDM_POINTER && block->hdm_capability_override)
		return block->hdm_capability_override;
	if (at >= SIM_HDM_POINTER)
		return sim_hdm_read(&block->hdm, at - SIM_HDM_POINTER);
	return 0;
}

static void sim_component_write_dword(struct sim_component_block *block, uint32_t offset,
				      uint32_t value, uint32_t mask)
{
	struct sim_ras *ras = &block->ras;
	uint32_t at;

	if (offset < SIM_CACHEMEM_START || offset >= SIM_CACHEMEM_END)
		return;
	at = offset - SIM_CACHEMEM_START;
	value &= mask;
	switch (at) {
	case SIM_RAS_POINTER + 0x00:
		ras->uncorrectable_status &= ~value;
		return;
	case SIM_RAS_POINTER + 0x04:
		ras->uncorrectable_mask =
			((ras->uncorrectable_mask & ~mask) | value) & SIM_RAS_UE_BITS;
		return;
	case SIM_RAS_POINTER + 0x08:
		ras->uncorrectable_severity =
			((ras->uncorrectable_severity & ~mask) | value) & SIM_RAS_UE_BITS;
		return;
	case SIM_RAS_POINTER + 0x0c:
		ras->correctable_status &= ~value;
		return;
	case SIM_RAS_POINTER + 0x10:
		ras->correctable_mask = ((ras->correctable_mask & ~mask) | value) & SIM_RAS_CE_BITS;
		return;
	case SIM_RAS_POINTER + 0x14:
		ras->control = ((ras->control & ~mask) | value) & SIM_RAS_CONTROL_RW;
		return;
	default:
		break;
	}
	if (at >= SIM_HDM_POINTER)
		sim_hdm_write(&block->hdm, at - SIM_HDM_POINTER, value, mask);
}

static bool sim_component_accepts(uint64_t offset, uint32_t size)
{
	return (size == 1 || size == 2 || size == 4 || size == 8) && offset % size == 0 &&
	       offset < SIM_BLOCK_SIZE && size <= SIM_BLOCK_SIZE - offset;
}

int sim_component_read(const struct sim_component_block *block, uint64_t offset, uint32_t size,
		       void *data)
{
	uint32_t start = (uint32_t)offset & ~3u;
	uint8_t bytes[8];

	if (!sim_component_accepts(offset, size))
		return -EINVAL;
	for (uint32_t i = 0; i == 0 || i * 4 < size; i++) {
		uint32_t dword = sim_component_dword(block, start + i * 4);

		memcpy(bytes + i * 4, &dword, 4);
	}
	memcpy(data, bytes + (offset & 3), size);
	return 0;
}

int sim_component_write(struct sim_component_block *block, uint64_t offset, uint32_t size,
			const void *data)
{
	uint32_t start = (uint32_t)offset & ~3u;
	uint8_t bytes[8] = {0}, lanes[8] = {0};

	if (!sim_component_accepts(offset, size))
		return -EINVAL;
	memcpy(bytes + (offset & 3), data, size);
	memset(lanes + (offset & 3), 0xff, size);
	for (uint32_t i = 0; i == 0 || i * 4 < size; i++) {
		uint32_t value, mask;

		memcpy(&value, bytes + i * 4, 4);
		memcpy(&mask, lanes + i * 4, 4);
		sim_component_write_dword(block, start + i * 4, value, mask);
	}
	return 0;
}

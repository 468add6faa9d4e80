/* SPDX-License-Identifier: Apache-2.0 */
#include "accel-sim/component_block.h"

#include <errno.h>
#include <string.h>

#define SIM_CACHEMEM_END   (CXL_COMPONENT_CACHEMEM + CXL_COMPONENT_CACHEMEM_SIZE)
#define SIM_ARRAY_ENTRIES  3u
#define SIM_RAS_CONTROL_RW 0x00002000u /* poison enable, bit 13 */

void sim_component_reset_ras(struct sim_component_block *block)
{
	block->ras = (struct sim_ras){.uncorrectable_mask = CXL_RAS_UNCORRECTABLE_BITS,
				      .uncorrectable_severity = CXL_RAS_UNCORRECTABLE_BITS,
				      .correctable_mask = CXL_RAS_CORRECTABLE_BITS};
}

void sim_component_init(struct sim_component_block *block, unsigned int decoders, uint64_t dpa_size,
			bool host_only)
{
	memset(block, 0, sizeof(*block));
	sim_component_reset_ras(block);
	sim_hdm_init(&block->hdm, decoders, dpa_size, host_only);
}

static uint32_t sim_component_ras_dword(const struct sim_ras *ras, uint32_t offset)
{
	switch (offset) {
	case CXL_RAS_UNCORRECTABLE_STATUS:
		return ras->uncorrectable_status;
	case CXL_RAS_UNCORRECTABLE_MASK:
		return ras->uncorrectable_mask;
	case CXL_RAS_UNCORRECTABLE_SEVERITY:
		return ras->uncorrectable_severity;
	case CXL_RAS_CORRECTABLE_STATUS:
		return ras->correctable_status;
	case CXL_RAS_CORRECTABLE_MASK:
		return ras->correctable_mask;
	case CXL_RAS_CONTROL:
		return ras->control;
	default:
		return 0; /* header log */
	}
}

uint32_t sim_component_dword(const struct sim_component_block *block, uint32_t offset)
{
	uint32_t at;

	if (offset < CXL_COMPONENT_CACHEMEM || offset >= SIM_CACHEMEM_END)
		return 0;
	at = offset - CXL_COMPONENT_CACHEMEM;
	switch (at) {
	case 0: /* the array: its header, then one dword an entry */
		return CXL_ARRAY_HEADER(SIM_ARRAY_ENTRIES);
	case 4:
		return CXL_ARRAY_ENTRY(CXL_CAPABILITY_RAS, CXL_RAS_VERSION, SIM_RAS_POINTER);
	case 8:
		return CXL_ARRAY_ENTRY(CXL_CAPABILITY_LINK, CXL_LINK_VERSION, SIM_LINK_POINTER);
	case 12:
		return CXL_ARRAY_ENTRY(CXL_CAPABILITY_HDM_DECODER, CXL_HDM_VERSION,
				       SIM_HDM_POINTER);
	default:
		break;
	}
	if (at >= SIM_RAS_POINTER && at < SIM_RAS_POINTER + CXL_RAS_SIZE)
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

	if (offset < CXL_COMPONENT_CACHEMEM || offset >= SIM_CACHEMEM_END)
		return;
	at = offset - CXL_COMPONENT_CACHEMEM;
	value &= mask;
	switch (at) {
	case SIM_RAS_POINTER + CXL_RAS_UNCORRECTABLE_STATUS:
		ras->uncorrectable_status &= ~value;
		return;
	case SIM_RAS_POINTER + CXL_RAS_UNCORRECTABLE_MASK:
		ras->uncorrectable_mask =
			((ras->uncorrectable_mask & ~mask) | value) & CXL_RAS_UNCORRECTABLE_BITS;
		return;
	case SIM_RAS_POINTER + CXL_RAS_UNCORRECTABLE_SEVERITY:
		ras->uncorrectable_severity = ((ras->uncorrectable_severity & ~mask) | value) &
					      CXL_RAS_UNCORRECTABLE_BITS;
		return;
	case SIM_RAS_POINTER + CXL_RAS_CORRECTABLE_STATUS:
		ras->correctable_status &= ~value;
		return;
	case SIM_RAS_POINTER + CXL_RAS_CORRECTABLE_MASK:
		ras->correctable_mask =
			((ras->correctable_mask & ~mask) | value) & CXL_RAS_CORRECTABLE_BITS;
		return;
	case SIM_RAS_POINTER + CXL_RAS_CONTROL:
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
	       offset < CXL_COMPONENT_BLOCK_SIZE && size <= CXL_COMPONENT_BLOCK_SIZE - offset;
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

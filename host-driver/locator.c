// SPDX-License-Identifier: GPL-2.0-only
/* Register locator DVSEC (CXL 8.1.9). */
#include "locator.h"

int locator_find_component(const struct locator_reader *reader, struct locator_block *block)
{
	u32 length = reader->read(reader->context, CXL_DVSEC_HEADER1) >> CXL_DVSEC_LENGTH_SHIFT;
	u32 at;

	for (at = CXL_LOCATOR_FIRST_ENTRY; at + CXL_LOCATOR_ENTRY_SIZE <= length;
	     at += CXL_LOCATOR_ENTRY_SIZE) {
		u32 low = reader->read(reader->context, at);
		u32 high;

		if ((low & CXL_LOCATOR_BLOCK_MASK) >> CXL_LOCATOR_BLOCK_SHIFT !=
		    CXL_LOCATOR_BLOCK_COMPONENT)
			continue;
		high = reader->read(reader->context, at + 4);
		block->bar = low & CXL_LOCATOR_BIR_MASK;
		block->offset = ((u64)high << 32) | (low & CXL_LOCATOR_OFFSET_MASK);
		return block->bar > 5 ? -EINVAL : 0;
	}
	return -ENXIO;
}

int locator_check_fit(const struct locator_block *block, u64 bar_length)
{
	if (bar_length < CXL_COMPONENT_BLOCK_SIZE ||
	    block->offset > bar_length - CXL_COMPONENT_BLOCK_SIZE)
		return -EINVAL;
	return 0;
}

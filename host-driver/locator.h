/* SPDX-License-Identifier: GPL-2.0-only */
/* The register locator DVSEC: which BAR holds the component block (CXL 8.1.9). */
#ifndef CXL_VFIO_LOCATOR_H
#define CXL_VFIO_LOCATOR_H

#include "registers.h"

/* How to read config space: 32 bits at an offset from the start of the DVSEC, a multiple of 4. */
struct locator_reader {
	u32 (*read)(void *context, u32 offset);
	void *context;
};

/* Where the component block is. */
struct locator_block {
	u32 bar;
	u64 offset;
};

/*
 * Find the first component register block.
 * 0; -ENXIO: the DVSEC names none; -EINVAL: it names one in a BAR that does not exist (6 or 7).
 */
int locator_find_component(const struct locator_reader *reader, struct locator_block *block);

/*
 * Does the 64 KiB block fit in a BAR of @bar_length bytes?
 * 0; -EINVAL: it does not.
 */
int locator_check_fit(const struct locator_block *block, u64 bar_length);

#endif

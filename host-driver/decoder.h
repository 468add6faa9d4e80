/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The register shadow behind the COMP_REGS region: what user space reads and
 * what its writes do. Nothing written here ever reaches the hardware.
 *
 * The write rules are those of the contract generation that "layout" selects,
 * not those of the specification: the VMM on top owns the decoder that the
 * guest sees. One difference from both generations is deliberate: the shadow
 * never holds a host physical address.
 */
#ifndef CXL_VFIO_DECODER_H
#define CXL_VFIO_DECODER_H

#include "component.h"

struct decoder_shadow {
	enum cxl_layout layout;
	bool cache_capable; /* CXL device DVSEC, Cache_Capable */
	struct component_map map;
	u32 words[CXL_CM_SIZE / 4]; /* from the start of the CXL.mem area */
};

/*
 * Take over a fresh snapshot in shadow->words (component_snapshot()): BASE of every decoder becomes
 * 0; layout 2 also clears LOCK_ON_COMMIT, so that user space can program BASE again.
 */
void decoder_shadow_adopt(struct decoder_shadow *shadow);

/* No device answered after a reset: every decoder reads uncommitted and empty. */
void decoder_shadow_lose(struct decoder_shadow *shadow);

/* Bytes of the COMP_REGS region. */
u32 decoder_region_size(const struct decoder_shadow *shadow);

/* Read or write 32 bits at region offset @offset, a multiple of 4 below decoder_region_size(). */
u32 decoder_region_read(const struct decoder_shadow *shadow, u32 offset);
void decoder_region_write(struct decoder_shadow *shadow, u32 offset, u32 value);

#endif

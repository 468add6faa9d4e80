/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The body of the CXL device DVSEC as user space sees it (CXL 8.1.3).
 *
 * Accesses of any width and alignment work byte by byte: a write changes only
 * the bytes it covers, each register applies its own rule to them.
 */
#ifndef CXL_VFIO_DVSEC_H
#define CXL_VFIO_DVSEC_H

#include "registers.h"

struct dvsec_body {
	enum cxl_layout layout;
	u32 length;                            /* of the whole DVSEC, 0x38..0x40 */
	u8 bytes[CXL_DEVICE_DVSEC_MAX_LENGTH]; /* little-endian, from the start of the DVSEC */
};

/* What a write asks the hardware to do. */
struct dvsec_effects {
	bool cache_writeback; /* write back and invalidate the device's cache */
	bool caching;         /* Disable_Caching has changed */
	bool disable_caching; /* its value, for both of the above */
};

/*
 * Adopt the hardware's registers, @snapshot of @length bytes from the start of the DVSEC. Range
 * bases become 0 (they hold host physical addresses), IO_Enable and Mem_Enable read 1, a
 * CONFIG_LOCK set by firmware is kept. 0; -EINVAL: the DVSEC is shorter than 0x38.
 */
int dvsec_body_adopt(struct dvsec_body *body, enum cxl_layout layout, const u8 *snapshot,
		     u32 length);

/* Copy @count bytes from DVSEC offset @offset; both inside [0x0A, length). */
void dvsec_body_read(const struct dvsec_body *body, u32 offset, u8 *bytes, u32 count);

/* Apply a write of @count bytes at @offset, both inside [0x0A, length). */
void dvsec_body_write(struct dvsec_body *body, u32 offset, const u8 *bytes, u32 count,
		      struct dvsec_effects *effects);

/* The hardware's answer to effects->cache_writeback. */
void dvsec_body_cache_written(struct dvsec_body *body, bool invalid);

u16 dvsec_body_word(const struct dvsec_body *body, u32 offset);

/*
 * How long Memory_Active may take after a reset, in milliseconds, from Range1 Size Low
 * (CXL 8.1.3.8.2).
 */
u32 dvsec_active_timeout(u32 range_size_low);

#endif

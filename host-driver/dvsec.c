// SPDX-License-Identifier: GPL-2.0-only
/* Virtual body of the CXL device DVSEC (CXL 8.1.3). */
#include "dvsec.h"

u16 dvsec_body_word(const struct dvsec_body *body, u32 offset)
{
	if (offset + 2 > body->length)
		return 0;
	return (u16)(body->bytes[offset] | (body->bytes[offset + 1] << 8));
}

static void dvsec_set_word(struct dvsec_body *body, u32 offset, u32 value)
{
	body->bytes[offset] = (u8)value;
	body->bytes[offset + 1] = (u8)(value >> 8);
}

int dvsec_body_adopt(struct dvsec_body *body, enum cxl_layout layout, const u8 *snapshot,
		     u32 length)
{
	u32 control;

	if (length < CXL_DEVICE_DVSEC_MIN_LENGTH)
		return -EINVAL;
	if (length > CXL_DEVICE_DVSEC_MAX_LENGTH)
		length = CXL_DEVICE_DVSEC_MAX_LENGTH;
	memset(body, 0, sizeof(*body));
	body->layout = layout;
	body->length = length;
	memcpy(body->bytes, snapshot, length);

	control = dvsec_body_word(body, CXL_DEVICE_CONTROL);
	dvsec_set_word(body, CXL_DEVICE_CONTROL,
		       control | CXL_DEVICE_CONTROL_IO | CXL_DEVICE_CONTROL_MEM);
	memset(body->bytes + CXL_DEVICE_RANGE1_BASE_HIGH, 0, 8);
	memset(body->bytes + CXL_DEVICE_RANGE2_BASE_HIGH, 0, 8);
	return 0;
}

void dvsec_body_read(const struct dvsec_body *body, u32 offset, u8 *bytes, u32 count)
{
	memcpy(bytes, body->bytes + offset, count);
}

/*
 * RWL: Control. Mem_Enable stays 1 while the device is assigned: clearing it under a mapping can
 * take the host down.
 */
static void dvsec_write_control(struct dvsec_body *body, u32 value, u32 mask)
{
	u32 old = dvsec_body_word(body, CXL_DEVICE_CONTROL);

	if (dvsec_body_word(body, CXL_DEVICE_LOCK) & CXL_DEVICE_LOCK_CONFIG)
		return;
	mask &= ~CXL_DEVICE_CONTROL_RESERVED;
	if (!(dvsec_body_word(body, CXL_DEVICE_CAPABILITY3) & CXL_DEVICE_CAPABILITY3_P2P))
		mask &= ~CXL_DEVICE_CONTROL_P2P;
	value = (old & ~mask) | (value & mask);
	dvsec_set_word(body, CXL_DEVICE_CONTROL,
		       value | CXL_DEVICE_CONTROL_IO | CXL_DEVICE_CONTROL_MEM);
}

/* RW1C, one bit of a status register. */
static void dvsec_write_status(struct dvsec_body *body, u32 offset, u32 value, u32 mask, u32 bit)
{
	dvsec_set_word(body, offset, dvsec_body_word(body, offset) & ~(value & mask & bit));
}

/* Control2: what the capabilities allow is stored, the doorbells read 0. */
static void dvsec_write_control2(struct dvsec_body *body, u32 value, u32 mask,
				 struct dvsec_effects *effects)
{
	u32 capability = dvsec_body_word(body, CXL_DEVICE_CAPABILITY);
	u32 stored = CXL_DEVICE_CONTROL2_DISABLE_CACHING;
	u32 rung = value & mask;
	u32 before = dvsec_body_word(body, CXL_DEVICE_CONTROL2);

	if (capability & CXL_DEVICE_CAPABILITY_RESET_CLEAR)
		stored |= CXL_DEVICE_CONTROL2_RESET_CLEAR;
	if (dvsec_body_word(body, CXL_DEVICE_CAPABILITY3) & CXL_DEVICE_CAPABILITY3_CONFIGURABLE)
		stored |= CXL_DEVICE_CONTROL2_HDM_STATE;
	if (dvsec_body_word(body, CXL_DEVICE_CAPABILITY2) & CXL_DEVICE_CAPABILITY2_MODIFIED)
		stored |= CXL_DEVICE_CONTROL2_MODIFIED;
	value = (before & ~mask) | rung;
	dvsec_set_word(body, CXL_DEVICE_CONTROL2, value & stored);

	if ((before ^ value) & CXL_DEVICE_CONTROL2_DISABLE_CACHING)
		effects->caching = true;
	effects->disable_caching = value & CXL_DEVICE_CONTROL2_DISABLE_CACHING;
	if ((rung & CXL_DEVICE_CONTROL2_CACHE_WBI) &&
	    (capability & CXL_DEVICE_CAPABILITY_CACHE_WBI))
		effects->cache_writeback = true;
	if ((rung & CXL_DEVICE_CONTROL2_RESET) && (capability & CXL_DEVICE_CAPABILITY_RESET)) {
		/*
		 * A CXL reset concerns the whole device and needs the host's cooperation. It is
		 * refused in the specification's own words instead of letting the requester wait
		 * for an end that never comes.
		 */
		u32 status = dvsec_body_word(body, CXL_DEVICE_STATUS2);

		dvsec_set_word(body, CXL_DEVICE_STATUS2,
			       (status & ~CXL_DEVICE_STATUS2_RESET_COMPLETE) |
				       CXL_DEVICE_STATUS2_RESET_ERROR);
	}
}

/* RWO: once CONFIG_LOCK is set it stays until a reset. */
static void dvsec_write_lock(struct dvsec_body *body, u32 value, u32 mask)
{
	u32 lock = dvsec_body_word(body, CXL_DEVICE_LOCK);

	dvsec_set_word(body, CXL_DEVICE_LOCK, lock | (value & mask & CXL_DEVICE_LOCK_CONFIG));
}

/* Layout 2 stores range bases, of 256 MiB granularity; layout 3 drops them. */
static void dvsec_write_range_base(struct dvsec_body *body, u32 offset, const u8 *bytes, u32 count)
{
	bool low = (offset & ~3U) == CXL_DEVICE_RANGE1_BASE_LOW ||
		   (offset & ~3U) == CXL_DEVICE_RANGE2_BASE_LOW;

	if (body->layout == CXL_LAYOUT_V3)
		return;
	for (; count; count--, offset++, bytes++) {
		if (!low)
			body->bytes[offset] = *bytes;
		else if (offset % 4 == 3)
			body->bytes[offset] = *bytes & 0xf0;
	}
}

static void dvsec_write_register(struct dvsec_body *body, u32 offset, const u8 *bytes, u32 count,
				 struct dvsec_effects *effects)
{
	u32 word = offset & ~1U;
	u32 value = 0, mask = 0, i;

	if ((offset >= CXL_DEVICE_RANGE1_BASE_HIGH && offset < CXL_DEVICE_RANGE1_BASE_LOW + 4) ||
	    (offset >= CXL_DEVICE_RANGE2_BASE_HIGH && offset < CXL_DEVICE_RANGE2_BASE_LOW + 4)) {
		dvsec_write_range_base(body, offset, bytes, count);
		return;
	}
	for (i = 0; i < count; i++) {
		u32 shift = 8 * (offset + i - word);

		value |= (u32)bytes[i] << shift;
		mask |= 0xffU << shift;
	}
	switch (word) {
	case CXL_DEVICE_CONTROL:
		dvsec_write_control(body, value, mask);
		break;
	case CXL_DEVICE_STATUS:
		dvsec_write_status(body, word, value, mask, CXL_DEVICE_STATUS_VIRAL);
		break;
	case CXL_DEVICE_CONTROL2:
		dvsec_write_control2(body, value, mask, effects);
		break;
	case CXL_DEVICE_STATUS2:
		dvsec_write_status(body, word, value, mask, CXL_DEVICE_STATUS2_PRESERVATION_ERROR);
		break;
	case CXL_DEVICE_LOCK:
		dvsec_write_lock(body, value, mask);
		break;
	default: /* capabilities, range sizes: read-only */
		break;
	}
}

void dvsec_body_write(struct dvsec_body *body, u32 offset, const u8 *bytes, u32 count,
		      struct dvsec_effects *effects)
{
	memset(effects, 0, sizeof(*effects));
	/* All registers with a rule are 16 bits wide or tolerate to be written in 16-bit pieces. */
	while (count) {
		u32 piece = 2 - offset % 2;

		if (piece > count)
			piece = count;
		dvsec_write_register(body, offset, bytes, piece, effects);
		offset += piece;
		bytes += piece;
		count -= piece;
	}
}

void dvsec_body_cache_written(struct dvsec_body *body, bool invalid)
{
	u32 status = dvsec_body_word(body, CXL_DEVICE_STATUS2) & ~CXL_DEVICE_STATUS2_CACHE_INVALID;

	dvsec_set_word(body, CXL_DEVICE_STATUS2,
		       status | (invalid ? CXL_DEVICE_STATUS2_CACHE_INVALID : 0));
}

u32 dvsec_active_timeout(u32 range_size_low)
{
	u32 code =
		(range_size_low & CXL_DEVICE_RANGE_TIMEOUT_MASK) >> CXL_DEVICE_RANGE_TIMEOUT_SHIFT;

	/* 1, 4, 16, 64 or 256 seconds; the other codes are reserved. */
	return 1000U << (2 * (code < 4 ? code : 4));
}

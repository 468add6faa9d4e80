// SPDX-License-Identifier: GPL-2.0-only
/* HDM decoder shadow with the write rules of layouts 2 and 3 (registers: CXL 8.2.4.20). */
#include "decoder.h"

static u32 *decoder_registers(struct decoder_shadow *shadow, u32 index)
{
	u32 at = shadow->map.hdm_offset + CXL_HDM_DECODER_OFFSET + CXL_HDM_DECODER_SIZE * index;

	return shadow->words + at / 4;
}

void decoder_shadow_adopt(struct decoder_shadow *shadow)
{
	u32 i;

	for (i = 0; i < shadow->map.decoder_count; i++) {
		u32 *decoder = decoder_registers(shadow, i);

		decoder[CXL_DECODER_BASE_LOW / 4] = 0;
		decoder[CXL_DECODER_BASE_HIGH / 4] = 0;
		if (shadow->layout == CXL_LAYOUT_V2)
			decoder[CXL_DECODER_CONTROL / 4] &= ~CXL_DECODER_LOCK_ON_COMMIT;
	}
}

void decoder_shadow_lose(struct decoder_shadow *shadow)
{
	u32 i;

	for (i = 0; i < shadow->map.decoder_count; i++)
		memset(decoder_registers(shadow, i), 0, CXL_HDM_DECODER_SIZE);
}

u32 decoder_region_size(const struct decoder_shadow *shadow)
{
	if (shadow->layout == CXL_LAYOUT_V3)
		return CXL_COMPONENT_BLOCK_SIZE;
	return component_snapshot_length(&shadow->map);
}

/* Region offset to offset in the CXL.mem area; false outside of what is modelled. */
static bool decoder_area_offset(const struct decoder_shadow *shadow, u32 offset, u32 *area)
{
	if (shadow->layout == CXL_LAYOUT_V3) {
		if (offset < CXL_CM_OFFSET)
			return false;
		offset -= CXL_CM_OFFSET;
	}
	*area = offset;
	return offset < component_snapshot_length(&shadow->map);
}

u32 decoder_region_read(const struct decoder_shadow *shadow, u32 offset)
{
	u32 area;

	return decoder_area_offset(shadow, offset, &area) ? shadow->words[area / 4] : 0;
}

/* Layout 2: fields freeze on LOCK_ON_COMMIT only, and COMMITTED follows COMMIT at once. */
static u32 decoder_control_v2(const struct decoder_shadow *shadow, u32 capability, u32 old,
			      u32 value)
{
	u32 keep = CXL_DECODER_COMMITTED | CXL_DECODER_ERR_NOT_COMMITTED | CXL_DECODER_HOST_ONLY;

	if (old & CXL_DECODER_LOCK_ON_COMMIT) {
		if (value & CXL_DECODER_LOCK_ON_COMMIT)
			return old;
		return old & ~CXL_DECODER_LOCK_ON_COMMIT;
	}
	value &= ~(CXL_DECODER_RESERVED_MASK | keep);
	value |= old & keep;
	if (!shadow->cache_capable)
		value &= ~CXL_DECODER_BI;
	if (!(capability & CXL_HDM_CAPABILITY_UIO))
		value &= ~(CXL_DECODER_UIO | CXL_DECODER_ISP_MASK);
	if (value & CXL_DECODER_COMMIT)
		return value | CXL_DECODER_COMMITTED;
	return value & ~CXL_DECODER_COMMITTED;
}

static void decoder_write_v2(struct decoder_shadow *shadow, u32 capability, u32 *decoder, u32 at,
			     u32 value)
{
	u32 *control = decoder + CXL_DECODER_CONTROL / 4;

	switch (at) {
	case CXL_DECODER_BASE_LOW:
	case CXL_DECODER_SIZE_LOW:
		value &= CXL_DECODER_ADDRESS_MASK;
		break;
	case CXL_DECODER_BASE_HIGH:
	case CXL_DECODER_SIZE_HIGH:
		break;
	case CXL_DECODER_CONTROL:
		*control = decoder_control_v2(shadow, capability, *control, value);
		return;
	default:
		return;
	}
	if (!(*control & CXL_DECODER_LOCK_ON_COMMIT))
		decoder[at / 4] = value;
}

/* Layout 3: fields freeze on COMMITTED too, and giving up COMMIT gives up the lock as well. */
static u32 decoder_control_v3(u32 old, u32 value)
{
	if (old & CXL_DECODER_COMMITTED) {
		if (value & CXL_DECODER_COMMIT)
			return old;
		return old &
		       ~(CXL_DECODER_COMMIT | CXL_DECODER_COMMITTED | CXL_DECODER_LOCK_ON_COMMIT);
	}
	value &= ~(CXL_DECODER_COMMITTED | CXL_DECODER_ERR_NOT_COMMITTED);
	if (value & CXL_DECODER_COMMIT)
		value |= CXL_DECODER_COMMITTED;
	return value;
}

static void decoder_write_v3(u32 *decoder, u32 at, u32 value)
{
	u32 *control = decoder + CXL_DECODER_CONTROL / 4;

	switch (at) {
	case CXL_DECODER_BASE_LOW:
	case CXL_DECODER_BASE_HIGH:
	case CXL_DECODER_SIZE_LOW:
	case CXL_DECODER_SIZE_HIGH:
		if (*control & (CXL_DECODER_COMMITTED | CXL_DECODER_LOCK_ON_COMMIT))
			return;
		decoder[at / 4] = value;
		return;
	case CXL_DECODER_CONTROL:
		*control = decoder_control_v3(*control, value);
		return;
	default:
		decoder[at / 4] = value;
	}
}

static u32 decoder_global_control(const struct decoder_shadow *shadow, u32 capability, u32 value)
{
	if (shadow->layout == CXL_LAYOUT_V3)
		return value;
	value &= CXL_HDM_GLOBAL_POISON | CXL_HDM_GLOBAL_ENABLE;
	if (!(capability & CXL_HDM_CAPABILITY_POISON))
		value &= ~CXL_HDM_GLOBAL_POISON;
	return value;
}

void decoder_region_write(struct decoder_shadow *shadow, u32 offset, u32 value)
{
	u32 *hdm = shadow->words + shadow->map.hdm_offset / 4;
	u32 capability = hdm[CXL_HDM_CAPABILITY / 4];
	u32 area, at, index;

	if (!decoder_area_offset(shadow, offset, &area) || area < shadow->map.hdm_offset)
		return;
	at = area - shadow->map.hdm_offset;
	if (at == CXL_HDM_GLOBAL_CONTROL) {
		hdm[at / 4] = decoder_global_control(shadow, capability, value);
		return;
	}
	if (at < CXL_HDM_DECODER_OFFSET)
		return;
	index = (at - CXL_HDM_DECODER_OFFSET) / CXL_HDM_DECODER_SIZE;
	if (index >= shadow->map.decoder_count)
		return;
	at = (at - CXL_HDM_DECODER_OFFSET) % CXL_HDM_DECODER_SIZE;
	if (shadow->layout == CXL_LAYOUT_V3)
		decoder_write_v3(decoder_registers(shadow, index), at, value);
	else
		decoder_write_v2(shadow, capability, decoder_registers(shadow, index), at, value);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "passthrough/view/dvsec_body.h"

#include <errno.h>
#include <string.h>

#include "core/bytes.h"
#include "passthrough/transport/capability_chain.h"
#include "wire/cxl_regs.h"

/* CXL 8.1.3.8: the words of the ranges, from the DVSEC's start */
#define RANGE1_SIZE_HI (CXL_DEVICE_RANGE1 + CXL_RANGE_SIZE_HIGH)
#define RANGE1_SIZE_LO (CXL_DEVICE_RANGE1 + CXL_RANGE_SIZE_LOW)
#define RANGE1_BASE_HI (CXL_DEVICE_RANGE1 + CXL_RANGE_BASE_HIGH)
#define RANGE1_BASE_LO (CXL_DEVICE_RANGE1 + CXL_RANGE_BASE_LOW)
#define RANGE2_END     (CXL_DEVICE_RANGE2 + CXL_DEVICE_RANGE_STRIDE)

#define CAPABILITY_HDM_COUNT CXL_DEVICE_CAPABILITY_HDM_COUNT(3u)
#define RANGE_SIZE_LOW_INFO  0x0000fffcu /* what the device says about the kind of memory */

static uint16_t body_word(const struct cxl_dvsec_body *body, uint32_t offset)
{
	return offset + 2 <= body->length ? bytes_get_le16(body->registers + offset) : 0;
}

static void body_set_word(struct cxl_dvsec_body *body, uint32_t offset, uint32_t value)
{
	body->registers[offset] = (uint8_t)value;
	body->registers[offset + 1] = (uint8_t)(value >> 8);
}

static void body_set_long(struct cxl_dvsec_body *body, uint32_t offset, uint32_t value)
{
	body_set_word(body, offset, value & UINT16_MAX);
	body_set_word(body, offset + 2, value >> 16);
}

int cxl_dvsec_body_init(struct cxl_dvsec_body *body, const uint8_t *dvsec, uint32_t length,
			const struct cxl_dvsec_options *options)
{
	uint32_t info, capability;

	memset(body, 0, sizeof(*body));
	if (length < CXL_DVSEC_MIN_LENGTH)
		return -EINVAL;
	body->options = *options;
	body->length = length < CXL_DVSEC_MAX_LENGTH ? length : CXL_DVSEC_MAX_LENGTH;
	memcpy(body->registers, dvsec, body->length);
	capability = bytes_get_le16(dvsec + CXL_DEVICE_CAPABILITY);
	if (!(capability & CXL_DEVICE_CAPABILITY_MEM))
		return -EINVAL;
	/*
	 * One range covers all device memory. Not offered: what only the owner of the physical
	 * device can promise (memory clearing, logical devices).
	 */
	capability &=
		~(CAPABILITY_HDM_COUNT | CXL_DEVICE_CAPABILITY_CLEAR | CXL_DEVICE_CAPABILITY_MLD |
		  (options->reset_capable ? 0 : CXL_DEVICE_CAPABILITY_RESET));
	body_set_word(body, CXL_DEVICE_CAPABILITY, capability | 1u << 4);
	body_set_word(body, CXL_DEVICE_CONTROL,
		      CXL_DEVICE_CONTROL_IO | (options->committed ? CXL_DEVICE_CONTROL_MEM : 0));
	body_set_word(body, CXL_DEVICE_STATUS, 0);
	body_set_word(body, CXL_DEVICE_CONTROL2, 0);
	body_set_word(body, CXL_DEVICE_STATUS2, CXL_DEVICE_STATUS2_PM_INIT);
	body_set_word(body, CXL_DEVICE_LOCK, 0);
	info = bytes_get_le32(dvsec + RANGE1_SIZE_LO) & RANGE_SIZE_LOW_INFO;
	body_set_long(body, RANGE1_SIZE_HI, (uint32_t)(options->range_size >> 32));
	body_set_long(body, RANGE1_SIZE_LO,
		      ((uint32_t)options->range_size & CXL_RANGE_LOW_MASK) | info |
			      CXL_RANGE_SIZE_VALID);
	body_set_long(body, RANGE1_BASE_HI,
		      options->committed ? (uint32_t)(options->range_base >> 32) : 0);
	body_set_long(body, RANGE1_BASE_LO,
		      options->committed ? (uint32_t)options->range_base & CXL_RANGE_LOW_MASK : 0);
	memset(body->registers + CXL_DEVICE_RANGE2, 0, RANGE2_END - CXL_DEVICE_RANGE2);
	memcpy(body->initial, body->registers, sizeof(body->initial));
	return 0;
}

uint32_t cxl_dvsec_body_read(const struct cxl_dvsec_body *body, uint32_t offset, unsigned int size)
{
	uint32_t value = 0;

	for (unsigned int i = 0; i < size; i++)
		if (offset + i < body->length)
			value |= (uint32_t)body->registers[offset + i] << (8 * i);
	return value;
}

/* The bits of the 16-bit register at @offset that a write stores (RWL ones respect the lock). */
static uint32_t body_writable(const struct cxl_dvsec_body *body, uint32_t offset)
{
	uint32_t capability = body_word(body, CXL_DEVICE_CAPABILITY);
	uint32_t capability3 = body_word(body, CXL_DEVICE_CAPABILITY3);
	uint32_t mask = 0;

	switch (offset) {
	case CXL_DEVICE_CONTROL:
		if (body_word(body, CXL_DEVICE_LOCK) & CXL_DEVICE_LOCK_CONFIG)
			return 0;
		mask = CXL_DEVICE_CONTROL_SNOOP;
		if (capability & CXL_DEVICE_CAPABILITY_CACHE)
			mask |= CXL_DEVICE_CONTROL_CACHE;
		if (!body->options.committed)
			mask |= CXL_DEVICE_CONTROL_MEM;
		if (capability3 & CXL_DEVICE_CAPABILITY3_P2P)
			mask |= CXL_DEVICE_CONTROL_P2P;
		if (capability & CXL_DEVICE_CAPABILITY_VIRAL)
			mask |= CXL_DEVICE_CONTROL_VIRAL;
		return mask;
	case CXL_DEVICE_CONTROL2:
		mask = CXL_DEVICE_CONTROL2_DISABLE_CACHING;
		if (capability3 & CXL_DEVICE_CAPABILITY3_VOLATILE)
			mask |= CXL_DEVICE_CONTROL2_VOLATILE_STATE;
		if (body_word(body, CXL_DEVICE_CAPABILITY2) & CXL_DEVICE_CAPABILITY2_COMPLETION)
			mask |= CXL_DEVICE_CONTROL2_COMPLETION;
		return mask;
	case CXL_DEVICE_LOCK:
		/* RWO: once set it stays until a reset. */
		return body_word(body, CXL_DEVICE_LOCK) & CXL_DEVICE_LOCK_CONFIG
			       ? 0
			       : CXL_DEVICE_LOCK_CONFIG;
	default:
		return 0;
	}
}

static uint32_t body_write_1_to_clear(uint32_t offset)
{
	return offset == CXL_DEVICE_STATUS    ? CXL_DEVICE_STATUS_VIRAL
	       : offset == CXL_DEVICE_STATUS2 ? CXL_DEVICE_STATUS2_PRESERVATION
					      : 0;
}

/* The doorbells of Control2 read 0 always; what they start is over before the write returns. */
static void body_ring(struct cxl_dvsec_body *body, uint32_t written)
{
	uint32_t status = body_word(body, CXL_DEVICE_STATUS2);

	/* There is no cache of ours: nothing is dirty as soon as caching is off. */
	if (!(body_word(body, CXL_DEVICE_CONTROL2) & CXL_DEVICE_CONTROL2_DISABLE_CACHING))
		status &= ~CXL_DEVICE_STATUS2_CACHE_INVALID;
	if (written & CXL_DEVICE_CONTROL2_WRITE_BACK)
		status |= CXL_DEVICE_STATUS2_CACHE_INVALID;
	if ((written & CXL_DEVICE_CONTROL2_RESET) &&
	    (body_word(body, CXL_DEVICE_CAPABILITY) & CXL_DEVICE_CAPABILITY_RESET)) {
		int result = body->options.reset ? body->options.reset(body->options.opaque) : 0;

		status &= ~(CXL_DEVICE_STATUS2_RESET_COMPLETE | CXL_DEVICE_STATUS2_RESET_ERROR);
		status |=
			result ? CXL_DEVICE_STATUS2_RESET_ERROR : CXL_DEVICE_STATUS2_RESET_COMPLETE;
	}
	body_set_word(body, CXL_DEVICE_STATUS2, status);
}

void cxl_dvsec_body_write(struct cxl_dvsec_body *body, uint32_t offset, unsigned int size,
			  uint32_t value)
{
	/* Register by register, so that a dword that covers two of them updates both. */
	for (uint32_t at = offset & ~1u; at < offset + size; at += 2) {
		uint32_t bytes = 0, written = 0, mask, stored;

		for (uint32_t i = 0; i < 2; i++) {
			if (at + i < offset || at + i >= offset + size)
				continue;
			bytes |= (uint32_t)UINT8_MAX << (8 * i);
			written |= (value >> (8 * (at + i - offset)) & UINT8_MAX) << (8 * i);
		}
		if (at < CXL_DVSEC_BODY_OFFSET || at + 2 > body->length)
			continue;
		mask = body_writable(body, at) & bytes;
		stored = (body_word(body, at) & ~mask) | (written & mask);
		stored &= ~(written & body_write_1_to_clear(at));
		body_set_word(body, at, stored);
		if (at == CXL_DEVICE_CONTROL2)
			body_ring(body, written);
	}
}

void cxl_dvsec_body_reset(struct cxl_dvsec_body *body)
{
	uint32_t viral = body_word(body, CXL_DEVICE_STATUS) & CXL_DEVICE_STATUS_VIRAL;
	uint32_t preservation =
		body_word(body, CXL_DEVICE_STATUS2) & CXL_DEVICE_STATUS2_PRESERVATION;

	memcpy(body->registers, body->initial, sizeof(body->registers));
	body_set_word(body, CXL_DEVICE_STATUS, body_word(body, CXL_DEVICE_STATUS) | viral);
	body_set_word(body, CXL_DEVICE_STATUS2, body_word(body, CXL_DEVICE_STATUS2) | preservation);
}

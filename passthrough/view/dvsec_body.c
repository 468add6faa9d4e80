/* SPDX-License-Identifier: Apache-2.0 */
#include "passthrough/view/dvsec_body.h"

#include <errno.h>
#include <string.h>

#include "core/bytes.h"
#include "passthrough/transport/capability_chain.h"

/* CXL 8.1.3: registers, from the DVSEC's start */
#define CAPABILITY     0x0au
#define CONTROL        0x0cu
#define STATUS         0x0eu
#define CONTROL2       0x10u
#define STATUS2        0x12u
#define LOCK           0x14u
#define CAPABILITY2    0x16u
#define RANGE1_SIZE_HI 0x18u
#define RANGE1_SIZE_LO 0x1cu
#define RANGE1_BASE_HI 0x20u
#define RANGE1_BASE_LO 0x24u
#define RANGE2         0x28u
#define RANGE2_END     0x38u
#define CAPABILITY3    0x38u

/* CXL 8.1.3.1 */
#define CAPABILITY_CACHE     (1u << 0)
#define CAPABILITY_MEM       (1u << 2)
#define CAPABILITY_HDM_COUNT (3u << 4)
#define CAPABILITY_RESET     (1u << 7)
#define CAPABILITY_CLEAR     (1u << 11)
#define CAPABILITY_MLD       (1u << 13)
#define CAPABILITY_VIRAL     (1u << 14)
/* CXL 8.1.3.2 */
#define CONTROL_CACHE (1u << 0)
#define CONTROL_IO    (1u << 1)
#define CONTROL_MEM   (1u << 2)
#define CONTROL_SNOOP 0x0ff8u /* coverage, granularity, clean eviction */
#define CONTROL_P2P   (1u << 12)
#define CONTROL_VIRAL (1u << 14)
/* CXL 8.1.3.3 */
#define STATUS_VIRAL (1u << 14)
/* CXL 8.1.3.4 */
#define CONTROL2_DISABLE_CACHING (1u << 0)
#define CONTROL2_WRITE_BACK      (1u << 1)
#define CONTROL2_RESET           (1u << 2)
#define CONTROL2_VOLATILE_STATE  (1u << 4)
#define CONTROL2_COMPLETION      (1u << 5)
/* CXL 8.1.3.5 */
#define STATUS2_CACHE_INVALID  (1u << 0)
#define STATUS2_RESET_COMPLETE (1u << 1)
#define STATUS2_RESET_ERROR    (1u << 2)
#define STATUS2_PRESERVATION   (1u << 3)
#define STATUS2_PM_INIT        (1u << 15)
/* CXL 8.1.3.6, 8.1.3.7, 8.1.3.8.2, 8.1.3.9 */
#define LOCK_CONFIG            (1u << 0)
#define CAPABILITY2_COMPLETION (1u << 6)
#define RANGE_SIZE_LOW_INFO    0x0000fffcu /* what the device says about the kind of memory */
#define RANGE_LOW_MASK         0xf0000000u /* multiples of 256 MiB */
#define RANGE_SIZE_LOW_VALID   3u          /* Memory_Info_Valid, Memory_Active */
#define CAPABILITY3_VOLATILE   (1u << 3)
#define CAPABILITY3_P2P        (1u << 4)

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
	capability = bytes_get_le16(dvsec + CAPABILITY);
	if (!(capability & CAPABILITY_MEM))
		return -EINVAL;
	/*
	 * One range covers all device memory. Not offered: what only the owner of the physical
	 * device can promise (memory clearing, logical devices).
	 */
	capability &= ~(CAPABILITY_HDM_COUNT | CAPABILITY_CLEAR | CAPABILITY_MLD |
			(options->reset_capable ? 0 : CAPABILITY_RESET));
	body_set_word(body, CAPABILITY, capability | 1u << 4);
	body_set_word(body, CONTROL, CONTROL_IO | (options->committed ? CONTROL_MEM : 0));
	body_set_word(body, STATUS, 0);
	body_set_word(body, CONTROL2, 0);
	body_set_word(body, STATUS2, STATUS2_PM_INIT);
	body_set_word(body, LOCK, 0);
	info = bytes_get_le32(dvsec + RANGE1_SIZE_LO) & RANGE_SIZE_LOW_INFO;
	body_set_long(body, RANGE1_SIZE_HI, (uint32_t)(options->range_size >> 32));
	body_set_long(body, RANGE1_SIZE_LO,
		      ((uint32_t)options->range_size & RANGE_LOW_MASK) | info |
			      RANGE_SIZE_LOW_VALID);
	body_set_long(body, RANGE1_BASE_HI,
		      options->committed ? (uint32_t)(options->range_base >> 32) : 0);
	body_set_long(body, RANGE1_BASE_LO,
		      options->committed ? (uint32_t)options->range_base & RANGE_LOW_MASK : 0);
	memset(body->registers + RANGE2, 0, RANGE2_END - RANGE2);
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
	uint32_t capability = body_word(body, CAPABILITY);
	uint32_t capability3 = body_word(body, CAPABILITY3);
	uint32_t mask = 0;

	switch (offset) {
	case CONTROL:
		if (body_word(body, LOCK) & LOCK_CONFIG)
			return 0;
		mask = CONTROL_SNOOP;
		if (capability & CAPABILITY_CACHE)
			mask |= CONTROL_CACHE;
		if (!body->options.committed)
			mask |= CONTROL_MEM;
		if (capability3 & CAPABILITY3_P2P)
			mask |= CONTROL_P2P;
		if (capability & CAPABILITY_VIRAL)
			mask |= CONTROL_VIRAL;
		return mask;
	case CONTROL2:
		mask = CONTROL2_DISABLE_CACHING;
		if (capability3 & CAPABILITY3_VOLATILE)
			mask |= CONTROL2_VOLATILE_STATE;
		if (body_word(body, CAPABILITY2) & CAPABILITY2_COMPLETION)
			mask |= CONTROL2_COMPLETION;
		return mask;
	case LOCK:
		/* RWO: once set it stays until a reset. */
		return body_word(body, LOCK) & LOCK_CONFIG ? 0 : LOCK_CONFIG;
	default:
		return 0;
	}
}

static uint32_t body_write_1_to_clear(uint32_t offset)
{
	return offset == STATUS ? STATUS_VIRAL : offset == STATUS2 ? STATUS2_PRESERVATION : 0;
}

/* The doorbells of Control2 read 0 always; what they start is over before the write returns. */
static void body_ring(struct cxl_dvsec_body *body, uint32_t written)
{
	uint32_t status = body_word(body, STATUS2);

	/* There is no cache of ours: nothing is dirty as soon as caching is off. */
	if (!(body_word(body, CONTROL2) & CONTROL2_DISABLE_CACHING))
		status &= ~STATUS2_CACHE_INVALID;
	if (written & CONTROL2_WRITE_BACK)
		status |= STATUS2_CACHE_INVALID;
	if ((written & CONTROL2_RESET) && (body_word(body, CAPABILITY) & CAPABILITY_RESET)) {
		int result = body->options.reset ? body->options.reset(body->options.opaque) : 0;

		status &= ~(STATUS2_RESET_COMPLETE | STATUS2_RESET_ERROR);
		status |= result ? STATUS2_RESET_ERROR : STATUS2_RESET_COMPLETE;
	}
	body_set_word(body, STATUS2, status);
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
		if (at == CONTROL2)
			body_ring(body, written);
	}
}

void cxl_dvsec_body_reset(struct cxl_dvsec_body *body)
{
	uint32_t viral = body_word(body, STATUS) & STATUS_VIRAL;
	uint32_t preservation = body_word(body, STATUS2) & STATUS2_PRESERVATION;

	memcpy(body->registers, body->initial, sizeof(body->registers));
	body_set_word(body, STATUS, body_word(body, STATUS) | viral);
	body_set_word(body, STATUS2, body_word(body, STATUS2) | preservation);
}

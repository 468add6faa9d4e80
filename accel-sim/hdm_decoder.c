/* SPDX-License-Identifier: Apache-2.0 */
#include "accel-sim/hdm_decoder.h"

#include <string.h>

/* Capability bits 8 and 9: interleave on address bits 11:8 and 14:12; no 3/6/12 or 16 ways. */
#define SIM_HDM_CAPABILITY_INTERLEAVE                                                              \
	(HDM_CAPABILITY_INTERLEAVE_11_8 | HDM_CAPABILITY_INTERLEAVE_14_12)
#define SIM_HDM_MAX_GRANULARITY 6u
#define SIM_HDM_MAX_WAYS_CODE   3u /* 8 ways */

uint32_t sim_hdm_count_code(unsigned int count)
{
	return count <= 1 ? 0 : count / 2;
}

void sim_hdm_reset(struct sim_hdm *hdm)
{
	hdm->global_control = 0;
	memset(hdm->decoders, 0, sizeof(hdm->decoders));
	if (hdm->host_only) {
		for (unsigned int n = 0; n < hdm->count; n++)
			hdm->decoders[n].control = HDM_CONTROL_HOST_ONLY;
	}
}

void sim_hdm_init(struct sim_hdm *hdm, unsigned int count, uint64_t dpa_size, bool host_only)
{
	memset(hdm, 0, sizeof(*hdm));
	hdm->count = count > SIM_MAX_DECODERS ? SIM_MAX_DECODERS : count;
	hdm->capability = sim_hdm_count_code(hdm->count) | SIM_HDM_CAPABILITY_INTERLEAVE;
	hdm->dpa_size = dpa_size / SIM_HDM_UNIT * SIM_HDM_UNIT;
	hdm->host_only = host_only;
	sim_hdm_reset(hdm);
}

void sim_hdm_firmware_commit(struct sim_hdm *hdm, uint64_t base)
{
	struct sim_decoder *decoder = &hdm->decoders[0];

	decoder->base = base;
	decoder->size = hdm->dpa_size;
	decoder->control |= HDM_CONTROL_COMMIT | HDM_CONTROL_COMMITTED | HDM_CONTROL_LOCK_ON_COMMIT;
	hdm->global_control = HDM_GLOBAL_ENABLE;
}

bool sim_hdm_committed(const struct sim_hdm *hdm, unsigned int n)
{
	return n < hdm->count && (hdm->decoders[n].control & HDM_CONTROL_COMMITTED);
}

/* Device memory that decoder n takes: its skip and its share of an interleaved range. */
static uint64_t sim_hdm_used(const struct sim_decoder *decoder)
{
	uint32_t ways = (decoder->control & HDM_CONTROL_WAYS_MASK) >> 4;
	uint64_t used;

	if (__builtin_add_overflow(decoder->skip, decoder->size >> ways, &used))
		return UINT64_MAX;
	return used;
}

/* May decoder n be committed as it is programmed? CXL 8.2.4.20.12, "Committing Decoder Programming"
 */
static bool sim_hdm_valid(const struct sim_hdm *hdm, unsigned int n)
{
	const struct sim_decoder *decoder = &hdm->decoders[n];
	uint64_t end, total = 0;

	if (((decoder->control & HDM_CONTROL_WAYS_MASK) >> 4) > SIM_HDM_MAX_WAYS_CODE ||
	    (decoder->control & HDM_CONTROL_GRANULARITY_MASK) > SIM_HDM_MAX_GRANULARITY)
		return false;
	if (decoder->size == 0 || decoder->base % SIM_HDM_UNIT != 0 ||
	    decoder->size % SIM_HDM_UNIT != 0 ||
	    __builtin_add_overflow(decoder->base, decoder->size, &end))
		return false;
	if (n > 0) {
		const struct sim_decoder *below = &hdm->decoders[n - 1];

		if (!sim_hdm_committed(hdm, n - 1) || decoder->base < below->base + below->size)
			return false;
	}
	/* Committed again after being released below a committed one: nothing orders the two. */
	for (unsigned int i = n + 1; i < hdm->count; i++) {
		if (sim_hdm_committed(hdm, i))
			return false;
	}
	for (unsigned int i = 0; i <= n; i++) {
		if (__builtin_add_overflow(total, sim_hdm_used(&hdm->decoders[i]), &total))
			return false;
	}
	return total <= hdm->dpa_size;
}

/* CXL 8.2.4.20.7: what a write of the control register does in each state */
static void sim_hdm_write_control(struct sim_hdm *hdm, unsigned int n, uint32_t value)
{
	struct sim_decoder *decoder = &hdm->decoders[n];
	const uint32_t fields = HDM_CONTROL_GRANULARITY_MASK | HDM_CONTROL_WAYS_MASK |
				HDM_CONTROL_LOCK_ON_COMMIT | HDM_CONTROL_HOST_ONLY;

	if (decoder->control & HDM_CONTROL_COMMITTED) {
		/* Locked until reset; else only COMMIT can change, and that releases the range. */
		if (!(decoder->control & HDM_CONTROL_LOCK_ON_COMMIT) &&
		    !(value & HDM_CONTROL_COMMIT))
			decoder->control &= ~(HDM_CONTROL_COMMIT | HDM_CONTROL_COMMITTED);
		return;
	}
	decoder->control = (decoder->control & ~fields) | (value & fields);
	if (!(value & HDM_CONTROL_COMMIT)) {
		decoder->control &= ~(HDM_CONTROL_COMMIT | HDM_CONTROL_ERROR_NOT_COMMITTED);
		return;
	}
	if (decoder->control & HDM_CONTROL_COMMIT)
		return; /* still in the error state: software has to clear COMMIT first */
	decoder->control |= HDM_CONTROL_COMMIT;
	decoder->control |=
		sim_hdm_valid(hdm, n) ? HDM_CONTROL_COMMITTED : HDM_CONTROL_ERROR_NOT_COMMITTED;
}

uint32_t sim_hdm_read(const struct sim_hdm *hdm, uint32_t offset)
{
	const struct sim_decoder *decoder;

	if (offset == HDM_DECODER_CAPABILITY)
		return hdm->capability;
	if (offset == HDM_DECODER_GLOBAL_CONTROL)
		return hdm->global_control;
	if (offset < SIM_HDM_DECODER(0) || offset >= HDM_DECODER_BLOCK_SIZE(hdm->count))
		return 0;
	decoder = &hdm->decoders[(offset - SIM_HDM_DECODER(0)) / HDM_DECODER_STRIDE];
	switch ((offset - SIM_HDM_DECODER(0)) % HDM_DECODER_STRIDE) {
	case SIM_HDM_BASE_LOW:
		return (uint32_t)decoder->base;
	case SIM_HDM_BASE_HIGH:
		return (uint32_t)(decoder->base >> 32);
	case SIM_HDM_SIZE_LOW:
		return (uint32_t)decoder->size;
	case SIM_HDM_SIZE_HIGH:
		return (uint32_t)(decoder->size >> 32);
	case SIM_HDM_CONTROL:
		return decoder->control;
	case SIM_HDM_SKIP_LOW:
		return (uint32_t)decoder->skip;
	case SIM_HDM_SKIP_HIGH:
		return (uint32_t)(decoder->skip >> 32);
	default:
		return 0;
	}
}

static void sim_hdm_set_half(uint64_t *field, bool high, uint32_t value)
{
	if (high)
		*field = (*field & UINT32_MAX) | (uint64_t)value << 32;
	else
		*field = (*field & ~(uint64_t)UINT32_MAX) | (value & CXL_RANGE_LOW_MASK);
}

void sim_hdm_write(struct sim_hdm *hdm, uint32_t offset, uint32_t value, uint32_t mask)
{
	struct sim_decoder *decoder;
	uint32_t merged = (sim_hdm_read(hdm, offset) & ~mask) | (value & mask);
	uint32_t reg;
	unsigned int n;

	if (offset == HDM_DECODER_GLOBAL_CONTROL) {
		/* Poison on decode error is not offered (capability bit 10), so bit 0 stays 0. */
		hdm->global_control = merged & HDM_GLOBAL_ENABLE;
		return;
	}
	if (offset < SIM_HDM_DECODER(0) || offset >= HDM_DECODER_BLOCK_SIZE(hdm->count))
		return;
	n = (offset - SIM_HDM_DECODER(0)) / HDM_DECODER_STRIDE;
	reg = (offset - SIM_HDM_DECODER(0)) % HDM_DECODER_STRIDE;
	decoder = &hdm->decoders[n];
	if (reg == SIM_HDM_CONTROL) {
		sim_hdm_write_control(hdm, n, merged);
		return;
	}
	if (decoder->control & HDM_CONTROL_COMMITTED)
		return; /* RWL fields: frozen while committed */
	if (reg == SIM_HDM_BASE_LOW || reg == SIM_HDM_BASE_HIGH)
		sim_hdm_set_half(&decoder->base, reg == SIM_HDM_BASE_HIGH, merged);
	else if (reg == SIM_HDM_SIZE_LOW || reg == SIM_HDM_SIZE_HIGH)
		sim_hdm_set_half(&decoder->size, reg == SIM_HDM_SIZE_HIGH, merged);
	else if (reg == SIM_HDM_SKIP_LOW || reg == SIM_HDM_SKIP_HIGH)
		sim_hdm_set_half(&decoder->skip, reg == SIM_HDM_SKIP_HIGH, merged);
}

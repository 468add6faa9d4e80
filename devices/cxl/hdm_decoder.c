/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/cxl/hdm_decoder.h"

#include <errno.h>
#include <stddef.h>

#define HDM_ADDRESS_MASK 0xf0000000u /* low halves of base, size and skip (8.2.4.20.3 to .9) */

/* What software may write in a decoder's control register: ways, granularity, lock, commit. BI,
 * UIO and the upper interleave fields are of features that the capability does not offer. */
#define HDM_CONTROL_WRITABLE 0x03ffu

/* Decoder Count (8.2.4.20.1), index is the code. */
static const uint8_t hdm_count_codes[] = {1, 2, 4, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32};

/* Interleave Ways (8.2.4.20.7), index is the code; 0: reserved. */
static const uint8_t hdm_ways[16] = {
	[0] = 1, [1] = 2, [2] = 4, [3] = 8, [4] = 16, [8] = 3, [9] = 6, [10] = 12,
};

#define HDM_GRANULARITY_CODES 7u /* 256 B to 16 KiB */

static int hdm_count_code(unsigned int count)
{
	for (unsigned int code = 0; code < sizeof(hdm_count_codes); code++)
		if (hdm_count_codes[code] == count)
			return (int)code;
	return -EINVAL;
}

/* The target type bit where it is hardwired. */
static uint32_t hdm_control_initial(const struct hdm_decoder_options *options)
{
	return options->device_coherent ? 0 : HDM_CONTROL_HOST_ONLY;
}

static void hdm_decoder_clear(struct hdm_decoder_block *block)
{
	block->global_control = 0;
	for (unsigned int i = 0; i < HDM_DECODER_MAX; i++)
		block->decoders[i] = (struct hdm_decoder_state){
			.control = hdm_control_initial(&block->options),
		};
}

int hdm_decoder_init(struct hdm_decoder_block *block, const struct hdm_decoder_options *options)
{
	int code = hdm_count_code(options->count);
	uint64_t end;

	if (code < 0 || (!options->device_coherent && !options->host_only) ||
	    (options->interleave & ~HDM_CAPABILITY_INTERLEAVE))
		return -EINVAL;
	if (options->targets > 8 || (options->targets & (options->targets - 1u)))
		return -EINVAL;
	if ((options->window_base | options->window_size) % HDM_DECODER_GRANULARITY ||
	    __builtin_add_overflow(options->window_base, options->window_size, &end))
		return -EINVAL;
	block->options = *options;
	block->capability = (uint32_t)code | HDM_CAPABILITY_TARGET_COUNT(options->targets) |
			    options->interleave;
	hdm_decoder_clear(block);
	return -pthread_mutex_init(&block->lock, NULL);
}

void hdm_decoder_destroy(struct hdm_decoder_block *block)
{
	pthread_mutex_destroy(&block->lock);
}

static bool hdm_is_committed(const struct hdm_decoder_state *decoder)
{
	return (decoder->control & HDM_CONTROL_COMMITTED) != 0;
}

static uint64_t hdm_base(const struct hdm_decoder_state *decoder)
{
	return (uint64_t)decoder->base_high << 32 | decoder->base_low;
}

static uint64_t hdm_size(const struct hdm_decoder_state *decoder)
{
	return (uint64_t)decoder->size_high << 32 | decoder->size_low;
}

static struct hdm_decoder_range hdm_range(const struct hdm_decoder_state *decoder)
{
	return (struct hdm_decoder_range){
		.base = hdm_base(decoder),
		.size = hdm_size(decoder),
		.dpa = decoder->dpa,
		.ways = hdm_ways[HDM_CONTROL_WAYS(decoder->control)],
		.host_only = (decoder->control & HDM_CONTROL_HOST_ONLY) != 0,
		.locked = (decoder->control & HDM_CONTROL_LOCK_ON_COMMIT) != 0,
	};
}

/*
 * Interleave fields (8.2.4.20.7, 8.2.4.20.13): defined codes, ways that the capability offers, and
 * selector bits inside the address bits that it can interleave on. The factor 3 takes no bits.
 */
static bool hdm_interleave_is_valid(const struct hdm_decoder_options *options, uint32_t control)
{
	unsigned int granularity = HDM_CONTROL_GRANULARITY(control);
	unsigned int code = HDM_CONTROL_WAYS(control);
	unsigned int low = granularity + 8;
	unsigned int bits = code < 8 ? code : code - 8;
	uint32_t offered = 0;

	if (granularity >= HDM_GRANULARITY_CODES || !hdm_ways[code])
		return false;
	if (options->targets && hdm_ways[code] > options->targets)
		return false;
	if (code == 0)
		return true;
	if (code == 4 && !(options->interleave & HDM_CAPABILITY_INTERLEAVE_16))
		return false;
	if (code >= 8 && !(options->interleave & HDM_CAPABILITY_INTERLEAVE_3_6_12))
		return false;
	if (options->interleave & HDM_CAPABILITY_INTERLEAVE_11_8)
		offered |= 0x0f00;
	if (options->interleave & HDM_CAPABILITY_INTERLEAVE_14_12)
		offered |= 0x7000;
	return (((1u << bits) - 1) << low & ~offered) == 0;
}

/* Device physical addresses are handed out in decoder order (8.2.4.20.13): what decoder @index
 * starts at, and whether it ends inside the device. */
static bool hdm_dpa_is_valid(const struct hdm_decoder_block *block, unsigned int index,
			     uint64_t *dpa)
{
	uint64_t next = 0;

	*dpa = 0;
	if (block->options.targets)
		return true;
	for (unsigned int i = 0; i <= index; i++) {
		const struct hdm_decoder_state *decoder = &block->decoders[i];
		uint64_t skip = (uint64_t)decoder->skip_high << 32 | decoder->skip_low;
		uint64_t size = hdm_size(decoder) / hdm_ways[HDM_CONTROL_WAYS(decoder->control)];

		if (__builtin_add_overflow(next, skip, dpa) ||
		    __builtin_add_overflow(*dpa, size, &next))
			return false;
	}
	return !block->options.dpa_size || next <= block->options.dpa_size;
}

/* Where the highest range below decoder @index ends; one of size zero has no place. */
static uint64_t hdm_end_below(const struct hdm_decoder_block *block, unsigned int index)
{
	while (index-- > 0)
		if (hdm_size(&block->decoders[index]))
			return hdm_base(&block->decoders[index]) +
			       hdm_size(&block->decoders[index]);
	return 0;
}

/* May decoder @index commit as it is programmed (8.2.4.20.12)? */
static bool hdm_commit_is_valid(const struct hdm_decoder_block *block, unsigned int index,
				uint64_t *dpa)
{
	const struct hdm_decoder_options *options = &block->options;
	const struct hdm_decoder_state *decoder = &block->decoders[index];
	uint64_t base = hdm_base(decoder);
	uint64_t size = hdm_size(decoder);
	uint64_t end;

	if (!hdm_interleave_is_valid(options, decoder->control))
		return false;
	if (__builtin_add_overflow(base, size, &end))
		return false;
	if (size %
	    ((uint64_t)HDM_DECODER_GRANULARITY * hdm_ways[HDM_CONTROL_WAYS(decoder->control)]))
		return false;
	if (size && options->window_size &&
	    (base < options->window_base || end > options->window_base + options->window_size))
		return false;
	/* In order, above the one before, and not into a hole below one that is still there: its
	 * device addresses were counted from what was here. */
	for (unsigned int i = 0; i < index; i++)
		if (!hdm_is_committed(&block->decoders[i]))
			return false;
	for (unsigned int i = index + 1; i < options->count; i++)
		if (hdm_is_committed(&block->decoders[i]))
			return false;
	if (size && base < hdm_end_below(block, index))
		return false;
	return hdm_dpa_is_valid(block, index, dpa);
}

static int hdm_take_into_use(struct hdm_decoder_block *block, unsigned int index)
{
	struct hdm_decoder_state *decoder = &block->decoders[index];
	struct hdm_decoder_range range = hdm_range(decoder);
	int result = 0;

	/* Size zero: committed so that nobody uses the decoder (8.2.4.20.12). It decodes nothing.
	 */
	if (decoder->in_use || !range.size)
		return 0;
	if (block->options.committed)
		result = block->options.committed(block->options.opaque, index, &range);
	decoder->in_use = result == 0;
	return result;
}

static void hdm_take_out_of_use(struct hdm_decoder_block *block, unsigned int index)
{
	struct hdm_decoder_state *decoder = &block->decoders[index];

	if (!decoder->in_use)
		return;
	decoder->in_use = false;
	if (block->options.decommitted)
		block->options.decommitted(block->options.opaque, index);
}

/* COMMIT went from 0 to 1. Returns 0, -EINVAL by the rules, or the owner's error. */
static int hdm_commit(struct hdm_decoder_block *block, unsigned int index)
{
	struct hdm_decoder_state *decoder = &block->decoders[index];
	int result = -EINVAL;

	if (hdm_commit_is_valid(block, index, &decoder->dpa))
		result = block->global_control & HDM_GLOBAL_ENABLE || block->options.targets
				 ? hdm_take_into_use(block, index)
				 : 0;
	decoder->control |= result ? HDM_CONTROL_ERROR_NOT_COMMITTED : HDM_CONTROL_COMMITTED;
	return result;
}

static void hdm_write_control(struct hdm_decoder_block *block, unsigned int index, uint32_t value)
{
	struct hdm_decoder_state *decoder = &block->decoders[index];
	uint32_t writable = HDM_CONTROL_WRITABLE;
	uint32_t before = decoder->control;

	if (block->options.device_coherent && block->options.host_only)
		writable |= HDM_CONTROL_HOST_ONLY;
	if (before & HDM_CONTROL_COMMITTED) {
		/* Locked: nothing but a reset. Else COMMIT is the only bit that can change. */
		if ((before & HDM_CONTROL_LOCK_ON_COMMIT) || (value & HDM_CONTROL_COMMIT))
			return;
		hdm_take_out_of_use(block, index);
		decoder->control &= ~(HDM_CONTROL_COMMIT | HDM_CONTROL_COMMITTED);
		return;
	}
	decoder->control = (before & ~writable) | (value & writable);
	if (!(value & HDM_CONTROL_COMMIT))
		decoder->control &= ~HDM_CONTROL_ERROR_NOT_COMMITTED;
	else if (!(before & HDM_CONTROL_COMMIT))
		hdm_commit(block, index);
}

static void hdm_write_global(struct hdm_decoder_block *block, uint32_t value)
{
	uint32_t before = block->global_control;

	/* Ports have no enable bit (8.2.4.20.2); poison on error is not offered. */
	block->global_control = block->options.targets ? 0 : value & HDM_GLOBAL_ENABLE;
	if (block->global_control == before)
		return;
	if (block->global_control) {
		for (unsigned int i = 0; i < block->options.count; i++)
			if (hdm_is_committed(&block->decoders[i]))
				hdm_take_into_use(block, i);
	} else {
		/* What firmware has locked stays: Range 1 of the device's DVSEC decodes it, too. */
		for (unsigned int i = block->options.count; i-- > 0;)
			if (!block->decoders[i].firmware_locked)
				hdm_take_out_of_use(block, i);
	}
}

/* The stored dword at @offset (dword aligned), or NULL for registers that are not plain storage. */
static uint32_t *hdm_storage(struct hdm_decoder_state *decoder, uint32_t reg, uint32_t *mask,
			     bool port)
{
	*mask = UINT32_MAX;
	switch (reg) {
	case HDM_DECODER_BASE_LOW:
		*mask = HDM_ADDRESS_MASK;
		return &decoder->base_low;
	case HDM_DECODER_BASE_HIGH:
		return &decoder->base_high;
	case HDM_DECODER_SIZE_LOW:
		*mask = HDM_ADDRESS_MASK;
		return &decoder->size_low;
	case HDM_DECODER_SIZE_HIGH:
		return &decoder->size_high;
	case HDM_DECODER_SKIP_LOW:
		if (!port)
			*mask = HDM_ADDRESS_MASK;
		return &decoder->skip_low;
	case HDM_DECODER_SKIP_HIGH:
		return &decoder->skip_high;
	default:
		return NULL;
	}
}

static uint32_t hdm_read_dword(struct hdm_decoder_block *block, uint32_t offset)
{
	struct hdm_decoder_state *decoder;
	const uint32_t *stored;
	uint32_t mask;
	uint32_t reg;

	if (offset == HDM_DECODER_CAPABILITY)
		return block->capability;
	if (offset == HDM_DECODER_GLOBAL_CONTROL)
		return block->global_control;
	if (offset < HDM_DECODER_BASE_LOW || offset >= HDM_DECODER_BLOCK_SIZE(block->options.count))
		return 0;
	decoder = &block->decoders[(offset - HDM_DECODER_BASE_LOW) / HDM_DECODER_STRIDE];
	reg = HDM_DECODER_BASE_LOW + (offset - HDM_DECODER_BASE_LOW) % HDM_DECODER_STRIDE;
	if (reg == HDM_DECODER_CONTROL)
		return decoder->control;
	stored = hdm_storage(decoder, reg, &mask, block->options.targets != 0);
	return stored ? *stored : 0;
}

static void hdm_write_dword(struct hdm_decoder_block *block, uint32_t offset, uint32_t value)
{
	struct hdm_decoder_state *decoder;
	unsigned int index;
	uint32_t *stored;
	uint32_t mask;
	uint32_t reg;

	if (offset == HDM_DECODER_GLOBAL_CONTROL)
		hdm_write_global(block, value);
	if (offset < HDM_DECODER_BASE_LOW || offset >= HDM_DECODER_BLOCK_SIZE(block->options.count))
		return;
	index = (offset - HDM_DECODER_BASE_LOW) / HDM_DECODER_STRIDE;
	decoder = &block->decoders[index];
	reg = HDM_DECODER_BASE_LOW + (offset - HDM_DECODER_BASE_LOW) % HDM_DECODER_STRIDE;
	if (reg == HDM_DECODER_CONTROL) {
		hdm_write_control(block, index, value);
		return;
	}
	stored = hdm_storage(decoder, reg, &mask, block->options.targets != 0);
	if (stored && !hdm_is_committed(decoder))
		*stored = value & mask;
}

static bool hdm_access_is_valid(uint32_t offset, unsigned int size)
{
	return (size == 1 || size == 2 || size == 4 || size == 8) && offset % size == 0;
}

uint64_t hdm_decoder_read(struct hdm_decoder_block *block, uint32_t offset, unsigned int size)
{
	uint64_t value;

	if (!hdm_access_is_valid(offset, size))
		return 0;
	pthread_mutex_lock(&block->lock);
	value = hdm_read_dword(block, offset & ~3u);
	if (size == 8)
		value |= (uint64_t)hdm_read_dword(block, offset + 4) << 32;
	pthread_mutex_unlock(&block->lock);
	if (size < 4)
		value = value >> (8 * (offset & 3)) & ((1ull << (8 * size)) - 1);
	return value;
}

void hdm_decoder_write(struct hdm_decoder_block *block, uint32_t offset, uint64_t value,
		       unsigned int size)
{
	if (!hdm_access_is_valid(offset, size))
		return;
	pthread_mutex_lock(&block->lock);
	if (size < 4) {
		uint32_t shift = 8 * (offset & 3);
		uint32_t mask = ((1u << (8 * size)) - 1) << shift;

		value = (hdm_read_dword(block, offset & ~3u) & ~mask) |
			((uint32_t)(value << shift) & mask);
	}
	hdm_write_dword(block, offset & ~3u, (uint32_t)value);
	if (size == 8)
		hdm_write_dword(block, offset + 4, (uint32_t)(value >> 32));
	pthread_mutex_unlock(&block->lock);
}

int hdm_decoder_firmware_commit(struct hdm_decoder_block *block, unsigned int index, uint64_t base,
				uint64_t size, bool host_only, bool lock)
{
	struct hdm_decoder_state *decoder;
	struct hdm_decoder_state before;
	uint32_t global_before;
	int result;

	if (index >= block->options.count || !size || (base | size) % HDM_DECODER_GRANULARITY ||
	    !(host_only ? block->options.host_only : block->options.device_coherent))
		return -EINVAL;
	pthread_mutex_lock(&block->lock);
	decoder = &block->decoders[index];
	before = *decoder;
	global_before = block->global_control;
	if (hdm_is_committed(decoder)) {
		result = -EBUSY;
		goto unlock;
	}
	hdm_write_global(block, HDM_GLOBAL_ENABLE);
	*decoder = (struct hdm_decoder_state){
		.base_low = (uint32_t)base,
		.base_high = (uint32_t)(base >> 32),
		.size_low = (uint32_t)size,
		.size_high = (uint32_t)(size >> 32),
		.control = HDM_CONTROL_COMMIT | (host_only ? HDM_CONTROL_HOST_ONLY : 0) |
			   (lock ? HDM_CONTROL_LOCK_ON_COMMIT : 0),
	};
	result = hdm_commit(block, index);
	decoder->firmware_locked = !result && lock;
	if (result) {
		*decoder = before;
		hdm_write_global(block, global_before);
	}
unlock:
	pthread_mutex_unlock(&block->lock);
	return result;
}

void hdm_decoder_reset(struct hdm_decoder_block *block)
{
	pthread_mutex_lock(&block->lock);
	for (unsigned int i = block->options.count; i-- > 0;)
		hdm_take_out_of_use(block, i);
	hdm_decoder_clear(block);
	pthread_mutex_unlock(&block->lock);
}

bool hdm_decoder_get(struct hdm_decoder_block *block, unsigned int index,
		     struct hdm_decoder_range *range)
{
	bool committed = false;

	if (index >= block->options.count)
		return false;
	pthread_mutex_lock(&block->lock);
	committed = hdm_is_committed(&block->decoders[index]);
	if (committed)
		*range = hdm_range(&block->decoders[index]);
	pthread_mutex_unlock(&block->lock);
	return committed;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest that does anything to a component register block with ten HDM decoders. Besides memory
 * errors, checked after each step: what the owner was told to map lies inside the window and the
 * device, overlaps nothing, agrees with COMMITTED and the global enable bit, and locked decoders
 * stay as they are until a reset.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "devices/cxl/component_registers.h"

#define WINDOW      0x4000000000ull
#define WINDOW_SIZE (64ull * HDM_DECODER_GRANULARITY)
#define DPA_SIZE    (48ull * HDM_DECODER_GRANULARITY)
#define DECODERS    10u
#define STEP        12

struct owner {
	bool mapped[DECODERS];
	struct hdm_decoder_range ranges[DECODERS];
};

static int committed(void *opaque, unsigned int decoder, const struct hdm_decoder_range *range)
{
	struct owner *owner = opaque;

	if (decoder >= DECODERS || owner->mapped[decoder])
		abort();
	if (!range->size || range->size % HDM_DECODER_GRANULARITY || range->base < WINDOW ||
	    range->size > WINDOW_SIZE || range->base - WINDOW > WINDOW_SIZE - range->size)
		abort();
	if (range->dpa > DPA_SIZE || range->size / range->ways > DPA_SIZE - range->dpa)
		abort();
	for (unsigned int i = 0; i < DECODERS; i++) {
		const struct hdm_decoder_range *other = &owner->ranges[i];

		if (!owner->mapped[i])
			continue;
		if (range->base < other->base + other->size &&
		    other->base < range->base + range->size)
			abort();
		if (range->dpa < other->dpa + other->size / other->ways &&
		    other->dpa < range->dpa + range->size / range->ways)
			abort();
	}
	/* An owner may refuse. */
	if (range->base == WINDOW + 7ull * HDM_DECODER_GRANULARITY)
		return -1;
	owner->mapped[decoder] = true;
	owner->ranges[decoder] = *range;
	return 0;
}

static void decommitted(void *opaque, unsigned int decoder)
{
	struct owner *owner = opaque;

	if (decoder >= DECODERS || !owner->mapped[decoder])
		abort();
	owner->mapped[decoder] = false;
}

static void check(struct hdm_decoder_block *hdm, const struct owner *owner)
{
	for (unsigned int i = 0; i < DECODERS; i++) {
		struct hdm_decoder_range range;
		bool is_committed = hdm_decoder_get(hdm, i, &range);

		/* What firmware has locked decodes whatever the guest does to the global enable. */
		if (owner->mapped[i] && (!is_committed || (!(hdm->global_control & 2) &&
							   !hdm->decoders[i].firmware_locked)))
			abort();
		if (owner->mapped[i] &&
		    (range.base != owner->ranges[i].base || range.size != owner->ranges[i].size ||
		     range.dpa != owner->ranges[i].dpa))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct cxl_component component;
	static struct hdm_decoder_block hdm;
	struct owner owner = {0};
	struct hdm_decoder_options options = {
		.count = DECODERS,
		.dpa_size = DPA_SIZE,
		.window_base = WINDOW,
		.window_size = WINDOW_SIZE,
		.device_coherent = true,
		.committed = committed,
		.decommitted = decommitted,
		.opaque = &owner,
	};
	const struct cxl_component_options component_options = {
		.ras = true,
		.link = true,
		.hdm = &hdm,
	};

	if (size < 1)
		return 0;
	options.host_only = data[0] & 1;
	options.interleave = data[0] & 2 ? HDM_CAPABILITY_INTERLEAVE : 0;
	if (hdm_decoder_init(&hdm, &options) || cxl_component_init(&component, &component_options))
		abort();
	if (data[0] & 4)
		(void)hdm_decoder_firmware_commit(&hdm, 0, WINDOW, HDM_DECODER_GRANULARITY, false,
						  true);
	for (data++, size--; size >= STEP; data += STEP, size -= STEP) {
		unsigned int width = 1u << (data[0] >> 6);
		struct hdm_decoder_range locked[DECODERS];
		bool was_locked[DECODERS];
		uint64_t offset;
		uint64_t value;

		for (unsigned int i = 0; i < DECODERS; i++)
			was_locked[i] = hdm_decoder_get(&hdm, i, &locked[i]) && locked[i].locked;
		memcpy(&value, data + 4, 8);
		offset = (uint64_t)data[1] | (uint64_t)data[2] << 8;
		if (data[0] & 8) /* aim at the decoders */
			offset = component.hdm_offset + offset % 0x160;
		if (data[0] & 16) /* a sensible address */
			value = (data[4] & 1 ? WINDOW : 0) +
				(value >> 8) % 70 * HDM_DECODER_GRANULARITY;
		if ((data[0] & 7) == 7 && data[3] == 0xff) {
			cxl_component_reset(&component);
			memset(was_locked, 0, sizeof(was_locked));
		} else if (data[0] & 1) {
			(void)cxl_component_read(&component, offset, width);
		} else {
			cxl_component_write(&component, offset, value, width);
		}
		for (unsigned int i = 0; i < DECODERS; i++) {
			struct hdm_decoder_range now;

			if (was_locked[i] &&
			    (!hdm_decoder_get(&hdm, i, &now) || now.base != locked[i].base ||
			     now.size != locked[i].size || !now.locked))
				abort();
		}
		check(&hdm, &owner);
	}
	cxl_component_reset(&component);
	for (unsigned int i = 0; i < DECODERS; i++)
		if (owner.mapped[i])
			abort();
	cxl_component_destroy(&component);
	hdm_decoder_destroy(&hdm);
	return 0;
}

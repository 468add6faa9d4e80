/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEVICES_CXL_HDM_DECODER_H
#define DEVICES_CXL_HDM_DECODER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "wire/cxl_regs.h"

/*
 * The CXL HDM Decoder Capability Structure (CXL 8.2.4.20) of an endpoint or a port, as a state
 * machine that knows the specification's rules and nothing else: a decoder that commits is reported
 * to the owner, which makes the memory appear (passthrough), and a decoder that is decommitted or
 * reset is reported before the guest sees COMMITTED clear.
 *
 * A range is in use while its decoder is COMMITTED and HDM Decoder Enable (global control bit 1) is
 * set (8.2.4.20.2): the callbacks follow both.
 */
struct hdm_decoder_range {
	uint64_t base; /* guest physical */
	uint64_t size; /* not 0, multiple of 256 MiB times ways */
	uint64_t dpa;  /* device physical address of its first byte: all sizes and skips before it;
			  0 on ports */
	unsigned int ways; /* 1: not interleaved */
	bool host_only;    /* target type: HDM-H; else HDM-D / HDM-DB */
	bool locked;
};

struct hdm_decoder_options {
	unsigned int count;   /* 1, 2, 4, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32 */
	uint64_t dpa_size;    /* no decoder may reach beyond it; 0: not checked */
	uint64_t window_base; /* a range must be inside [window_base, window_base + window_size):
			       */
	uint64_t window_size; /* else ERROR_NOT_COMMITTED. Size 0: anywhere */
	bool device_coherent; /* HDM-D / HDM-DB targets allowed (CXL.cache capable) */
	bool host_only;       /* HDM-H targets allowed; when only one is, the bit is hardwired */
	uint32_t interleave;  /* HDM_CAPABILITY_INTERLEAVE bits; 0: one way only */
	unsigned int targets; /* 0: a device (skip registers); 1, 2, 4, 8: a port (target lists) */
	/*
	 * A decoder's range is valid by all rules of the specification and in use: make it usable.
	 * Returning non-zero leaves it with ERROR_NOT_COMMITTED (or, when it was the global enable
	 * bit that brought it into use, committed without effect). Called under the block's lock,
	 * from the vCPU thread that wrote COMMIT or the global enable bit.
	 */
	int (*committed)(void *opaque, unsigned int decoder, const struct hdm_decoder_range *range);
	/* The range goes out of use: guest cleared COMMIT of an unlocked decoder or the global
	 * enable bit, or reset. Only for ranges that committed() accepted. */
	void (*decommitted)(void *opaque, unsigned int decoder);
	void *opaque;
};

struct hdm_decoder_state {
	uint32_t base_low, base_high;
	uint32_t size_low, size_high;
	uint32_t control; /* with COMMITTED and ERROR_NOT_COMMITTED */
	uint32_t skip_low, skip_high;
	uint64_t dpa;         /* taken at commit */
	bool firmware_locked; /* until a reset */
	bool in_use;          /* committed() accepted it */
};

struct hdm_decoder_block {
	pthread_mutex_t lock;
	struct hdm_decoder_options options;
	uint32_t capability;
	uint32_t global_control;
	struct hdm_decoder_state decoders[HDM_DECODER_MAX];
};

/*
 * Returns 0 or -EINVAL (a count or target count that the encoding has not, window not aligned or
 * wrapping, neither target type allowed). All decoders idle.
 */
int hdm_decoder_init(struct hdm_decoder_block *block, const struct hdm_decoder_options *options);

/* Does not call decommitted(): hdm_decoder_reset() first when the owner still has mappings. */
void hdm_decoder_destroy(struct hdm_decoder_block *block);

/*
 * One naturally aligned guest access of 1, 2, 4 or 8 bytes at @offset from the block's start;
 * narrower accesses than the register merge with its present value, an 8-byte access is two dwords
 * (low first). Outside of the block: reads 0, writes dropped. Any thread; no system call apart from
 * what the callbacks do.
 */
uint64_t hdm_decoder_read(struct hdm_decoder_block *block, uint32_t offset, unsigned int size);
void hdm_decoder_write(struct hdm_decoder_block *block, uint32_t offset, uint64_t value,
		       unsigned int size);

/*
 * hdm_decoder_firmware_commit() - what boot firmware does: program @decoder (the next uncommitted
 * one), enable decoding globally (global control bit 1), commit, and lock when @lock. The rules and
 * callbacks are those of a guest's commit. Returns 0, -EINVAL (the rules forbid it), -EBUSY
 * (already committed), or what the committed callback returned.
 */
int hdm_decoder_firmware_commit(struct hdm_decoder_block *block, unsigned int decoder,
				uint64_t base, uint64_t size, bool host_only, bool lock);

/* Conventional or CXL reset: every committed decoder (highest first) is decommitted, all registers
 * return to their initial values, locks are gone. */
void hdm_decoder_reset(struct hdm_decoder_block *block);

/* The committed range of @decoder; false when it is not committed. Any thread. */
bool hdm_decoder_get(struct hdm_decoder_block *block, unsigned int decoder,
		     struct hdm_decoder_range *range);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEVICES_CXL_COMPONENT_REGISTERS_H
#define DEVICES_CXL_COMPONENT_REGISTERS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "devices/cxl/hdm_decoder.h"
#include "core/bus.h"
#include "wire/cxl_regs.h"

/*
 * The 64 KiB component register block (CXL 8.2.3) of a virtual or passed-through component: the
 * CXL.cache/CXL.mem page at 0x1000 with its capability array, RAS, Link and, when it decodes
 * memory, the HDM decoder structure. Everything that is not modelled reads 0 and drops writes.
 * All registers are served from memory: no system call on this path.
 */
struct cxl_component_options {
	bool ras;                      /* CXL RAS Capability (8.2.4.17) */
	bool link;                     /* CXL Link Capability (8.2.4.19) */
	struct hdm_decoder_block *hdm; /* NULL: no HDM decoder capability; else initialised, the
					  caller's, and must outlive the component */
};

/* What one dword of the page is. */
struct cxl_component_register {
	uint32_t value;
	uint32_t initial;
	uint32_t writable;
	uint32_t write_1_to_clear;
	bool wide; /* half of a 64-bit register */
};

struct cxl_component {
	pthread_mutex_t lock;
	struct cxl_component_options options;
	uint32_t ras_offset; /* from the block's start; 0: absent */
	uint32_t link_offset;
	uint32_t hdm_offset;
	uint32_t capability_count;
	uint32_t next_offset; /* builder state: where the next structure goes, from the page */
	struct cxl_component_register registers[CXL_COMPONENT_CACHEMEM_SIZE / 4];
	_Atomic uint64_t reads; /* guest accesses, for metrics */
	_Atomic uint64_t writes;
};

/* Trap handlers for a bus region or BAR whose opaque is the struct cxl_component; region offset 0
 * is the block's start. */
extern const struct bus_ops cxl_component_bus_ops;

/* Returns 0, -EINVAL or -ENOSPC. */
int cxl_component_init(struct cxl_component *component,
		       const struct cxl_component_options *options);
void cxl_component_destroy(struct cxl_component *component);

/*
 * cxl_component_add_capability() - one more structure, before the guest runs: an entry of the
 * capability array and @size bytes, read-only zeroes until cxl_component_define(). Returns its
 * offset from the block's start, or -ENOSPC.
 */
int cxl_component_add_capability(struct cxl_component *component, uint16_t id, uint8_t version,
				 uint32_t size);

/*
 * cxl_component_define() - the dword at @offset from the block's start: its value after reset, the
 * bits the guest may write, and those it clears by writing 1. @wide: half of a 64-bit register.
 * Offsets outside the CXL.cache/CXL.mem page or misaligned are ignored.
 */
void cxl_component_define(struct cxl_component *component, uint32_t offset, uint32_t initial,
			  uint32_t writable, uint32_t write_1_to_clear, bool wide);

/*
 * One guest access inside the block (CXL 8.2.2). Naturally aligned accesses of 4 bytes to 32-bit
 * registers and of 8 bytes to 64-bit ones are what the specification allows. What it leaves
 * undefined is defined here: narrow accesses to 32-bit registers reach their bytes, 8-byte accesses
 * reach two of them, partial accesses to 64-bit registers and misaligned ones read 0 and are
 * dropped. Any thread.
 */
uint64_t cxl_component_read(struct cxl_component *component, uint64_t offset, unsigned int size);
void cxl_component_write(struct cxl_component *component, uint64_t offset, uint64_t value,
			 unsigned int size);

/* Report errors in the RAS status registers, as hardware would (8.2.4.17.1, .4). Bits that RAS does
 * not define are ignored. Any thread. */
void cxl_component_report(struct cxl_component *component, uint32_t uncorrectable,
			  uint32_t correctable);

/* Conventional or CXL reset; includes hdm_decoder_reset() of its decoders. */
void cxl_component_reset(struct cxl_component *component);

#endif

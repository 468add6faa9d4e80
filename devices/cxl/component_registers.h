/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEVICES_CXL_COMPONENT_REGISTERS_H
#define DEVICES_CXL_COMPONENT_REGISTERS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "devices/cxl/hdm_decoder.h"
#include "vmm/core/bus.h"

/*
 * The 64 KiB component register block (CXL 8.2.3) of a virtual or passed-through component: the
 * CXL.cache/CXL.mem page at 0x1000 with its capability array, RAS, Link and, when it decodes
 * memory, the HDM decoder structure. Everything that is not modelled reads 0 and drops writes.
 * All registers are served from memory: no system call on this path.
 */
#define CXL_COMPONENT_BLOCK_SIZE 0x10000u
#define CXL_COMPONENT_CACHEMEM   0x1000u /* offset of the capability array (CXL 8.2.3) */

struct cxl_component_options {
	bool ras;                      /* CXL RAS Capability (8.2.4.17) */
	bool link;                     /* CXL Link Capability (8.2.4.19) */
	struct hdm_decoder_block *hdm; /* NULL: no HDM decoder capability; else initialised, the
					  caller's, and must outlive the component */
};

struct cxl_component {
	pthread_mutex_t lock;
	struct cxl_component_options options;
	uint32_t ras_offset; /* from the block's start; 0: absent */
	uint32_t link_offset;
	uint32_t hdm_offset;
	uint32_t cachemem[0x1000 / 4]; /* values of the second page, HDM excluded */
	uint64_t reads;                /* guest accesses, for metrics */
	uint64_t writes;
};

/* Trap handlers for a bus region or BAR whose opaque is the struct cxl_component; region offset 0
 * is the block's start. */
extern const struct bus_ops cxl_component_bus_ops;

/* Returns 0 or -EINVAL. */
int cxl_component_init(struct cxl_component *component,
		       const struct cxl_component_options *options);
void cxl_component_destroy(struct cxl_component *component);

/* Guest access of 1, 2, 4 or 8 bytes inside the block. Unaligned accesses read 0 / are dropped;
 * partial accesses to 64-bit registers behave as the specification says (8.2.2). Any thread. */
uint64_t cxl_component_read(struct cxl_component *component, uint64_t offset, unsigned int size);
void cxl_component_write(struct cxl_component *component, uint64_t offset, uint64_t value,
			 unsigned int size);

/* Conventional or CXL reset; includes hdm_decoder_reset() of its decoders. */
void cxl_component_reset(struct cxl_component *component);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PASSTHROUGH_HOST_CXL_H
#define PASSTHROUGH_HOST_CXL_H

#include <stdbool.h>
#include <stdint.h>

/*
 * What a function's configuration space says about CXL (CXL 8.1.3, 8.1.9), before any driver is
 * asked. Pure; the bytes are the device's and are not trusted.
 */
struct host_cxl_range {
	uint64_t size;
	bool valid;  /* Memory_Info_Valid */
	bool active; /* Memory_Active */
};

struct host_cxl {
	bool known;  /* the extended configuration space could be read */
	bool device; /* has the CXL device DVSEC: the following are valid */
	bool cache_capable;
	bool io_capable;
	bool mem_capable;
	bool mem_enabled;
	unsigned int hdm_count; /* ranges that the DVSEC describes, 0 to 2 */
	struct host_cxl_range ranges[2];
	bool block_known; /* the Register Locator names a component register block */
	uint8_t block_bar;
	uint64_t block_offset;
	const char *problem; /* constant text: what is wrong with all this; NULL */
};

/* @config: @length bytes of configuration space, any number of them. */
void host_cxl_parse(struct host_cxl *cxl, const uint8_t *config, uint32_t length);

#endif

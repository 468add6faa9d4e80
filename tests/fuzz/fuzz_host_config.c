/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "passthrough/host/cxl.h"

/* A device's configuration space, of any length, for cxvm host list: the bytes are the device's. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t length = size > 4096 ? 4096 : (uint32_t)size;
	struct host_cxl cxl;
	uint8_t *config;

	/* Exactly as long, so that a byte behind the end is found. */
	config = malloc(length ? length : 1);
	if (!config)
		return 0;
	if (length)
		memcpy(config, data, length);
	host_cxl_parse(&cxl, config, length);
	if (cxl.hdm_count > 2 || (cxl.block_known && cxl.block_bar > 5) ||
	    (cxl.mem_capable && !cxl.device))
		abort();
	free(config);
	return 0;
}

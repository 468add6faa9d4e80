/* SPDX-License-Identifier: Apache-2.0 */
#include "passthrough/host/cxl.h"

#include <linux/pci_regs.h>
#include <string.h>

#include "core/bytes.h"
#include "passthrough/transport/capability_chain.h"
#include "passthrough/discover/cxl_capability.h"

/* CXL 8.1.3, from the DVSEC's start */
#define DVSEC_DEVICE  0u
#define CAPABILITY    0x0au
#define CONTROL       0x0cu
#define RANGE1_SIZE   0x18u
#define RANGE_STRIDE  0x10u
#define DVSEC_MINIMUM 0x38u

static void cxl_parse_range(struct host_cxl_range *range, const uint8_t *registers)
{
	uint32_t low = bytes_get_le32(registers + 4);

	/* CXL 8.1.3.8.2: bits 31:28 are the low part of the size */
	range->size = (uint64_t)bytes_get_le32(registers) << 32 | (low & 0xf0000000u);
	range->valid = low & 1;
	range->active = low & 2;
}

void host_cxl_parse(struct host_cxl *cxl, const uint8_t *config, uint32_t length)
{
	struct cxl_record record = {.contract = CXL_CONTRACT_NONE};
	uint32_t dvsec, dvsec_length = 0;
	const char *why = NULL;
	uint16_t capability;

	memset(cxl, 0, sizeof(*cxl));
	cxl->known = length > PCI_CFG_SPACE_SIZE;
	if (!cxl->known)
		return;
	dvsec = cxl_find_dvsec(config, length, DVSEC_DEVICE, &dvsec_length);
	if (!dvsec)
		return;
	cxl->device = true;
	if (dvsec_length < DVSEC_MINIMUM) {
		cxl->problem = "its CXL device DVSEC is too short";
		return;
	}
	capability = bytes_get_le16(config + dvsec + CAPABILITY);
	cxl->cache_capable = capability & 1;
	cxl->io_capable = capability & 2;
	cxl->mem_capable = capability & 4;
	cxl->hdm_count = capability >> 4 & 3;
	cxl->mem_enabled = bytes_get_le16(config + dvsec + CONTROL) & 4;
	if (cxl->hdm_count > 2) {
		cxl->hdm_count = 0;
		cxl->problem = "its CXL device DVSEC has a reserved HDM_Count";
	}
	for (unsigned int i = 0; i < cxl->hdm_count; i++)
		cxl_parse_range(&cxl->ranges[i], config + dvsec + RANGE1_SIZE + i * RANGE_STRIDE);
	if (!cxl->mem_capable)
		return;
	if (cxl_capability_locate(&record, config, length, &why)) {
		cxl->problem = why;
		return;
	}
	cxl->block_known = true;
	cxl->block_bar = (uint8_t)record.bar;
	cxl->block_offset = record.block_offset;
}

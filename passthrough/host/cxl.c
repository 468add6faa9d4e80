/* SPDX-License-Identifier: Apache-2.0 */
#include "passthrough/host/cxl.h"

#include <linux/pci_regs.h>
#include <string.h>

#include "core/bytes.h"
#include "passthrough/transport/capability_chain.h"
#include "passthrough/discover/cxl_capability.h"

/* CXL 8.1.3, from the DVSEC's start */
#define DVSEC_DEVICE        0u
#define CAPABILITY          0x0au
#define CAPABILITY_CACHE    0x0001u
#define CAPABILITY_IO       0x0002u
#define CAPABILITY_MEM      0x0004u
#define CAPABILITY_HDM(reg) ((reg) >> 4 & 3u) /* HDM_Count */
#define HDM_COUNT_MAX       2u
#define CONTROL             0x0cu
#define CONTROL_MEM_ENABLE  0x0004u
#define RANGE1_SIZE         0x18u
#define RANGE_STRIDE        0x10u
#define DVSEC_MINIMUM       0x38u

/* CXL 8.1.3.8, from the range's size registers */
#define SIZE_HIGH        0u
#define SIZE_LOW         4u
#define SIZE_LOW_VALID   0x00000001u /* Memory_Info_Valid */
#define SIZE_LOW_ACTIVE  0x00000002u /* Memory_Active */
#define SIZE_LOW_OF_SIZE 0xf0000000u /* bits 31:28 of the size */

static void cxl_parse_range(struct host_cxl_range *range, const uint8_t *registers)
{
	uint32_t low = bytes_get_le32(registers + SIZE_LOW);

	range->size =
		(uint64_t)bytes_get_le32(registers + SIZE_HIGH) << 32 | (low & SIZE_LOW_OF_SIZE);
	range->valid = low & SIZE_LOW_VALID;
	range->active = low & SIZE_LOW_ACTIVE;
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
	cxl->cache_capable = capability & CAPABILITY_CACHE;
	cxl->io_capable = capability & CAPABILITY_IO;
	cxl->mem_capable = capability & CAPABILITY_MEM;
	cxl->hdm_count = CAPABILITY_HDM(capability);
	cxl->mem_enabled = bytes_get_le16(config + dvsec + CONTROL) & CONTROL_MEM_ENABLE;
	if (cxl->hdm_count > HDM_COUNT_MAX) {
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

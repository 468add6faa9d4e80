// SPDX-License-Identifier: GPL-2.0-only
/* Capability chain of VFIO_DEVICE_GET_INFO (VFIO UAPI, struct vfio_info_cap_header). */
#include "chain.h"

#include "registers.h"

int chain_add(struct chain *chain, const void *capability, u32 length)
{
	u32 padded = (length + 7) & ~7U;
	struct vfio_info_cap_header header;
	u32 at = chain->length;

	if (padded > CHAIN_CAPACITY || at > CHAIN_CAPACITY - padded)
		return -ENOSPC;
	memset(chain->bytes + at, 0, padded);
	memcpy(chain->bytes + at, capability, length);
	memcpy(&header, chain->bytes + at, sizeof(header));
	header.next = 0;
	memcpy(chain->bytes + at, &header, sizeof(header));
	if (at) {
		memcpy(&header, chain->bytes + chain->last, sizeof(header));
		header.next = at;
		memcpy(chain->bytes + chain->last, &header, sizeof(header));
	}
	chain->last = at;
	chain->length = at + padded;
	return 0;
}

static int chain_add_cxl_v2(struct chain *chain, const struct chain_cxl *cxl)
{
	struct cxl_vfio_cap_v2 cap = {
		.header = {.id = VFIO_DEVICE_INFO_CAP_CXL, .version = 1},
		.hdm_regs_bar_index = (u8)cxl->bar,
		.hdm_regs_offset = cxl->block_offset + CXL_CM_OFFSET,
		.dpa_region_index = cxl->memory_region,
		.comp_regs_region_index = cxl->comp_region,
	};

	if (cxl->committed)
		cap.flags |= CXL_VFIO_V2_FIRMWARE_COMMITTED;
	if (cxl->cache_capable)
		cap.flags |= CXL_VFIO_V2_CACHE_CAPABLE;
	return chain_add(chain, &cap, sizeof(cap));
}

static int chain_add_cxl_v3(struct chain *chain, const struct chain_cxl *cxl)
{
	struct cxl_vfio_cap_v3 cap = {
		.header = {.id = VFIO_DEVICE_INFO_CAP_CXL, .version = 1},
		.flags = cxl->committed ? CXL_VFIO_V3_HOST_FIRMWARE_COMMITTED : 0,
		.hdm_region_idx = cxl->memory_region,
		.comp_reg_region_idx = cxl->comp_region,
		.comp_reg_bar = cxl->bar,
		.comp_reg_offset = cxl->block_offset,
		.comp_reg_size = CXL_COMPONENT_BLOCK_SIZE,
	};

	return chain_add(chain, &cap, sizeof(cap));
}

int chain_add_cxl(struct chain *chain, const struct chain_cxl *cxl)
{
	if (cxl->layout == CXL_LAYOUT_V3)
		return chain_add_cxl_v3(chain, cxl);
	return chain_add_cxl_v2(chain, cxl);
}

void chain_shift(struct chain *chain, u32 info_size)
{
	struct vfio_info_cap_header header;
	u32 at = 0;

	while (at + sizeof(header) <= chain->length) {
		u32 next;

		memcpy(&header, chain->bytes + at, sizeof(header));
		next = header.next;
		if (!next)
			break;
		header.next = next + info_size;
		memcpy(chain->bytes + at, &header, sizeof(header));
		at = next;
	}
}

int chain_reply(const struct chain *chain, u32 argsz, u32 minimum, u32 info_size,
		struct chain_reply *reply)
{
	if (argsz < minimum)
		return -EINVAL;
	reply->argsz = argsz;
	reply->cap_offset = 0;
	reply->info_length = argsz < info_size ? argsz : info_size;
	if (!chain->length)
		return 0;
	if (argsz < info_size + chain->length)
		reply->argsz = info_size + chain->length;
	else
		reply->cap_offset = info_size;
	return 0;
}

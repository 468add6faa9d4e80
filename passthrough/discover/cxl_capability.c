/* SPDX-License-Identifier: Apache-2.0 */
#include "passthrough/discover/cxl_capability.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <string.h>

#include "core/bytes.h"
#include "devices/cxl/dvsec.h"
#include "wire/vfio_cxl.h"

/* A capability reduced to flags, as later generations have it: header and one or two dwords. */
#define FLAGS_ONLY_MIN 12u
#define FLAGS_ONLY_MAX 16u

#define COMPONENT_REGION_MIN 0x20u

/* PCIe 7.9.6: a DVSEC's header is what all have, and is read up to the dword of its id. */
#define DVSEC_MIN  10u
#define DVSEC_READ (PCI_DVSEC_HEADER2 + 4u)
/* An extended capability has 8 bytes at least: a loop ends there. */
#define MAX_EXTENDED ((PCI_CFG_SPACE_EXP_SIZE - PCI_CFG_SPACE_SIZE) / 8u)

/* CXL 8.1.9: entries of the Register Locator */
#define LOCATOR_FIRST           0x0cu
#define LOCATOR_ENTRY           8u
#define LOCATOR_BAR(low)        ((low)&7u)
#define LOCATOR_BLOCK(low)      ((low) >> 8 & 0xffu)
#define LOCATOR_BLOCK_COMPONENT 1u
#define LOCATOR_OFFSET_LOW      0xffff0000u

static int cxl_refuse(const char **why, const char *text)
{
	*why = text;
	return -EPROTO;
}

static bool cxl_is_device_region(uint32_t index, uint32_t region_count)
{
	return index >= VFIO_CXL_FIRST_DEVICE_REGION && index < region_count;
}

/* A region that says a type must say the expected one; one without a type is believed. */
static bool cxl_type_fits(const struct vfio_region *region, uint32_t subtype)
{
	return !region->typed ||
	       (region->type == VFIO_CXL_REGION_TYPE && region->subtype == subtype);
}

static int cxl_parse_v2(struct cxl_record *record, const uint8_t *image, uint32_t at,
			const char **why)
{
	uint32_t bar = bytes_get_le32(image + at + VFIO_CXL_V2_BAR_INDEX);
	uint32_t flags = bytes_get_le32(image + at + VFIO_CXL_V2_FLAGS);
	uint64_t registers = bytes_get_le64(image + at + VFIO_CXL_V2_HDM_REGS_OFFSET);

	if (bar >= PCI_STD_NUM_BARS)
		return cxl_refuse(why, "v2 capability: BAR index or its reserved bytes");
	if (flags & ~(VFIO_CXL_V2_FLAG_FIRMWARE_COMMITTED | VFIO_CXL_V2_FLAG_CACHE_CAPABLE))
		return cxl_refuse(why, "v2 capability: unknown flags");
	if (registers < VFIO_CXL_CACHEMEM_OFFSET ||
	    (registers - VFIO_CXL_CACHEMEM_OFFSET) % VFIO_CXL_COMPONENT_BLOCK_SIZE)
		return cxl_refuse(why, "v2 capability: hdm_regs_offset is not a component block's");
	record->contract = CXL_CONTRACT_V2;
	record->firmware_committed = flags & VFIO_CXL_V2_FLAG_FIRMWARE_COMMITTED;
	record->cache_capable = flags & VFIO_CXL_V2_FLAG_CACHE_CAPABLE;
	record->bar = bar;
	record->block_offset = registers - VFIO_CXL_CACHEMEM_OFFSET;
	record->memory_region = bytes_get_le32(image + at + VFIO_CXL_V2_DPA_REGION_INDEX);
	record->component_region = bytes_get_le32(image + at + VFIO_CXL_V2_COMP_REGS_REGION_INDEX);
	return 0;
}

static int cxl_parse_v3(struct cxl_record *record, const uint8_t *image, uint32_t at,
			const char **why)
{
	uint32_t flags = bytes_get_le32(image + at + VFIO_CXL_V3_FLAGS);
	uint32_t bar = bytes_get_le32(image + at + VFIO_CXL_V3_COMP_REG_BAR);
	uint64_t offset = bytes_get_le64(image + at + VFIO_CXL_V3_COMP_REG_OFFSET);

	if (flags & ~VFIO_CXL_V3_FLAG_HOST_FIRMWARE_COMMITTED)
		return cxl_refuse(why, "v3 capability: unknown flags");
	if (bar >= PCI_STD_NUM_BARS)
		return cxl_refuse(why, "v3 capability: comp_reg_bar");
	/* The reserved dword and the hole before the first u64. */
	if (bytes_get_le64(image + at + VFIO_CXL_V3_RESERVED))
		return cxl_refuse(why, "v3 capability: reserved bytes are not zero");
	if (bytes_get_le64(image + at + VFIO_CXL_V3_COMP_REG_SIZE) != VFIO_CXL_COMPONENT_BLOCK_SIZE)
		return cxl_refuse(why, "v3 capability: comp_reg_size is not 64 KiB");
	if (offset % VFIO_CXL_COMPONENT_BLOCK_SIZE)
		return cxl_refuse(why, "v3 capability: comp_reg_offset is not 64 KiB aligned");
	record->contract = CXL_CONTRACT_V3;
	record->firmware_committed = flags & VFIO_CXL_V3_FLAG_HOST_FIRMWARE_COMMITTED;
	record->bar = bar;
	record->block_offset = offset;
	record->memory_region = bytes_get_le32(image + at + VFIO_CXL_V3_HDM_REGION_INDEX);
	record->component_region = bytes_get_le32(image + at + VFIO_CXL_V3_COMP_REG_REGION_INDEX);
	return 0;
}

/* Both regions by their types; each must exist exactly once. */
static int cxl_discover_regions(struct cxl_record *record, const struct vfio_region *regions,
				uint32_t region_count, const char **why)
{
	uint32_t found[3] = {0};

	for (uint32_t i = VFIO_CXL_FIRST_DEVICE_REGION; i < region_count; i++) {
		const struct vfio_region *region = &regions[i];

		if (!region->typed || region->type != VFIO_CXL_REGION_TYPE)
			continue;
		if (region->subtype != VFIO_CXL_REGION_SUBTYPE_MEMORY &&
		    region->subtype != VFIO_CXL_REGION_SUBTYPE_COMP_REGS)
			continue;
		if (found[region->subtype]++)
			return cxl_refuse(why, "two regions of the same CXL type");
		if (region->subtype == VFIO_CXL_REGION_SUBTYPE_MEMORY)
			record->memory_region = i;
		else
			record->component_region = i;
	}
	if (!found[VFIO_CXL_REGION_SUBTYPE_MEMORY] || !found[VFIO_CXL_REGION_SUBTYPE_COMP_REGS])
		return cxl_refuse(why,
				  "CXL flag without capability 6 and without both CXL regions");
	record->contract = CXL_CONTRACT_REGIONS;
	return 0;
}

static int cxl_check_regions(const struct cxl_record *record, const struct vfio_region *regions,
			     uint32_t region_count, const char **why)
{
	const struct vfio_region *memory, *component;

	if (!cxl_is_device_region(record->memory_region, region_count) ||
	    !cxl_is_device_region(record->component_region, region_count) ||
	    record->memory_region == record->component_region)
		return cxl_refuse(why, "region indices of memory and component registers");
	memory = &regions[record->memory_region];
	component = &regions[record->component_region];
	if (!cxl_type_fits(memory, VFIO_CXL_REGION_SUBTYPE_MEMORY) ||
	    !cxl_type_fits(component, VFIO_CXL_REGION_SUBTYPE_COMP_REGS))
		return cxl_refuse(why, "region types disagree with the capability");
	if (!memory->size || memory->size % 4096 || memory->size > UINT64_MAX / 4)
		return cxl_refuse(why, "size of the device memory region");
	if (!(memory->flags & VFIO_REGION_INFO_FLAG_MMAP))
		return cxl_refuse(why, "the device memory region cannot be mapped");
	if (component->size < COMPONENT_REGION_MIN || component->size % 4 ||
	    component->size > VFIO_CXL_COMPONENT_BLOCK_SIZE)
		return cxl_refuse(why, "size of the component register region");
	if (!(component->flags & VFIO_REGION_INFO_FLAG_READ))
		return cxl_refuse(why, "the component register region cannot be read");
	if (record->block_known) {
		uint64_t bar_size = regions[record->bar].size;

		if (record->block_size > bar_size ||
		    record->block_offset > bar_size - record->block_size)
			return cxl_refuse(why, "the component block does not fit into its BAR");
	}
	return 0;
}

int cxl_capability_parse(struct cxl_record *record, const struct vfio_device *device,
			 const struct vfio_region *regions, uint32_t region_count, const char **why)
{
	const struct capability *capability;
	bool flag = device->flags & VFIO_CXL_DEVICE_FLAG_CXL;
	int result;

	memset(record, 0, sizeof(*record));
	*why = NULL;
	capability = capability_chain_find(&device->chain, VFIO_CXL_CAP_ID);
	if (!flag)
		return capability ? cxl_refuse(why, "capability 6 without the CXL flag") : 0;
	if (!(device->flags & VFIO_CXL_DEVICE_FLAG_PCI))
		return cxl_refuse(why, "CXL flag without the PCI flag");
	if (region_count < VFIO_CXL_FIRST_DEVICE_REGION)
		return cxl_refuse(why, "CXL flag, but not even the regions of a PCI device");
	if (capability_chain_count(&device->chain, VFIO_CXL_CAP_ID) > 1)
		return cxl_refuse(why, "capability 6 more than once");
	if (capability && capability->version != VFIO_CXL_CAP_VERSION)
		return cxl_refuse(why, "unknown version of capability 6");
	if (!capability ||
	    (capability->length >= FLAGS_ONLY_MIN && capability->length <= FLAGS_ONLY_MAX)) {
		result = cxl_discover_regions(record, regions, region_count, why);
	} else {
		/* The two layouts differ in length. */
		if (capability->length == VFIO_CXL_V2_SIZE)
			result = cxl_parse_v2(record, device->chain.image, capability->offset, why);
		else if (capability->length == VFIO_CXL_V3_SIZE)
			result = cxl_parse_v3(record, device->chain.image, capability->offset, why);
		else
			result = cxl_refuse(why, "capability 6 has the length of no known layout");
		record->block_known = true;
		record->block_size = VFIO_CXL_COMPONENT_BLOCK_SIZE;
	}
	if (!result)
		result = cxl_check_regions(record, regions, region_count, why);
	if (result)
		memset(record, 0, sizeof(*record));
	return result;
}

uint32_t cxl_find_dvsec(const uint8_t *config, uint32_t length, uint16_t id, uint32_t *dvsec_length)
{
	uint32_t offset = PCI_CFG_SPACE_SIZE;

	for (unsigned int hops = 0; hops < MAX_EXTENDED; hops++) {
		uint32_t header, size;

		if (offset < PCI_CFG_SPACE_SIZE || offset % 4 || length < DVSEC_READ ||
		    offset > length - DVSEC_READ)
			return 0;
		header = bytes_get_le32(config + offset);
		if (header == 0 || header == UINT32_MAX)
			return 0;
		if (PCI_EXT_CAP_ID(header) == PCI_EXT_CAP_ID_DVSEC) {
			uint32_t header_1 = bytes_get_le32(config + offset + PCI_DVSEC_HEADER1);

			size = PCI_DVSEC_HEADER1_LEN(header_1);
			if (PCI_DVSEC_HEADER1_VID(header_1) == CXL_DVSEC_VENDOR &&
			    bytes_get_le16(config + offset + PCI_DVSEC_HEADER2) == id &&
			    size >= DVSEC_MIN && size <= length - offset) {
				*dvsec_length = size;
				return offset;
			}
		}
		offset = PCI_EXT_CAP_NEXT(header);
		if (!offset)
			return 0;
	}
	return 0;
}

int cxl_capability_locate(struct cxl_record *record, const uint8_t *config, uint32_t length,
			  const char **why)
{
	uint32_t dvsec_length = 0;
	uint32_t dvsec = cxl_find_dvsec(config, length, CXL_DVSEC_REGISTER_LOCATOR, &dvsec_length);

	if (!dvsec)
		return cxl_refuse(why, "no Register Locator DVSEC");
	for (uint32_t at = LOCATOR_FIRST; at + LOCATOR_ENTRY <= dvsec_length; at += LOCATOR_ENTRY) {
		uint32_t low = bytes_get_le32(config + dvsec + at);
		uint64_t offset = (uint64_t)bytes_get_le32(config + dvsec + at + 4) << 32 |
				  (low & LOCATOR_OFFSET_LOW);

		if (LOCATOR_BLOCK(low) != LOCATOR_BLOCK_COMPONENT)
			continue;
		if (LOCATOR_BAR(low) >= PCI_STD_NUM_BARS)
			return cxl_refuse(why, "Register Locator names BAR 6 or 7");
		if (record->block_known &&
		    (record->bar != LOCATOR_BAR(low) || record->block_offset != offset))
			return cxl_refuse(why, "Register Locator and capability name different "
					       "component blocks");
		record->block_known = true;
		record->bar = LOCATOR_BAR(low);
		record->block_offset = offset;
		record->block_size = VFIO_CXL_COMPONENT_BLOCK_SIZE;
		return 0;
	}
	return cxl_refuse(why, "no component register block in the Register Locator");
}

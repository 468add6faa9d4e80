/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PASSTHROUGH_DISCOVER_CXL_CAPABILITY_H
#define PASSTHROUGH_DISCOVER_CXL_CAPABILITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "passthrough/transport/info.h"

/*
 * What a CXL device tells through VFIO, in one normalised record whichever generation of the
 * contract speaks: layout v2 and v3 of VFIO_DEVICE_INFO_CAP_CXL share id and version and are told
 * apart by length and by fields that cannot hold for both; without the capability the regions are
 * found by their types. What disagrees with itself is refused, never guessed. Pure.
 */
enum cxl_contract {
	CXL_CONTRACT_NONE = 0, /* a plain PCI device */
	CXL_CONTRACT_V2,
	CXL_CONTRACT_V3,
	CXL_CONTRACT_REGIONS,
};

struct cxl_record {
	enum cxl_contract contract;
	bool firmware_committed; /* not known (false) for CXL_CONTRACT_REGIONS: see its decoder */
	bool cache_capable;      /* v2 only; the device DVSEC is the authority */
	bool block_known;        /* the following three are valid; else from the Register Locator */
	uint32_t bar;            /* BAR with the component register block */
	uint64_t block_offset;   /* BAR-relative start of the whole 64 KiB block */
	uint64_t block_size;
	uint32_t memory_region; /* VFIO region index of the device memory */
	uint32_t component_region;
};

/*
 * cxl_capability_parse() - from the device information and the parsed region informations
 * (@region_count entries by index; regions that the device did not describe have size 0).
 * Returns 0 (record->contract says what was found) or -EPROTO with *@why set to a constant text:
 * what contradicts itself.
 */
int cxl_capability_parse(struct cxl_record *record, const struct vfio_device *device,
			 const struct vfio_region *regions, uint32_t region_count,
			 const char **why);

/*
 * cxl_capability_locate() - complete a record whose block is not known from the Register Locator
 * DVSEC in @config (@length bytes of configuration space), and cross-check one that is.
 * Returns 0, or -EPROTO with *@why (no component block, or it disagrees with the capability).
 */
int cxl_capability_locate(struct cxl_record *record, const uint8_t *config, uint32_t length,
			  const char **why);

/* Find the DVSEC @id of vendor CXL in a configuration image; its offset or 0. *@dvsec_length
 * receives its length, which is inside the image. Bounded. */
uint32_t cxl_find_dvsec(const uint8_t *config, uint32_t length, uint16_t id,
			uint32_t *dvsec_length);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PASSTHROUGH_DISCOVER_CXL_GEOMETRY_H
#define PASSTHROUGH_DISCOVER_CXL_GEOMETRY_H

#include <stdbool.h>
#include <stdint.h>

/*
 * What the component register region says about the device's HDM decoders. The region starts at the
 * capability array (contract v2), at the component block (v3) or at the HDM structure itself (later
 * generations); which one is told by the two dwords that only one of them can have.
 */
enum cxl_region_origin {
	CXL_ORIGIN_CACHEMEM,
	CXL_ORIGIN_BLOCK,
	CXL_ORIGIN_HDM,
};

enum cxl_region_origin cxl_region_origin(uint32_t at_0, uint32_t at_1000);

#define CXL_GEOMETRY_DECODERS 32u

struct cxl_geometry {
	enum cxl_region_origin origin;
	uint32_t hdm_offset;     /* of the HDM structure in the region */
	unsigned int decoders;   /* 1 to 32 */
	unsigned int committed;  /* how many of them are committed, counted from decoder 0 */
	bool locked;             /* decoder 0 is */
	bool host_only;          /* target type of decoder 0: HDM-H */
	uint64_t base;           /* of decoder 0 if committed; host physical, never for the guest */
	uint64_t committed_size; /* of all committed decoders together */
};

/*
 * Reads @count dwords at @offsets of the region. Returns 0 or -errno. Several at once so that a
 * transport with round trips can send them together.
 */
typedef int (*cxl_geometry_read)(void *opaque, const uint64_t *offsets, uint32_t *values,
				 uint32_t count);

/*
 * cxl_geometry_discover() - aligned 4-byte reads below @region_size only, which every generation
 * allows. Returns 0; -EPROTO with *@why (no HDM structure, it leaves the region, a reserved decoder
 * count, a committed decoder of size 0, sizes that overflow); or what @read returned.
 */
int cxl_geometry_discover(struct cxl_geometry *geometry, uint64_t region_size,
			  cxl_geometry_read read, void *opaque, const char **why);

/* Decoder count of the capability register's bits 3:0 (CXL 8.2.4.20.1); 0: a reserved code. */
unsigned int cxl_decoder_count(uint32_t capability);

#endif

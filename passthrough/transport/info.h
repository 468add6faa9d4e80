/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PASSTHROUGH_TRANSPORT_INFO_H
#define PASSTHROUGH_TRANSPORT_INFO_H

#include <stdbool.h>
#include <stdint.h>

#include "passthrough/transport/capability_chain.h"

/*
 * Checked parsers for the two VFIO information structures that carry capability chains
 * (struct vfio_device_info, struct vfio_region_info). Pure.
 */

/* Regions beyond this number are refused: 9 fixed ones plus what a device may sensibly add. */
#define VFIO_INFO_MAX_REGIONS 64u
#define VFIO_INFO_MAX_AREAS   64u

struct vfio_device {
	uint32_t flags; /* VFIO_DEVICE_FLAGS_* */
	uint32_t num_regions;
	uint32_t num_irqs;
	struct capability_chain chain; /* points into the image */
};

struct vfio_area {
	uint64_t offset;
	uint64_t size;
};

struct vfio_region {
	uint32_t index;
	uint32_t flags; /* VFIO_REGION_INFO_FLAG_* */
	uint64_t size;
	uint64_t offset; /* in the device's fd */
	bool sparse;     /* areas[] is the whole truth about what can be mapped */
	uint32_t area_count;
	struct vfio_area areas[VFIO_INFO_MAX_AREAS];
	bool typed;
	uint32_t type;
	uint32_t subtype;
	bool msix_mappable;
};

/*
 * vfio_info_parse_device() - @image of @length bytes (16 without chain fields, else at least 24).
 * Returns 0 or -EPROTO (too short, bad chain, more regions than VFIO_INFO_MAX_REGIONS).
 */
int vfio_info_parse_device(struct vfio_device *device, const uint8_t *image, uint32_t length);

/*
 * vfio_info_parse_region() - Returns 0 or -EPROTO (too short, wrong index, bad chain, a sparse
 * capability whose areas do not fit into it, more than one sparse or type capability). The areas
 * are copied as they are: whether they can be mapped is the planner's business.
 */
int vfio_info_parse_region(struct vfio_region *region, const uint8_t *image, uint32_t length,
			   uint32_t index);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "passthrough/discover/cxl_capability.h"
#include "passthrough/discover/cxl_geometry.h"
#include "passthrough/transport/info.h"

/*
 * Capability chains, region informations, the CXL capability in all layouts and the decoder
 * geometry from any bytes. What is accepted must be usable: indices in range, the block inside its
 * BAR.
 */
static const uint8_t *registers;
static uint32_t registers_size;

static int read_dwords(void *opaque, const uint64_t *offsets, uint32_t *values, uint32_t count)
{
	uint64_t region_size = *(uint64_t *)opaque;

	for (uint32_t i = 0; i < count; i++) {
		if (offsets[i] % 4 || offsets[i] + 4 > region_size)
			abort();
		values[i] = 0;
		if (offsets[i] + 4 <= registers_size)
			memcpy(&values[i], registers + offsets[i], 4);
	}
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct vfio_region regions[VFIO_INFO_MAX_REGIONS];
	struct vfio_device device;
	struct cxl_geometry geometry;
	struct cxl_record record;
	const char *why;
	uint32_t split[3], at = 6;
	uint64_t region_size;

	if (size < 6)
		return 0;
	for (int i = 0; i < 3; i++)
		split[i] = (uint32_t)data[2 * i] | (uint32_t)data[2 * i + 1] << 8;
	memset(regions, 0, sizeof(regions));
	for (uint32_t i = 0; i < 3; i++) {
		uint32_t length = split[0] % 512;
		uint32_t index = i == 0 ? 2 : 8 + i;

		if (length > size - at)
			length = (uint32_t)size - at;
		vfio_info_parse_region(&regions[index], data + at, length, index);
		at += length;
	}
	if (split[1] > size - at)
		split[1] = (uint32_t)size - at;
	if (!vfio_info_parse_device(&device, data + at, split[1]) &&
	    !cxl_capability_parse(&record, &device, regions, device.num_regions, &why) &&
	    record.contract != CXL_CONTRACT_NONE) {
		if (record.memory_region >= device.num_regions ||
		    record.component_region >= device.num_regions ||
		    regions[record.memory_region].size == 0)
			abort();
		if (record.block_known &&
		    (record.bar > 5 ||
		     record.block_offset + record.block_size > regions[record.bar].size))
			abort();
		cxl_capability_locate(&record, data, (uint32_t)size, &why);
	}
	at += split[1];
	registers = data + at;
	registers_size = (uint32_t)size - at;
	region_size = split[2];
	if (!cxl_geometry_discover(&geometry, region_size, read_dwords, &region_size, &why) &&
	    (!geometry.decoders || geometry.committed > geometry.decoders))
		abort();
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "passthrough/discover/cxl_geometry.h"

#include <errno.h>
#include <string.h>

#include "devices/cxl/component_registers.h"
#include "devices/cxl/hdm_decoder.h"
#include "wire/vfio_cxl.h"

#define HEADER_SPECULATED 8u /* dwords of the capability array that are read at once */
#define REGION_MIN        0x20u

/* CXL 8.2.4.1, 8.2.4.2: the capability array's header and its entries */
#define ARRAY_ID(dword)      ((dword)&0xffffu)
#define ARRAY_COUNT(dword)   ((dword) >> 24)
#define ARRAY_POINTER(dword) ((dword) >> 20)

/* CXL 8.2.4.20.1, 8.2.4.20.3 */
#define HDM_CAPABILITY_COUNT(dword) ((dword)&0xfu)
#define HDM_COUNT_CODE_MAX          0xcu
#define HDM_DEVICE_DECODERS_MAX     10u /* the codes above are for ports */
#define HDM_LOW_MASK                (~(HDM_DECODER_GRANULARITY - 1))

static int cxl_refuse(const char **why, const char *text)
{
	*why = text;
	return -EPROTO;
}

enum cxl_region_origin cxl_region_origin(uint32_t at_0, uint32_t at_1000)
{
	/* The array, with at least one entry. */
	if (ARRAY_ID(at_0) == CXL_CAPABILITY_ARRAY && ARRAY_COUNT(at_0))
		return CXL_ORIGIN_CACHEMEM;
	if (at_0 == 0 && ARRAY_ID(at_1000) == CXL_CAPABILITY_ARRAY && ARRAY_COUNT(at_1000))
		return CXL_ORIGIN_BLOCK;
	return CXL_ORIGIN_HDM;
}

unsigned int cxl_decoder_count(uint32_t capability)
{
	unsigned int code = HDM_CAPABILITY_COUNT(capability);

	if (code <= 8)
		return code ? 2 * code : 1;
	if (code <= HDM_COUNT_CODE_MAX)
		return 20 + 4 * (code - 9);
	return 0;
}

/* Read the dwords of [start, start + count * 4) that are below @size; the others are 0. */
static int cxl_read_run(cxl_geometry_read read, void *opaque, uint64_t start, uint32_t count,
			uint64_t size, uint32_t *values)
{
	uint64_t offsets[CXL_GEOMETRY_DECODERS];
	uint32_t present = 0;

	memset(values, 0, count * sizeof(*values));
	while (present < count && start + 4ull * present + 4 <= size) {
		offsets[present] = start + 4ull * present;
		present++;
	}
	return present ? read(opaque, offsets, values, present) : 0;
}

/* The pointers of the array's entries are relative to the array. */
static int cxl_find_hdm(struct cxl_geometry *geometry, uint64_t array, uint32_t header,
			uint64_t size, cxl_geometry_read read, void *opaque, const char **why)
{
	uint32_t count = ARRAY_COUNT(header);

	for (uint32_t first = 1; first <= count; first += HEADER_SPECULATED) {
		uint32_t values[HEADER_SPECULATED];
		int result = cxl_read_run(read, opaque, array + 4ull * first, HEADER_SPECULATED,
					  size, values);

		if (result)
			return result;
		for (uint32_t i = 0; i < HEADER_SPECULATED && first + i <= count; i++) {
			if (ARRAY_ID(values[i]) != CXL_CAPABILITY_HDM_DECODER)
				continue;
			geometry->hdm_offset = (uint32_t)array + ARRAY_POINTER(values[i]);
			return 0;
		}
	}
	return cxl_refuse(why, "no HDM decoder capability among the component registers");
}

static int cxl_read_decoders(struct cxl_geometry *geometry, cxl_geometry_read read, void *opaque,
			     const char **why)
{
	bool run = true;

	for (unsigned int decoder = 0; decoder < geometry->decoders && run; decoder++) {
		uint64_t at = geometry->hdm_offset + (uint64_t)HDM_DECODER_STRIDE * decoder;
		uint64_t offsets[5] = {at + HDM_DECODER_BASE_LOW, at + HDM_DECODER_BASE_HIGH,
				       at + HDM_DECODER_SIZE_LOW, at + HDM_DECODER_SIZE_HIGH,
				       at + HDM_DECODER_CONTROL};
		uint32_t values[5];
		uint64_t decoder_size;
		int result = read(opaque, offsets, values, 5);

		if (result)
			return result;
		run = values[4] & HDM_CONTROL_COMMITTED;
		if (decoder == 0 || (run && !geometry->committed)) {
			geometry->locked = values[4] & HDM_CONTROL_LOCK_ON_COMMIT;
			geometry->host_only = values[4] & HDM_CONTROL_HOST_ONLY;
		}
		if (!run)
			break;
		decoder_size = (uint64_t)values[3] << 32 | (values[2] & HDM_LOW_MASK);
		/* Unused, and committed so that nobody else can use it (CXL 8.2.4.20.12). */
		if (decoder_size == 0)
			continue;
		if (__builtin_add_overflow(geometry->committed_size, decoder_size,
					   &geometry->committed_size))
			return cxl_refuse(why, "a committed HDM decoder with an impossible size");
		if (!geometry->committed)
			geometry->base = (uint64_t)values[1] << 32 | (values[0] & HDM_LOW_MASK);
		geometry->committed++;
	}
	return 0;
}

int cxl_geometry_discover(struct cxl_geometry *geometry, uint64_t region_size,
			  cxl_geometry_read read, void *opaque, const char **why)
{
	uint64_t offsets[2] = {0, VFIO_CXL_CACHEMEM_OFFSET};
	uint32_t values[2] = {0, 0};
	uint64_t end;
	int result;

	memset(geometry, 0, sizeof(*geometry));
	*why = NULL;
	if (region_size < REGION_MIN)
		return cxl_refuse(why, "the component register region is too small");
	result = read(opaque, offsets, values, region_size >= VFIO_CXL_CACHEMEM_OFFSET + 4 ? 2 : 1);
	if (result)
		return result;
	geometry->origin = cxl_region_origin(values[0], values[1]);
	if (geometry->origin == CXL_ORIGIN_CACHEMEM)
		result = cxl_find_hdm(geometry, 0, values[0], region_size, read, opaque, why);
	else if (geometry->origin == CXL_ORIGIN_BLOCK)
		result = cxl_find_hdm(geometry, VFIO_CXL_CACHEMEM_OFFSET, values[1], region_size,
				      read, opaque, why);
	if (result)
		return result;
	if (geometry->hdm_offset % 4 ||
	    geometry->hdm_offset + (uint64_t)HDM_DECODER_BLOCK_SIZE(1) > region_size)
		return cxl_refuse(why, "the HDM decoder structure leaves its region");
	if (geometry->origin == CXL_ORIGIN_HDM) {
		values[1] = values[0];
	} else {
		offsets[0] = geometry->hdm_offset;
		result = read(opaque, offsets, &values[1], 1);
		if (result)
			return result;
	}
	geometry->decoders = cxl_decoder_count(values[1]);
	if (!geometry->decoders)
		return cxl_refuse(why, "reserved HDM decoder count");
	if (geometry->decoders > HDM_DEVICE_DECODERS_MAX)
		return cxl_refuse(why, "more HDM decoders than a device may have");
	end = geometry->hdm_offset + (uint64_t)HDM_DECODER_BLOCK_SIZE(geometry->decoders);
	if (end > region_size)
		return cxl_refuse(why, "more HDM decoders than its region has room for");
	return cxl_read_decoders(geometry, read, opaque, why);
}

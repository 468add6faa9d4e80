// SPDX-License-Identifier: GPL-2.0-only
/*
 * Capability array walk and register snapshot (CXL 8.2.4).
 *
 * The device is not trusted: a pointer, a length or a count that does not fit
 * in the 4 KiB area ends the walk with an error.
 */
#include "component.h"

u32 component_decoder_count(u32 capability)
{
	u32 code = capability & CXL_HDM_CAPABILITY_COUNT_MASK;
	static const u8 large[] = {20, 24, 28, 32};

	if (code == 0)
		return 1;
	if (code <= 8)
		return 2 * code;
	if (code - 9 < ARRAY_SIZE(large))
		return large[code - 9];
	return 0;
}

static bool component_structure_fits(const struct component_map *map, u32 offset, u32 length)
{
	u32 array_end = 4 * (map->array_entries + 1);

	return offset % 4 == 0 && offset >= array_end && offset < CXL_CM_SIZE &&
	       length <= CXL_CM_SIZE - offset;
}

static int component_walk_hdm(const struct component_reader *reader, struct component_map *map,
			      u32 offset)
{
	u32 count, length;

	if (!component_structure_fits(map, offset, CXL_HDM_DECODER_OFFSET))
		return -EINVAL;
	count = component_decoder_count(reader->read(reader->context, offset + CXL_HDM_CAPABILITY));
	if (count == 0)
		return -EINVAL;
	length = CXL_HDM_DECODER_OFFSET + CXL_HDM_DECODER_SIZE * count;
	if (!component_structure_fits(map, offset, length))
		return -EINVAL;
	map->hdm_offset = offset;
	map->hdm_length = length;
	map->decoder_count = count;
	return 0;
}

int component_walk(const struct component_reader *reader, struct component_map *map)
{
	u32 header = reader->read(reader->context, 0);
	u32 ras = 0, hdm = 0, i;
	int ret;

	memset(map, 0, sizeof(*map));
	if ((header & CXL_CM_ID_MASK) != CXL_CM_ID_ARRAY)
		return -ENODEV;
	map->array_entries = header >> CXL_CM_ARRAY_SIZE_SHIFT;

	for (i = 1; i <= map->array_entries; i++) {
		u32 entry = reader->read(reader->context, 4 * i);
		u32 pointer = entry >> CXL_CM_POINTER_SHIFT;

		if ((entry & CXL_CM_ID_MASK) == CXL_CM_ID_HDM && !hdm)
			hdm = pointer;
		else if ((entry & CXL_CM_ID_MASK) == CXL_CM_ID_RAS && !ras)
			ras = pointer;
	}
	if (!hdm)
		return -ENXIO;
	ret = component_walk_hdm(reader, map, hdm);
	if (ret)
		return ret;
	if (ras && component_structure_fits(map, ras, CXL_RAS_LENGTH) &&
	    ras + CXL_RAS_LENGTH <= map->hdm_offset)
		map->ras_offset = ras;
	return 0;
}

u32 component_snapshot_length(const struct component_map *map)
{
	return map->hdm_offset + map->hdm_length;
}

static void component_copy(const struct component_reader *reader, u32 *words, u32 offset,
			   u32 length)
{
	u32 at;

	for (at = offset; at < offset + length; at += 4)
		words[at / 4] = reader->read(reader->context, at);
}

void component_snapshot(const struct component_reader *reader, const struct component_map *map,
			u32 *words)
{
	memset(words, 0, component_snapshot_length(map));
	component_copy(reader, words, 0, 4 * (map->array_entries + 1));
	if (map->ras_offset)
		component_copy(reader, words, map->ras_offset, CXL_RAS_LENGTH);
	component_copy(reader, words, map->hdm_offset, map->hdm_length);
}

void component_range_read(const u32 *words, const struct component_map *map, u32 index,
			  struct component_range *range)
{
	const u32 *decoder =
		words +
		(map->hdm_offset + CXL_HDM_DECODER_OFFSET + CXL_HDM_DECODER_SIZE * index) / 4;
	u32 control = decoder[CXL_DECODER_CONTROL / 4];

	range->base = ((u64)decoder[CXL_DECODER_BASE_HIGH / 4] << 32) |
		      (decoder[CXL_DECODER_BASE_LOW / 4] & CXL_DECODER_ADDRESS_MASK);
	range->size = ((u64)decoder[CXL_DECODER_SIZE_HIGH / 4] << 32) |
		      (decoder[CXL_DECODER_SIZE_LOW / 4] & CXL_DECODER_ADDRESS_MASK);
	/*
	 * A device that does not answer reads all-ones, which must not look like a committed
	 * decoder.
	 */
	range->committed = (control & CXL_DECODER_COMMITTED) && control != ~(u32)0;
	range->locked = control & CXL_DECODER_LOCK_ON_COMMIT;
	range->interleaved = control & CXL_DECODER_WAYS_MASK;
}

int component_range_check(const struct component_range *range)
{
	if (!range->committed || !range->size)
		return -ENXIO;
	if (range->interleaved)
		return -EOPNOTSUPP;
	if (!range->base || range->base % CXL_DECODER_GRANULE ||
	    range->size % CXL_DECODER_GRANULE || range->base + range->size - 1 < range->base)
		return -EINVAL;
	return range->size > CXL_REGION_LIMIT ? -EFBIG : 0;
}

int component_acceptance(const u32 *words, const struct component_map *map, u32 *index)
{
	u32 control = words[(map->hdm_offset + CXL_HDM_GLOBAL_CONTROL) / 4];
	u32 i;

	if (!(control & CXL_HDM_GLOBAL_ENABLE))
		return -EIO;
	for (i = 1; i < map->decoder_count; i++) {
		struct component_range range;

		component_range_read(words, map, i, &range);
		/* Firmware locks decoders it does not use with a size of zero. */
		if (range.committed && range.size) {
			*index = i;
			return -EEXIST;
		}
	}
	return 0;
}

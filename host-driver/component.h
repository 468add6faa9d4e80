/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The CXL.cache and CXL.mem register area of a component block: finding the
 * HDM decoders and copying what the driver may show to user space.
 */
#ifndef CXL_VFIO_COMPONENT_H
#define CXL_VFIO_COMPONENT_H

#include "registers.h"

/* How to read the hardware: 32 bits at an offset of the area, a multiple of 4 below 4096. */
struct component_reader {
	u32 (*read)(void *context, u32 offset);
	void *context;
};

/* Where things are, in bytes from the start of the area (component block + 0x1000). */
struct component_map {
	u32 array_entries;
	u32 ras_offset; /* 0: there is none, or it is not fully before the HDM structure */
	u32 hdm_offset;
	u32 hdm_length;
	u32 decoder_count;
};

/* What one decoder decodes. */
struct component_range {
	u64 base;
	u64 size;
	bool committed;
	bool locked;
	bool interleaved;
};

/*
 * Number of decoders for a count code of the HDM capability register (8.2.4.20.1);
 * 0 for a reserved code.
 */
u32 component_decoder_count(u32 capability);

/*
 * Walk the capability array.
 * 0; -ENODEV: no capability array; -ENXIO: no HDM decoder structure;
 * -EINVAL: a structure does not fit in the area or its count code is reserved.
 */
int component_walk(const struct component_reader *reader, struct component_map *map);

/*
 * Bytes that component_snapshot() fills: from the start of the area to the end of the HDM
 * structure.
 */
u32 component_snapshot_length(const struct component_map *map);

/*
 * Copy the capability array, the RAS structure and the HDM structure to @words, which has room for
 * component_snapshot_length() bytes. Everything else is zero and is not read: other structures have
 * 64-bit registers, which must not be read in halves.
 */
void component_snapshot(const struct component_reader *reader, const struct component_map *map,
			u32 *words);

/* Decode decoder @index, below map->decoder_count, from a snapshot. */
void component_range_read(const u32 *words, const struct component_map *map, u32 index,
			  struct component_range *range);

/*
 * May this decoder's memory be handed out?
 * 0; -ENXIO: not committed or of size zero; -EOPNOTSUPP: interleaved with other devices;
 * -EINVAL: base or size is not a multiple of 256 MiB, or the end wraps;
 * -EFBIG: more than a VFIO region can hold.
 */
int component_range_check(const struct component_range *range);

/*
 * May the whole device be handed out, by a snapshot? Beside decoder 0, which component_range_check()
 * judges: -EIO: HDM Decoder Enable is clear, so that nothing decodes (8.2.4.20.2); -EEXIST: another
 * decoder is committed, and its memory would stay in the host's hands; *@index receives which.
 */
int component_acceptance(const u32 *words, const struct component_map *map, u32 *index);

#endif

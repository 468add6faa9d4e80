/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The capability chain of VFIO_DEVICE_GET_INFO and its size protocol.
 *
 * The chain is built in a fixed buffer, so that the call allocates nothing.
 */
#ifndef CXL_VFIO_CHAIN_H
#define CXL_VFIO_CHAIN_H

#include "shim.h"
#include "uapi.h"

#define CHAIN_CAPACITY 96

/* Zero-initialise before use. */
struct chain {
	u32 length;
	u32 last; /* offset of the header added last */
	union {
		u8 bytes[CHAIN_CAPACITY];
		u64 align;
	};
};

/* What the CXL capability says. */
struct chain_cxl {
	enum cxl_layout layout;
	u32 bar;
	u64 block_offset;
	u32 memory_region;
	u32 comp_region;
	bool committed;
	bool cache_capable;
};

/* What to write back to user space. */
struct chain_reply {
	u32 argsz;
	u32 cap_offset;  /* 0: the chain is not copied */
	u32 info_length; /* bytes of the info structure to copy */
};

/*
 * Append a capability of @length bytes including its header, whose id and version the caller has
 * set; padded to 8 bytes. 0; -ENOSPC: the buffer is full.
 */
int chain_add(struct chain *chain, const void *capability, u32 length);

/* Append VFIO_DEVICE_INFO_CAP_CXL in the layout asked for. 0; -ENOSPC. */
int chain_add_cxl(struct chain *chain, const struct chain_cxl *cxl);

/*
 * Make the next fields count from the start of an info structure of @info_size bytes. Call once, at
 * the end.
 */
void chain_shift(struct chain *chain, u32 info_size);

/*
 * The size protocol: @argsz as user space gave it, @minimum as the oldest user space has it,
 * @info_size as ours. 0; -EINVAL: argsz is below the minimum.
 */
int chain_reply(const struct chain *chain, u32 argsz, u32 minimum, u32 info_size,
		struct chain_reply *reply);

#endif

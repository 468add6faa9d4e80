/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which file accesses and mappings the two CXL regions accept, and how a
 * config access is cut at the borders of what the driver virtualises.
 */
#ifndef CXL_VFIO_ACCESS_H
#define CXL_VFIO_ACCESS_H

#include "shim.h"

/*
 * COMP_REGS, @position and @count in a region of @size bytes: @length is the number of bytes to
 * transfer, whole dwords. Layout 2 takes exactly one dword per call and first clamps a call that
 * crosses the end; layout 3 takes any number of dwords but none beyond the end. 0; -EINVAL.
 */
int access_registers(enum cxl_layout layout, u64 size, u64 position, u64 count, u64 *length);

/*
 * Memory region: layout 2 behaves like a file (0 bytes at the end, short at the end), layout 3
 * refuses what does not fit. 0; -EINVAL.
 */
int access_memory(enum cxl_layout layout, u64 size, u64 position, u64 count, u64 *length);

/*
 * mmap() of [position, position + length) of the memory region. 0; -EOVERFLOW: wraps; -EINVAL:
 * beyond the end.
 */
int access_memory_map(u64 size, u64 position, u64 length);

/* What the driver does with a part of config space. */
enum access_kind {
	ACCESS_CORE,         /* vfio-pci-core's business */
	ACCESS_DEVICE_DVSEC, /* body of the CXL device DVSEC: the driver's shadow */
	ACCESS_COMMAND,      /* Command register, the byte with Memory Space Enable */
	ACCESS_READ_ONLY,    /* reads show the hardware, writes are dropped */
};

/* [start, end) of config space; windows are sorted and disjoint. */
struct access_window {
	u32 start;
	u32 end;
	enum access_kind kind;
};

/*
 * The kind of the byte at @position, and in @length how many of the @count bytes from there are of
 * the same window (or of the same gap between windows). @length is at least 1 when @count is.
 */
enum access_kind access_config_span(const struct access_window *windows, u32 window_count,
				    u64 position, u64 count, u64 *length);

/* Insert a window, keeping the order. 0; -ENOSPC; -EINVAL: empty or overlapping. */
int access_window_insert(struct access_window *windows, u32 *window_count, u32 capacity, u32 start,
			 u32 end, enum access_kind kind);

#endif

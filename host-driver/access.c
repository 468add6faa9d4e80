// SPDX-License-Identifier: GPL-2.0-only
/* Bounds of region accesses. */
#include "access.h"

int access_registers(enum cxl_layout layout, u64 size, u64 position, u64 count, u64 *length)
{
	*length = 0;
	if (!count)
		return 0;
	if (position >= size || position % 4)
		return -EINVAL;
	if (layout == CXL_LAYOUT_V3) {
		if (count > size - position || count % 4)
			return -EINVAL;
	} else {
		if (count > size - position)
			count = size - position;
		if (count != 4)
			return -EINVAL;
	}
	*length = count;
	return 0;
}

int access_memory(enum cxl_layout layout, u64 size, u64 position, u64 count, u64 *length)
{
	*length = 0;
	if (layout == CXL_LAYOUT_V3) {
		if (position > size || count > size - position)
			return -EINVAL;
	} else {
		if (position >= size)
			return 0;
		if (count > size - position)
			count = size - position;
	}
	*length = count;
	return 0;
}

int access_memory_map(u64 size, u64 position, u64 length)
{
	if (position + length < position)
		return -EOVERFLOW;
	if (!length || position + length > size)
		return -EINVAL;
	return 0;
}

enum access_kind access_config_span(const struct access_window *windows, u32 window_count,
				    u64 position, u64 count, u64 *length)
{
	enum access_kind kind = ACCESS_CORE;
	u64 end = position + count;
	u32 i;

	for (i = 0; i < window_count; i++) {
		if (position >= windows[i].end)
			continue;
		if (position >= windows[i].start) {
			kind = windows[i].kind;
			if (end > windows[i].end)
				end = windows[i].end;
		} else if (end > windows[i].start) {
			end = windows[i].start;
		}
		break;
	}
	*length = end - position;
	return kind;
}

int access_window_insert(struct access_window *windows, u32 *window_count, u32 capacity, u32 start,
			 u32 end, enum access_kind kind)
{
	u32 at = 0, i;

	if (start >= end)
		return -EINVAL;
	if (*window_count >= capacity)
		return -ENOSPC;
	while (at < *window_count && windows[at].start < start)
		at++;
	if (at > 0 && windows[at - 1].end > start)
		return -EINVAL;
	if (at < *window_count && windows[at].start < end)
		return -EINVAL;
	for (i = *window_count; i > at; i--)
		windows[i] = windows[i - 1];
	windows[at].start = start;
	windows[at].end = end;
	windows[at].kind = kind;
	(*window_count)++;
	return 0;
}

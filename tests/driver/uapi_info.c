/* SPDX-License-Identifier: Apache-2.0 */
/* Statements 1 to 9 and 14 to 25: device info and component BAR info. */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tests/driver/uapi_device.h"

struct chain_view {
	uint8_t bytes[512];
	uint32_t total;
	uint32_t cxl; /* offset of capability 6, 0 if absent */
	uint32_t cxl_length;
	uint32_t cxl_count;
	uint32_t cxl_version;
	bool in_bounds;
};

static uint32_t view_u32(const struct chain_view *view, uint32_t at)
{
	uint32_t value;

	memcpy(&value, view->bytes + at, sizeof(value));
	return value;
}

static uint64_t view_u64(const struct chain_view *view, uint32_t at)
{
	uint64_t value;

	memcpy(&value, view->bytes + at, sizeof(value));
	return value;
}

static void view_walk(struct chain_view *view, uint32_t at)
{
	view->in_bounds = true;
	for (int hops = 0; at && hops < 32; hops++) {
		struct vfio_info_cap_header header;

		if (at + sizeof(header) > view->total) {
			view->in_bounds = false;
			return;
		}
		memcpy(&header, view->bytes + at, sizeof(header));
		if (header.id == 6) {
			view->cxl = at;
			view->cxl_count++;
			view->cxl_version = header.version;
			view->cxl_length = (header.next ? header.next : view->total) - at;
		}
		at = header.next;
	}
}

static void test_v2_fields(struct uapi_device *device, const struct chain_view *view)
{
	uint64_t offset = view_u64(view, view->cxl + 0x10);
	uint32_t memory = view_u32(view, view->cxl + 0x18);
	uint32_t registers = view_u32(view, view->cxl + 0x1c);

	uapi_check(device, "s6 the v2 capability is 32 bytes with zero padding",
		   view->cxl_length == 32 && view->bytes[view->cxl + 9] == 0 &&
			   view->bytes[view->cxl + 10] == 0 && view->bytes[view->cxl + 11] == 0,
		   "length %u", view->cxl_length);
	uapi_check(device, "s7 v2 flags have bits 0 and 1 only",
		   (view_u32(view, view->cxl + 0xc) & ~3u) == 0, "flags %#x",
		   view_u32(view, view->cxl + 0xc));
	uapi_check(device, "s7b firmware-committed is set", view_u32(view, view->cxl + 0xc) & 1,
		   "clear");
	uapi_check(device, "s8 hdm_regs_offset is the CXL.mem area of a 64 KiB block",
		   offset >= 0x1000 && (offset - 0x1000) % 0x10000 == 0, "%#lx", offset);
	uapi_check(device, "s9 region indices are dynamic, distinct and in range",
		   memory == device->memory_index && registers == device->registers_index &&
			   memory != registers,
		   "memory %u registers %u of %u", memory, registers, device->num_regions);
	uapi_check(device, "s73 the register locator names the same block",
		   view->bytes[view->cxl + 8] == device->bar && offset - 0x1000 == device->block,
		   "BAR%u+%#lx, locator BAR%u+%#lx", view->bytes[view->cxl + 8], offset,
		   device->bar, device->block);
}

static void test_v3_fields(struct uapi_device *device, const struct chain_view *view)
{
	uint32_t memory = view_u32(view, view->cxl + 0x0c);
	uint32_t registers = view_u32(view, view->cxl + 0x10);

	uapi_check(device, "s6 the v3 capability is 48 bytes with zero padding",
		   view->cxl_length == 48 && view_u64(view, view->cxl + 0x18) == 0, "length %u",
		   view->cxl_length);
	uapi_check(device, "s7 v3 flags are HOST_FIRMWARE_COMMITTED",
		   view_u32(view, view->cxl + 8) == 1, "flags %#x", view_u32(view, view->cxl + 8));
	uapi_check(device, "s9 region indices are dynamic, distinct and in range",
		   memory == device->memory_index && registers == device->registers_index &&
			   memory != registers,
		   "memory %u registers %u of %u", memory, registers, device->num_regions);
	uapi_check(device, "s73 the register locator names the same block",
		   view_u32(view, view->cxl + 0x14) == device->bar &&
			   view_u64(view, view->cxl + 0x20) == device->block &&
			   view_u64(view, view->cxl + 0x28) == 0x10000,
		   "BAR%u+%#lx", view_u32(view, view->cxl + 0x14),
		   view_u64(view, view->cxl + 0x20));
}

void uapi_test_info(struct uapi_device *device)
{
	struct chain_view view = {0};
	struct vfio_device_info *info = (struct vfio_device_info *)view.bytes;

	info->argsz = 15;
	uapi_fails_with(device, "s1 argsz 15", ioctl(device->fd, VFIO_DEVICE_GET_INFO, info),
			EINVAL);

	memset(&view, 0, sizeof(view));
	info->argsz = 24;
	uapi_check(device, "s2 argsz 24 learns the total",
		   ioctl(device->fd, VFIO_DEVICE_GET_INFO, info) == 0 && info->argsz >= 24 + 32 &&
			   info->argsz <= sizeof(view.bytes) && info->cap_offset == 0 &&
			   (info->flags & VFIO_DEVICE_FLAGS_CAPS),
		   "argsz %u cap_offset %u flags %#x", info->argsz, info->cap_offset, info->flags);
	view.total = info->argsz;

	memset(view.bytes, 0xa5, sizeof(view.bytes));
	info->argsz = view.total;
	uapi_check(device, "s3 the second call gets the chain",
		   ioctl(device->fd, VFIO_DEVICE_GET_INFO, info) == 0 && info->cap_offset == 24 &&
			   info->argsz == view.total && view.bytes[view.total] == 0xa5,
		   "argsz %u cap_offset %u", info->argsz, info->cap_offset);
	view_walk(&view, info->cap_offset);
	uapi_check(device, "s3b every capability is inside the buffer", view.in_bounds,
		   "one is not");
	uapi_check(device, "s4 PCI, CXL and CAPS are set together", (info->flags & 0x282) == 0x282,
		   "flags %#x", info->flags);
	if (!uapi_check(device, "s5 capability 6 is there once, version 1",
			view.cxl_count == 1 && view.cxl_version == 1, "%u times, version %u",
			view.cxl_count, view.cxl_version))
		return;
	if (device->layout == 3)
		test_v3_fields(device, &view);
	else
		test_v2_fields(device, &view);
}

static void expected_areas(struct uapi_device *device, struct uapi_area *areas, uint32_t *count)
{
	uint64_t end = device->block + UAPI_BLOCK_SIZE;

	*count = 0;
	if (device->block)
		areas[(*count)++] = (struct uapi_area){0, device->block};
	if (end < device->bar_size)
		areas[(*count)++] = (struct uapi_area){end, device->bar_size - end};
}

static void test_areas(struct uapi_device *device)
{
	const struct uapi_region *region = &device->component;
	struct uapi_area expected[2];
	uint64_t sum = 0;
	uint32_t count;
	bool same, sound = true;

	expected_areas(device, expected, &count);
	same = region->area_count == count &&
	       !memcmp(region->areas, expected, count * sizeof(expected[0]));
	uapi_check(device, "s15 argsz 32 asks for the chain, no offset",
		   region->needed == 32 + 16 + 16 * count + (region->msix_mappable ? 8 : 0) &&
			   region->first_cap_offset == 0 &&
			   (region->info.flags & VFIO_REGION_INFO_FLAG_CAPS),
		   "argsz %u cap_offset %u", region->needed, region->first_cap_offset);
	uapi_check(device, "s16-18 the areas of the topology", same, "%u areas, first %#lx+%#lx",
		   region->area_count, region->areas[0].offset, region->areas[0].size);
	for (uint32_t i = 0; i < region->area_count && i < 2; i++) {
		const struct uapi_area *area = &region->areas[i];

		sum += area->size;
		sound = sound && area->size && area->offset % 4096 == 0 && area->size % 4096 == 0 &&
			area->offset + area->size <= device->bar_size &&
			(area->offset + area->size <= device->block ||
			 area->offset >= device->block + UAPI_BLOCK_SIZE);
	}
	uapi_check(device, "s19 areas and block add up to the BAR",
		   sum + UAPI_BLOCK_SIZE == device->bar_size, "%#lx of %#lx", sum,
		   device->bar_size);
	uapi_check(device, "s20 areas are sound", sound, "one is not");
	uapi_check(device, "s20b MMAP is set", region->info.flags & VFIO_REGION_INFO_FLAG_MMAP,
		   "clear");
}

void uapi_test_component_bar(struct uapi_device *device)
{
	const struct uapi_region *region = &device->component;
	struct vfio_region_info info = {.argsz = 31, .index = device->bar};
	static const char topologies[] = "ABCD";
	bool at_start = device->block == 0,
	     at_end = device->block + UAPI_BLOCK_SIZE == device->bar_size;

	uapi_check(device, "s0 the device has the topology that was asked for",
		   topologies[at_start ? (at_end ? 3 : 1) : (at_end ? 0 : 2)] == device->topology,
		   "block %#lx in %#lx", device->block, device->bar_size);
	uapi_fails_with(device, "s14 argsz 31",
			ioctl(device->fd, VFIO_DEVICE_GET_REGION_INFO, &info), EINVAL);
	uapi_check(device, "s14b size, offset and access of the BAR",
		   region->info.offset == (uint64_t)device->bar << 40 &&
			   (region->info.flags & 3) == 3,
		   "offset %#llx flags %#x", region->info.offset, region->info.flags);
	if (at_start && at_end)
		uapi_check(device, "s21 a block that fills the BAR: read and write only",
			   (region->info.flags & 0xf) == 3 && !region->sparse &&
				   region->needed == 32,
			   "flags %#x argsz %u", region->info.flags, region->needed);
	else
		test_areas(device);
	for (uint32_t bar = 0; bar < 6; bar++) {
		struct uapi_region other;

		if (bar == device->bar || uapi_region_info(device, bar, &other) || !other.info.size)
			continue;
		uapi_check(device, "s24 another BAR has no windows", !other.sparse,
			   "BAR%u has %u areas", bar, other.area_count);
	}
	info.argsz = 32;
	info.index = device->num_regions;
	uapi_fails_with(device, "s24b a region that does not exist",
			ioctl(device->fd, VFIO_DEVICE_GET_REGION_INFO, &info), EINVAL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Statements 1 to 9, 13 to 21, 24 and 73: device info and BAR info. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
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

/* The smallest structure, without cap_offset; and an answer that has nowhere to go. */
static void test_small_info(struct uapi_device *device)
{
	uint32_t words[16];
	int ret;

	memset(words, 0xa5, sizeof(words));
	words[0] = 16;
	ret = ioctl(device->fd, VFIO_DEVICE_GET_INFO, words);
	uapi_check(device, "s1b argsz 16 is served and not written beyond",
		   ret == 0 && words[0] >= 24 + 32 && (words[1] & 0x282) == 0x282 &&
			   words[2] == device->num_regions && words[3] == VFIO_PCI_NUM_IRQS &&
			   words[4] == 0xa5a5a5a5,
		   "returned %d, argsz %u flags %#x, behind it %#x", ret, words[0], words[1],
		   words[4]);
	uapi_fails_with(device, "s1c a bad address",
			ioctl(device->fd, VFIO_DEVICE_GET_INFO, uapi_bad_address()), EFAULT);
}

void uapi_test_info(struct uapi_device *device)
{
	struct chain_view view = {0};
	struct vfio_device_info *info = (struct vfio_device_info *)view.bytes;

	info->argsz = 15;
	uapi_fails_with(device, "s1 argsz 15", ioctl(device->fd, VFIO_DEVICE_GET_INFO, info),
			EINVAL);

	test_small_info(device);

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

/* For every region, not for the component BAR only. */
static void test_short_region_info(struct uapi_device *device)
{
	uint32_t served = 0;

	for (uint32_t index = 0; index < device->num_regions; index++) {
		struct vfio_region_info info = {.argsz = 31, .index = index};

		if (ioctl(device->fd, VFIO_DEVICE_GET_REGION_INFO, &info) != -1 || errno != EINVAL)
			served++;
	}
	uapi_check(device, "s14c argsz 31 of any region", served == 0, "%u of %u regions", served,
		   device->num_regions);
	uapi_fails_with(device, "s14d a bad address",
			ioctl(device->fd, VFIO_DEVICE_GET_REGION_INFO, uapi_bad_address()), EFAULT);
}

/* The length of a BAR as the PCI core has it; 0 if there is none. */
static uint64_t resource_length(const struct uapi_device *device, uint32_t bar)
{
	uint64_t start = 0, end = 0;
	char path[128], line[128];
	FILE *file;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource", device->bdf);
	file = fopen(path, "re");
	if (!file)
		return 0;
	for (uint32_t i = 0; i <= bar && fgets(line, sizeof(line), file); i++)
		if (sscanf(line, "%" SCNx64 " %" SCNx64, &start, &end) != 2)
			start = end = 0;
	fclose(file);
	return end ? end - start + 1 : 0;
}

/* As vfio-pci describes it: all of it can be read, written and mapped. */
static void test_other_bar(struct uapi_device *device, uint32_t bar)
{
	uint64_t length = resource_length(device, bar);
	struct uapi_region other;

	if (uapi_region_info(device, bar, &other)) {
		uapi_check(device, "s24 another BAR", false, "BAR%u: %s", bar, strerror(errno));
		return;
	}
	uapi_check(device, "s24 another BAR is as the PCI core has it, without windows",
		   other.info.size == length && !other.sparse &&
			   (other.info.flags & 7) == (length ? 7 : 0),
		   "BAR%u: size %#llx of %#lx, flags %#x, %u areas", bar, other.info.size, length,
		   other.info.flags, other.area_count);
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
	test_short_region_info(device);
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
	for (uint32_t bar = 0; bar < 6; bar++)
		if (bar != device->bar)
			test_other_bar(device, bar);
	info.argsz = 32;
	info.index = device->num_regions;
	uapi_fails_with(device, "s24b a region that does not exist",
			ioctl(device->fd, VFIO_DEVICE_GET_REGION_INFO, &info), EINVAL);
}

/* Statement 13: with the opt-out there is nothing of CXL to see. */
int uapi_disabled(struct uapi_device *device)
{
	struct chain_view view = {0};
	struct vfio_device_info *info = (struct vfio_device_info *)view.bytes;
	struct uapi_region region;

	info->argsz = sizeof(view.bytes);
	uapi_check(device, "s13 the opt-out: no CXL flag",
		   ioctl(device->fd, VFIO_DEVICE_GET_INFO, info) == 0 &&
			   !(info->flags & UAPI_CXL_FLAG),
		   "flags %#x", info->flags);
	view.total = sizeof(view.bytes);
	if (info->flags & VFIO_DEVICE_FLAGS_CAPS)
		view_walk(&view, info->cap_offset);
	uapi_check(device, "s13a no capability 6", view.cxl_count == 0, "%u times", view.cxl_count);
	uapi_check(device, "s13b no CXL regions", info->num_regions == 9, "%u regions",
		   info->num_regions);
	for (uint32_t bar = 0; bar < 6; bar++)
		if (uapi_region_info(device, bar, &region) == 0 && region.info.size >= 0x10000)
			uapi_check(device, "s13c no sparse windows",
				   !region.sparse &&
					   (region.info.flags & VFIO_REGION_INFO_FLAG_MMAP),
				   "flags %#x", region.info.flags);
	return 0;
}

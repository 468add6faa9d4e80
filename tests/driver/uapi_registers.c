/* SPDX-License-Identifier: Apache-2.0 */
/* Statements 42 to 60 and 63: the COMP_REGS region. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tests/driver/uapi_device.h"

#define COMMIT    0x200u
#define COMMITTED 0x400u
#define LOCK      0x100u

static void test_access(struct uapi_device *device)
{
	const struct vfio_region_info *info = &device->registers.info;
	uint64_t base = info->offset, size = info->size;
	uint8_t bytes[16];
	ssize_t got;

	uapi_fails_with(device, "s43 2 bytes", pread(device->fd, bytes, 2, (off_t)base), EINVAL);
	uapi_fails_with(device, "s44 1 byte", pread(device->fd, bytes, 1, (off_t)base), EINVAL);
	uapi_fails_with(device, "s45 4 bytes at offset 2",
			pread(device->fd, bytes, 4, (off_t)base + 2), EINVAL);
	uapi_fails_with(device, "s45b 2 bytes written", pwrite(device->fd, bytes, 2, (off_t)base),
			EINVAL);
	got = pread(device->fd, bytes, 8, (off_t)base);
	if (device->layout == 3)
		uapi_check(device, "s46 8 bytes", got == 8, "%zd", got);
	else
		uapi_fails_with(device, "s46 8 bytes", got, EINVAL);
	memset(bytes, 0xff, sizeof(bytes));
	got = pwrite(device->fd, bytes, 8, (off_t)base);
	if (device->layout == 3)
		uapi_check(device, "s46b 8 bytes written", got == 8, "%zd", got);
	else
		uapi_fails_with(device, "s46b 8 bytes written", got, EINVAL);
	uapi_fails_with(device, "s47 4 bytes at the end",
			pread(device->fd, bytes, 4, (off_t)(base + size)), EINVAL);
	got = pread(device->fd, bytes, 8, (off_t)(base + size - 4));
	if (device->layout == 3)
		uapi_fails_with(device, "s48 8 bytes across the end", got, EINVAL);
	else
		uapi_check(device, "s48 8 bytes across the end", got == 4, "%zd", got);
	uapi_fails_with(device, "s48b a bad address",
			pread(device->fd, uapi_bad_address(), 4, (off_t)base), EFAULT);
	uapi_fails_with(device, "s48c a bad address to write from",
			pwrite(device->fd, uapi_bad_address(), 4, (off_t)base), EFAULT);
}

static bool find_hdm(struct uapi_device *device)
{
	uint64_t array = device->layout == 3 ? 0x1000 : 0;
	uint32_t header = uapi_register(device, array);
	uint32_t code = uapi_register(device, device->hdm) & 0xf;
	uint64_t end = device->hdm + 0x10 + 0x20 * (code ? 2 * code : 1);

	if (device->layout == 3)
		uapi_check(device, "s49 the array is at 0x1000",
			   uapi_register(device, 0) == 0 && (header & 0xffff) == 1, "%#x", header);
	else
		uapi_check(device, "s49 the array is at 0", (header & 0xffff) == 1, "%#x", header);
	return uapi_check(device, "s50 the array leads to HDM decoders inside the region",
			  device->hdm && end <= device->registers.info.size &&
				  (device->layout == 3 || end == device->registers.info.size),
			  "from %#lx to %#lx of %#llx", device->hdm, end,
			  device->registers.info.size);
}

static void expect_register(struct uapi_device *device, const char *statement, uint64_t at,
			    uint32_t written, uint32_t expected)
{
	uint32_t value;

	uapi_set_register(device, device->hdm + at, written);
	value = uapi_register(device, device->hdm + at);
	uapi_check(device, statement, value == expected, "wrote %#x, read %#x, expected %#x",
		   written, value, expected);
}

static void test_read_only(struct uapi_device *device)
{
	uint64_t array = device->layout == 3 ? 0x1000 : 0;
	uint32_t before = uapi_register(device, array + 4), value = ~before;

	uapi_check(device, "s51 a write to the array is accepted",
		   pwrite(device->fd, &value, 4,
			  (off_t)(device->registers.info.offset + array + 4)) == 4,
		   "%s", strerror(errno));
	uapi_check(device, "s51b and changes nothing", uapi_register(device, array + 4) == before,
		   "changed");
	before = uapi_register(device, device->hdm);
	expect_register(device, "s52 the HDM capability is read-only", 0, 0xffffffff, before);
}

static void test_v2(struct uapi_device *device)
{
	uint32_t capability = uapi_register(device, device->hdm);
	uint32_t control = uapi_register(device, device->hdm + 0x20);
	uint64_t size = uapi_register(device, device->hdm + 0x18) |
			(uint64_t)uapi_register(device, device->hdm + 0x1c) << 32;

	expect_register(device, "s53 global control", 4, 0xffffffff, capability & 0x400 ? 3 : 2);
	uapi_check(device,
		   "s54 decoder 0 after open: committed, not locked, no address, the region's size",
		   (control & (COMMITTED | LOCK)) == COMMITTED &&
			   size == device->memory.info.size &&
			   uapi_register(device, device->hdm + 0x10) == 0 &&
			   uapi_register(device, device->hdm + 0x14) == 0,
		   "control %#x size %#lx", control, size);
	expect_register(device, "s55 BASE_LOW keeps bits 31:28", 0x10, 0x12345678, 0x10000000);
	expect_register(device, "s55b BASE_HIGH is stored whole", 0x14, 0x12345678, 0x12345678);
	expect_register(device, "s56 COMMIT=0 clears COMMITTED", 0x20, control & ~COMMIT,
			control & ~(COMMIT | COMMITTED));
	expect_register(device, "s56b COMMIT sets COMMITTED", 0x20, (control & ~COMMITTED) | COMMIT,
			control | COMMIT | COMMITTED);
	expect_register(device, "s58 reserved and unsupported bits read 0", 0x20,
			control | 0xf0ffa000u, control);
	expect_register(device, "s57 LOCK is stored", 0x20, control | LOCK, control | LOCK);
	expect_register(device, "s57b a locked base ignores writes", 0x10, 0x70000000, 0x10000000);
	expect_register(device, "s57e a locked upper base too", 0x14, 0x7, 0x12345678);
	expect_register(device, "s57f a locked size ignores writes", 0x18, 0x70000000,
			(uint32_t)size);
	expect_register(device, "s57g a locked upper size too", 0x1c, 0x7, (uint32_t)(size >> 32));
	expect_register(device, "s57c a locked control ignores writes", 0x20, LOCK, control | LOCK);
	expect_register(device, "s57d a write without LOCK clears LOCK only", 0x20, 0, control);
	expect_register(device, "s59 DPA_SKIP is dropped", 0x24, 0xffffffff, 0);
	expect_register(device, "s59c its upper half too", 0x28, 0xffffffff, 0);
	expect_register(device, "s59b the reserved register is dropped", 0x2c, 0xffffffff, 0);
}

static void test_v3(struct uapi_device *device)
{
	uint32_t control = uapi_register(device, device->hdm + 0x20);

	uapi_check(device, "s63 no host address in BASE",
		   uapi_register(device, device->hdm + 0x10) == 0 &&
			   uapi_register(device, device->hdm + 0x14) == 0,
		   "base low %#x", uapi_register(device, device->hdm + 0x10));
	uapi_check(device, "s54 decoder 0 is committed", control & COMMITTED, "control %#x",
		   control);
	expect_register(device, "s60 BASE of a committed decoder", 0x10, 0x50000000, 0);
	expect_register(device, "s60b COMMIT=0 releases it", 0x20, 0,
			control & ~(COMMIT | COMMITTED | LOCK));
	expect_register(device, "s60c BASE of a released decoder", 0x10, 0x50000000, 0x50000000);
	expect_register(device, "s60d COMMIT commits", 0x20, COMMIT, COMMIT | COMMITTED);
	expect_register(device, "s60e outside of the decoders", 0x10000 - 4 - device->hdm,
			0xffffffff, 0);
}

void uapi_test_registers(struct uapi_device *device)
{
	const struct vfio_region_info *info = &device->registers.info;

	uapi_check(device, "s42 flags and size of COMP_REGS",
		   (info->flags & 7) == 3 && info->size % 4 == 0, "flags %#x size %#llx",
		   info->flags, info->size);
	test_access(device);
	if (!find_hdm(device))
		return;
	test_read_only(device);
	if (device->layout == 3)
		test_v3(device);
	else
		test_v2(device);
}

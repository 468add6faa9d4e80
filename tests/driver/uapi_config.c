/* SPDX-License-Identifier: Apache-2.0 */
/* Statements 64 to 72, Memory Space Enable and power states: config space. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/driver/uapi_device.h"

static uint32_t dvsec(struct uapi_device *device, uint32_t at, uint32_t size)
{
	return (uint32_t)uapi_config_read(device, device->dvsec + at, size);
}

static void expect_write(struct uapi_device *device, const char *statement, uint32_t at,
			 uint32_t size, uint32_t written, uint32_t read_at, uint32_t read_size,
			 uint32_t expected)
{
	uint32_t value;

	if (uapi_config_write(device, device->dvsec + at, size, written)) {
		uapi_check(device, statement, false, "the write failed: %s", strerror(errno));
		return;
	}
	value = dvsec(device, read_at, read_size);
	uapi_check(device, statement, value == expected, "wrote %#x at %#x, read %#x, expected %#x",
		   written, at, value, expected);
}

static void test_widths(struct uapi_device *device)
{
	uint32_t capability = dvsec(device, 0x0a, 2), header = dvsec(device, 0x08, 2);
	uint8_t whole[0x38], piece;
	bool same = true;

	uapi_check(device, "s71 a wide read joins header and body",
		   dvsec(device, 0x08, 4) == (header | capability << 16), "%#x",
		   dvsec(device, 0x08, 4));
	pread(device->fd, whole, sizeof(whole), (off_t)((7ULL << 40) + device->dvsec));
	for (uint32_t at = 0; at < sizeof(whole); at++) {
		piece = (uint8_t)dvsec(device, at, 1);
		same = same && piece == whole[at];
	}
	uapi_check(device, "s71b one read of it all equals single bytes", same, "they differ");
	expect_write(device, "s67 Capability is read-only", 0x0a, 2, ~capability, 0x0a, 2,
		     capability);
	expect_write(device, "s67b through a wide write too", 0x08, 4, ~(header | capability << 16),
		     0x08, 4, header | capability << 16);
}

static void test_control(struct uapi_device *device)
{
	expect_write(device, "s66 IO_Enable and Mem_Enable stay 1", 0x0c, 2, 0, 0x0c, 2, 6);
	expect_write(device, "s69 a byte write keeps the upper byte: upper", 0x0d, 1, 0x08, 0x0c, 2,
		     0x0806);
	expect_write(device, "s69 a byte write keeps the upper byte: lower", 0x0c, 1, 0x08, 0x0c, 2,
		     0x080e);
	expect_write(device, "s70 a wide write reaches Control", 0x0c, 4, 0x40000010, 0x0c, 2,
		     0x0016);
	expect_write(device, "s70b and Status", 0x0c, 4, 0x40000000, 0x0e, 2,
		     dvsec(device, 0x0e, 2) & ~0x4000u);
	expect_write(device, "s68 Status: only Viral_Status is cleared", 0x0e, 2, 0xbfff, 0x0e, 2,
		     dvsec(device, 0x0e, 2));
}

static void test_ranges(struct uapi_device *device)
{
	uint32_t size = dvsec(device, 0x1c, 4);
	bool stored = device->layout == 2;

	uapi_check(device, "s63b no host address in the range bases",
		   dvsec(device, 0x20, 4) == 0 && dvsec(device, 0x24, 4) == 0, "low %#x",
		   dvsec(device, 0x24, 4));
	expect_write(device, "s72 Range1 Base Low", 0x24, 4, 0x5fffffff, 0x24, 4,
		     stored ? 0x50000000 : 0);
	expect_write(device, "s72b Range1 Base High", 0x20, 4, 0x12345678, 0x20, 4,
		     stored ? 0x12345678 : 0);
	expect_write(device, "s72c Range1 Size is read-only", 0x1c, 4, ~size, 0x1c, 4, size);
}

static void test_lock(struct uapi_device *device)
{
	expect_write(device, "s64 Lock: other bits are not there", 0x14, 2, 0xfffe, 0x14, 2, 0);
	expect_write(device, "s64b Lock: 1 sets", 0x14, 2, 1, 0x14, 2, 1);
	expect_write(device, "s64c Lock: 0 does not clear", 0x14, 2, 0, 0x14, 2, 1);
	expect_write(device, "s65 a locked Control ignores writes", 0x0c, 2, 0xffff, 0x0c, 2,
		     dvsec(device, 0x0c, 2));
}

static void test_other_dvsecs(struct uapi_device *device)
{
	uint32_t before = (uint32_t)uapi_config_read(device, device->locator + 0x0c, 4);

	uapi_config_write(device, device->locator + 0x0c, 4, ~before);
	uapi_check(device, "s73b the register locator is read-only",
		   (uint32_t)uapi_config_read(device, device->locator + 0x0c, 4) == before,
		   "changed");
}

static void test_memory_space(struct uapi_device *device)
{
	volatile uint64_t *map =
		uapi_map(device, device->memory_index, 0, device->memory.info.size);
	volatile uint64_t *closed;
	uint32_t command = (uint32_t)uapi_config_read(device, 4, 2);
	uint64_t value = 0;

	if (!map) {
		uapi_check(device, "s40 Memory Space Enable", false, "mmap: %s", strerror(errno));
		return;
	}
	uapi_store(map, 0x5a5a5a5a5a5a5a5aULL);
	uapi_config_write(device, 4, 2, command & ~2u);
	uapi_check(device, "s40 memory space off: touching the mapping raises SIGBUS",
		   !uapi_load(map, &value), "no SIGBUS");
	uapi_fails_with(device, "s40b memory space off: read() fails",
			pread(device->fd, &value, 8, (off_t)device->memory.info.offset), EIO);
	uapi_fails_with(device, "s40e memory space off: write() fails",
			pwrite(device->fd, &value, 8, (off_t)device->memory.info.offset), EIO);
	closed = uapi_map(device, device->memory_index, 0, device->memory.info.size);
	uapi_check(device, "s40f memory space off: mmap() works, touching it does not",
		   closed && !uapi_load(closed, &value), closed ? "no SIGBUS" : "mmap failed");
	uapi_config_write(device, 4, 2, command | 2u);
	uapi_check(device, "s41o and a mapping made meanwhile works then",
		   closed && uapi_load(closed, &value), "SIGBUS");
	if (closed)
		munmap((void *)closed, device->memory.info.size);
	uapi_check(device, "s41 memory space on again: the old mapping works",
		   uapi_load(map, &value) && value == 0x5a5a5a5a5a5a5a5aULL, "no");
	/* One byte, and all of the standard header in one write: the register is found in both. */
	uapi_config_write(device, 4, 1, command & ~2u & 0xff);
	uapi_check(device, "s40c a byte write turns it off too", !uapi_load(map, &value),
		   "no SIGBUS");
	uapi_config_write(device, 2, 4, (command | 2u) << 16);
	uapi_check(device, "s41b an unaligned write turns it on again", uapi_load(map, &value),
		   "SIGBUS");
	uapi_config_write(device, 4, 2, command | 6u);
	uapi_check(device, "s41c bus mastering does not matter",
		   uapi_load(map, &value) && (uapi_config_read(device, 4, 2) & 6) == 6, "SIGBUS");
	uapi_config_write(device, 4, 2, command);
	munmap((void *)map, device->memory.info.size);
}

static void test_power(struct uapi_device *device)
{
	uint64_t at = (uint64_t)uapi_config_read(device, 0x34, 1);

	while (at && (uapi_config_read(device, at, 1) != 1))
		at = (uint64_t)uapi_config_read(device, at + 1, 1);
	if (!at)
		return;
	uapi_config_write(device, at + 4, 2, 3);
	uapi_check(device, "s84 the device stays in D0",
		   (uapi_config_read(device, at + 4, 2) & 3) == 0, "PMCSR %#lx",
		   (long)uapi_config_read(device, at + 4, 2));
}

void uapi_test_config(struct uapi_device *device)
{
	test_widths(device);
	test_control(device);
	test_ranges(device);
	test_lock(device);
	test_other_dvsecs(device);
	test_memory_space(device);
	test_power(device);
}

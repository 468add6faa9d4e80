/* SPDX-License-Identifier: Apache-2.0 */
/* Statements 41, 54, 64 and 76 after resets, and the state after a second open. */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/driver/uapi_device.h"

#define PATTERN 0x0f1e2d3c4b5a6978ULL

static uint64_t control_at(const struct uapi_device *device)
{
	return device->hdm + 0x20;
}

/* Leave marks that a reset has to remove, and one in the memory that it has to keep. */
static void mark(struct uapi_device *device, volatile uint64_t *map)
{
	uapi_set_register(device, control_at(device), 0); /* unlock or release */
	uapi_set_register(device, control_at(device), 0);
	uapi_set_register(device, device->hdm + 0x14, 0x77);
	uapi_config_write(device, device->dvsec + 0x14, 2, 1);
	uapi_store(map + 512, PATTERN);
}

static void expect_fresh(struct uapi_device *device, volatile uint64_t *map, const char *mapping,
			 const char *registers, const char *lock)
{
	uint32_t control = uapi_register(device, control_at(device));
	uint64_t value = 0;
	bool touched = uapi_load(map + 512, &value);

	uapi_check(device, mapping, touched && value == PATTERN,
		   touched ? "read %#lx" : "SIGBUS %#lx", value);
	uapi_check(device, registers,
		   (control & 0x400) && uapi_register(device, device->hdm + 0x14) == 0 &&
			   uapi_register(device, device->hdm + 0x18) ==
				   (uint32_t)device->memory.info.size,
		   "control %#x base high %#x", control, uapi_register(device, device->hdm + 0x14));
	uapi_check(device, lock, uapi_config_read(device, device->dvsec + 0x14, 2) == 0,
		   "still set");
}

static uint64_t find_pcie(struct uapi_device *device)
{
	uint64_t at = (uint64_t)uapi_config_read(device, 0x34, 1);

	while (at && uapi_config_read(device, at, 1) != 0x10)
		at = (uint64_t)uapi_config_read(device, at + 1, 1);
	return at;
}

static void test_flr(struct uapi_device *device, volatile uint64_t *map)
{
	uint64_t pcie = find_pcie(device);
	uint32_t control;

	if (!pcie || !(uapi_config_read(device, pcie + 4, 4) & 1 << 28))
		return;
	mark(device, map);
	control = (uint32_t)uapi_config_read(device, pcie + 8, 2);
	uapi_check(device, "s41d FLR through config space",
		   uapi_config_write(device, pcie + 8, 2, control | 0x8000) == 0 &&
			   (uapi_config_read(device, pcie + 8, 2) & 0x8000) == 0,
		   "%s", strerror(errno));
	expect_fresh(device, map, "s41e the mapping after FLR", "s54c the registers after FLR",
		     "s64e Lock after FLR");
}

/* 0 or -1 with errno; ENODEV: the bus cannot be reset. */
static int hot_reset(struct uapi_device *device)
{
	struct {
		struct vfio_pci_hot_reset_info info;
		struct vfio_pci_dependent_device devices[8];
	} info = {.info.argsz = sizeof(info)};
	struct {
		struct vfio_pci_hot_reset reset;
		int32_t group;
	} reset = {.reset = {.argsz = sizeof(reset), .count = 1}, .group = device->group};

	/* With an iommufd the kernel knows by itself whose the affected devices are. */
	if (device->cdev)
		reset.reset.count = 0;
	if (ioctl(device->fd, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, &info))
		return -1;
	return ioctl(device->fd, VFIO_DEVICE_PCI_HOT_RESET, &reset);
}

static void test_hot_reset(struct uapi_device *device, volatile uint64_t *map)
{
	int ret;

	mark(device, map);
	ret = hot_reset(device);
	if (ret && errno == ENODEV)
		return; /* on a root bus there is no bus reset */
	uapi_check(device, "s41m hot reset", ret == 0, "%s", strerror(errno));
	expect_fresh(device, map, "s41n the mapping after the hot reset", "s54f the registers then",
		     "s64g Lock then");
}

static void test_with_memory_space_off(struct uapi_device *device, volatile uint64_t *map)
{
	uint32_t command = (uint32_t)uapi_config_read(device, 4, 2);
	uint64_t value;

	mark(device, map);
	uapi_config_write(device, 4, 2, command & ~2u);
	uapi_check(device, "s41f reset with memory space off", uapi_reset(device) == 0, "%s",
		   strerror(errno));
	uapi_check(device, "s41g still closed", !uapi_load(map, &value), "no SIGBUS");
	uapi_check(device, "s54d the registers are fresh nevertheless",
		   uapi_register(device, control_at(device)) & 0x400, "not committed");
	uapi_config_write(device, 4, 2, command | 2u);
	expect_fresh(device, map, "s41h the mapping after memory space on",
		     "s54e the registers then", "s64f Lock then");
}

static void test_second_open(struct uapi_device *device)
{
	uapi_set_register(device, control_at(device), 0);
	uapi_config_write(device, device->dvsec + 0x14, 2, 1);
	if (!uapi_check(device, "s76 a second open",
			uapi_reopen(device) == 0 && uapi_discover(device) == 0, "failed"))
		return;
	uapi_check(device, "s76b starts with fresh registers",
		   (uapi_register(device, control_at(device)) & 0x400) &&
			   uapi_config_read(device, device->dvsec + 0x14, 2) == 0,
		   "control %#x", uapi_register(device, control_at(device)));
}

void uapi_test_reset(struct uapi_device *device)
{
	struct vfio_device_info info = {.argsz = sizeof(info)};
	volatile uint64_t *map;

	map = uapi_map(device, device->memory_index, 0, device->memory.info.size);
	if (!map || ioctl(device->fd, VFIO_DEVICE_GET_INFO, &info) ||
	    !(info.flags & VFIO_DEVICE_FLAGS_RESET)) {
		uapi_check(device, "s41 reset", false, "no mapping or no reset");
		return;
	}
	mark(device, map);
	uapi_check(device, "s41a VFIO_DEVICE_RESET", uapi_reset(device) == 0, "%s",
		   strerror(errno));
	expect_fresh(device, map, "s41b the mapping after the reset",
		     "s54b the registers after the reset", "s64d Lock after the reset");
	test_flr(device, map);
	test_hot_reset(device, map);
	test_with_memory_space_off(device, map);
	munmap((void *)map, device->memory.info.size);
	test_second_open(device);
}

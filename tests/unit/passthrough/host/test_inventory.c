/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/passthrough/host/fake_host.h"

/* What is read from a host, and the reasons against each device. */
static struct host_inventory inventory;

static const struct host_device *look(const char *address)
{
	const struct host_device *device;

	host_inventory_free(&inventory);
	cr_assert_eq(host_inventory_read(&fake.host, &inventory), 0);
	device = host_inventory_find(&inventory, address);
	cr_assert_not_null(device);
	return device;
}

static void expect_problem(const struct host_device *device, const char *what, const char *fix)
{
	for (unsigned int i = 0; i < device->problem_count; i++)
		if (strstr(device->problems[i].what, what) && strstr(device->problems[i].fix, fix))
			return;
	cr_assert_fail("no problem with '%s' and '%s'; the first of %u: %s", what, fix,
		       device->problem_count,
		       device->problem_count ? device->problems[0].what : "none");
}

static void begin(void)
{
	fake_begin();
	memset(&inventory, 0, sizeof(inventory));
	fake_driver("vfio-pci");
	fake_driver("cxl-vfio-pci");
}

static void end(void)
{
	host_inventory_free(&inventory);
	fake_end();
}

TestSuite(host_inventory, .init = begin, .fini = end);

Test(host_inventory, a_host_without_pci)
{
	struct host nowhere = {.root = "/nowhere", .ops = fake.host.ops};

	cr_assert_eq(host_inventory_read(&nowhere, &inventory), -ENOENT);
	cr_assert_eq(host_inventory_read(&fake.host, &inventory), 0);
	cr_assert_eq(inventory.count, 0);
}

Test(host_inventory, facts_of_devices_sorted_by_address)
{
	const struct host_device *device;

	for (unsigned int i = 40; i; i--) {
		char address[16];

		snprintf(address, sizeof(address), "0000:%02x:00.0", i);
		fake_device(address, "1af4:1041 020000", NULL, "3");
	}
	fake_device("10000:01:1f.7", "10de:2330 030200", "nouveau", "77");
	device = look("10000:01:1f.7");
	cr_assert_eq(inventory.count, 41);
	for (size_t i = 1; i < inventory.count; i++)
		cr_assert_lt(strcmp(inventory.devices[i - 1].address, inventory.devices[i].address),
			     0);
	cr_assert_eq(device->vendor, 0x10de);
	cr_assert_eq(device->device, 0x2330);
	cr_assert_eq(device->class_code, 0x030200);
	cr_assert_eq(device->kind, HOST_KIND_ACCELERATOR);
	cr_assert_str_eq(device->driver, "nouveau");
	cr_assert_str_eq(device->override, "");
	cr_assert_str_eq(device->wanted_driver, "vfio-pci");
	cr_assert_eq(device->iommu_group, 77);
	cr_assert_not(device->bound);
	cr_assert_eq(device->problem_count, 0);
}

#define SCRUB "/sys/bus/pci/devices/0000:17:00.0/cxl_vfio/"

/* Who gets a device next wants to know what its last user left in it. */
Test(host_inventory, how_far_its_memory_is_cleared)
{
	const struct host_device *device;

	fake_device("0000:17:00.0", "cc58:0001 120000", "cxl-vfio-pci", "5");
	fake_config("0000:17:00.0", true);
	device = look("0000:17:00.0");
	cr_expect_str_eq(device->scrub_state, "");
	fake_folder("/sys/bus/pci/devices/0000:17:00.0/cxl_vfio");
	fake_file(SCRUB "scrub_state", "running\n");
	fake_file(SCRUB "scrub_progress", "1073741824 17179869184\n");
	device = look("0000:17:00.0");
	cr_expect_str_eq(device->scrub_state, "running");
	cr_expect_eq(device->scrub_done, 1ull << 30);
	cr_expect_eq(device->scrub_size, 16ull << 30);
	cr_expect_eq(device->problem_count, 0u);
	fake_file(SCRUB "scrub_state", "failed\n");
	fake_file(SCRUB "scrub_progress", "garbage");
	device = look("0000:17:00.0");
	cr_expect_eq(device->scrub_done + device->scrub_size, 0u);
	expect_problem(device, "could not be cleared", "cxl_vfio/scrub tries again");
}

Test(host_inventory, a_cxl_accelerator_that_is_bound)
{
	const struct host_device *device;

	fake_device("0000:17:00.0", "cc58:0001 120000", "cxl-vfio-pci", "5");
	fake_config("0000:17:00.0", true);
	fake_file("/sys/bus/pci/devices/0000:17:00.0/driver_override", "cxl-vfio-pci\n");
	device = look("0000:17:00.0");
	cr_assert_eq(device->kind, HOST_KIND_CXL);
	cr_assert_str_eq(device->wanted_driver, "cxl-vfio-pci");
	cr_assert_str_eq(device->override, "cxl-vfio-pci");
	cr_assert(device->bound);
	cr_assert_eq(device->problem_count, 0, "%s", device->problems[0].what);
	cr_assert(device->cxl.device && device->cxl.cache_capable && device->cxl.mem_capable &&
		  device->cxl.mem_enabled);
	cr_assert_eq(device->cxl.hdm_count, 1);
	cr_assert_eq(device->cxl.ranges[0].size, UINT64_C(16) << 30);
	cr_assert(device->cxl.ranges[0].valid && device->cxl.ranges[0].active);
	cr_assert_eq(device->cxl.block_bar, 2);
	cr_assert_eq(device->cxl.block_offset, 0x10000);
}

Test(host_inventory, kinds)
{
	fake_device("0000:00:00.0", "8086:29c0 060000", NULL, "0");
	fake_device("0000:01:00.0", "cc58:0002 050210", "cxl_pci", "1");
	fake_config("0000:01:00.0", true);
	cr_assert_eq(look("0000:00:00.0")->kind, HOST_KIND_BRIDGE);
	expect_problem(look("0000:00:00.0"), "bridge", "below it");
	cr_assert_eq(look("0000:01:00.0")->kind, HOST_KIND_CXL_MEMORY);
	cr_assert_str_eq(look("0000:01:00.0")->wanted_driver, "vfio-pci");
}

Test(host_inventory, no_iommu_group)
{
	fake_device("0000:01:00.0", "10de:2330 030200", "nouveau", NULL);
	cr_assert_eq(look("0000:01:00.0")->iommu_group, -1);
	expect_problem(look("0000:01:00.0"), "no IOMMU group", "IOMMU on");
}

Test(host_inventory, group_members_with_drivers_of_the_host)
{
	fake_device("0000:01:00.0", "10de:2330 030000", "vfio-pci", "9");
	fake_device("0000:01:00.1", "10de:1111 040300", "snd_hda_intel", "9");
	expect_problem(look("0000:01:00.0"), "0000:01:00.1 (snd_hda_intel)",
		       "cxvm host bind 0000:01:00.0 0000:01:00.1");
}

Test(host_inventory, group_members_that_do_no_harm)
{
	fake_device("0000:00:01.0", "8086:0001 060400", "pcieport", "9");
	fake_device("0000:01:00.0", "10de:2330 030000", "vfio-pci", "9");
	fake_device("0000:01:00.1", "10de:1111 040300", NULL, "9");
	fake_device("0000:01:00.2", "10de:1112 0c0300", "mlx5-vfio-pci", "9");
	fake_device("0000:02:00.0", "10de:1111 040300", "snd_hda_intel", "10");
	cr_assert_eq(look("0000:01:00.0")->problem_count, 0);
}

Test(host_inventory, a_group_too_large_for_the_message)
{
	for (unsigned int i = 0; i < 32; i++) {
		char address[16];

		snprintf(address, sizeof(address), "0000:01:%02x.0", i);
		fake_device(address, "1af4:1041 020000", "a_driver_with_a_very_long_name_indeed",
			    "9");
	}
	expect_problem(look("0000:01:00.0"), "0000:01:01.0 (a_driver_with_a_", "0000:01:01.0");
}

Test(host_inventory, the_driver_is_not_loaded)
{
	fake_device("0000:17:00.0", "cc58:0001 120000", NULL, "5");
	fake_config("0000:17:00.0", true);
	cr_assert_eq(look("0000:17:00.0")->problem_count, 0);
	{
		char path[128];

		snprintf(path, sizeof(path), "%s/sys/bus/pci/drivers/cxl-vfio-pci", fake.folder);
		cr_assert_eq(rmdir(path), 0);
	}
	expect_problem(look("0000:17:00.0"), "cxl-vfio-pci is not loaded", "modprobe cxl-vfio-pci");
}

Test(host_inventory, virtual_functions)
{
	fake_device("0000:01:00.0", "8086:10ca 020000", "igb", "9");
	fake_file("/sys/bus/pci/devices/0000:01:00.0/sriov_numvfs", "3\n");
	expect_problem(look("0000:01:00.0"), "3 virtual functions", "sriov_numvfs");
}

Test(host_inventory, configuration_space_without_privilege)
{
	uint8_t header[64] = {0};

	fake_device("0000:01:00.0", "10de:2330 030000", "vfio-pci", "9");
	fake_bytes("/sys/bus/pci/devices/0000:01:00.0/config", header, sizeof(header));
	expect_problem(look("0000:01:00.0"), "cannot be read", "root");
}

Test(host_inventory, a_register_locator_that_is_missing)
{
	uint8_t config[4096];

	fake_device("0000:17:00.0", "cc58:0001 120000", "vfio-pci", "5");
	fake_cxl_config(config);
	config[0x148] = 7;
	fake_bytes("/sys/bus/pci/devices/0000:17:00.0/config", config, sizeof(config));
	expect_problem(look("0000:17:00.0"), "Register Locator", "--driver vfio-pci 0000:17:00.0");
}

Test(host_inventory, a_network_interface_that_is_up)
{
	fake_device("0000:03:00.0", "8086:10d3 020000", "e1000e", "4");
	fake_link("/sys/class/net/eth0",
		  "../../devices/pci0000:00/0000:00:1c.0/0000:03:00.0/net/eth0");
	cr_assert_eq(look("0000:03:00.0")->problem_count, 0);
	fake_file("/sys/devices/pci0000:00/0000:00:1c.0/0000:03:00.0/net/eth0/flags", "0x1003\n");
	expect_problem(look("0000:03:00.0"), "eth0 is up", "ip link set eth0 down");
	fake_file("/sys/devices/pci0000:00/0000:00:1c.0/0000:03:00.0/net/eth0/flags", "0x1002\n");
	cr_assert_eq(look("0000:03:00.0")->problem_count, 0);
}

Test(host_inventory, a_filesystem_that_is_mounted)
{
	fake_device("0000:04:00.0", "1b36:0010 010802", "nvme", "6");
	fake_link("/sys/class/block/nvme0n1",
		  "../../devices/pci0000:00/0000:04:00.0/nvme/nvme0/nvme0n1");
	fake_file("/sys/devices/pci0000:00/0000:04:00.0/nvme/nvme0/nvme0n1/dev", "259:1\n");
	fake_file("/proc/self/mountinfo", "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n");
	cr_assert_eq(look("0000:04:00.0")->problem_count, 0);
	fake_file("/proc/self/mountinfo", "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
					  "21 20 259:1 / /data rw - ext4 /dev/nvme0n1 rw\n");
	expect_problem(look("0000:04:00.0"), "/dev/nvme0n1 is mounted", "umount");
}

Test(host_inventory, an_nvme_disk_behind_a_subsystem)
{
	fake_device("0000:04:00.0", "1b36:0010 010802", "nvme", "6");
	fake_link("/sys/class/block/nvme0n1",
		  "../../devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1");
	fake_file("/sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1/dev", "259:1\n");
	fake_link("/sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1/device",
		  "../../nvme-subsys0");
	fake_link("/sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0",
		  "../../../pci0000:00/0000:04:00.0/nvme/nvme0");
	fake_file("/proc/swaps", "Filename Type Size Used Priority\n"
				 "/dev/nvme0n1                            partition 1 0 -2\n");
	expect_problem(look("0000:04:00.0"), "swaps to /dev/nvme0n1", "swapoff");
	fake_folder("/sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1/holders/dm-0");
	expect_problem(look("0000:04:00.0"), "another block device", "lsblk");
}

Test(host_inventory, addresses)
{
	static const struct {
		const char *text, *address; /* NULL: refused */
	} cases[] = {
		{"0000:17:00.0", "0000:17:00.0"},
		{"17:00.0", "0000:17:00.0"},
		{"/sys/bus/pci/devices/0001:17:1f.7", "0001:17:1f.7"},
		{"10000:01:00.0", "10000:01:00.0"},
		{"0000:17:00.8", NULL},
		{"0000:17:20.0", NULL},
		{"0000:17:00.0x", NULL},
		{"", NULL},
		{"gpu", NULL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char address[16] = "";
		int result = host_parse_address(cases[i].text, address, sizeof(address));

		cr_assert_eq(result, cases[i].address ? 0 : -EINVAL, "%s", cases[i].text);
		if (cases[i].address)
			cr_assert_str_eq(address, cases[i].address);
	}
}

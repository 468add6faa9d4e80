/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "tests/unit/devices/pci/fixture.h"

static struct pci_fixture fixture;
static struct pci_test_device test;
static struct pci_test_device other;
static const uint64_t bdf = PCI_BDF(0, 0x08);
static const uint64_t other_bdf = PCI_BDF(0, 0x10);

static void setup(void)
{
	pci_fixture_init(&fixture);
	pci_test_device_init(&test, "dev0");
	pci_test_device_init(&other, "dev1");
}

static void teardown(void)
{
	pci_fixture_destroy(&fixture);
}

TestSuite(pci_bar, .init = setup, .fini = teardown);

static void add_memory(struct pci_test_device *device, uint64_t size)
{
	cr_assert_eq(pci_register_bar(&device->device, 0, PCI_BAR_MEMORY_64, true, size,
				      &pci_test_bar_ops, device),
		     0);
	cr_assert_eq(pci_bus_add(fixture.bus, &device->device, -1), 0);
}

static void place(uint64_t at, uint64_t address)
{
	pci_fixture_write(&fixture, at, PCI_COMMAND, 0, 2);
	pci_fixture_write(&fixture, at, PCI_BASE_ADDRESS_0, address, 8);
	pci_fixture_write(&fixture, at, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
}

Test(pci_bar, registration)
{
	static const struct {
		unsigned int index;
		enum pci_bar_kind kind;
		uint64_t size;
		int result;
	} cases[] = {
		{0, PCI_BAR_MEMORY_64, 1ull << 40, 0},
		{0, PCI_BAR_MEMORY_32, 4096, -EINVAL}, /* taken */
		{1, PCI_BAR_MEMORY_32, 4096, -EINVAL}, /* upper half of 0 */
		{2, PCI_BAR_MEMORY_32, 0, -EINVAL},
		{2, PCI_BAR_MEMORY_32, 8, -EINVAL},
		{2, PCI_BAR_MEMORY_32, 0x1800, -EINVAL},
		{2, PCI_BAR_MEMORY_32, 1ull << 32, -EINVAL},
		{2, PCI_BAR_IO, 2, -EINVAL},
		{2, PCI_BAR_IO, 0x20000, -EINVAL},
		{2, PCI_BAR_NONE, 4096, -EINVAL},
		{2, PCI_BAR_ROM, 4096, -EINVAL},
		{2, PCI_BAR_IO, 4, 0},
		{4, PCI_BAR_MEMORY_32, 16, 0},
		{3, PCI_BAR_MEMORY_64, 4096, -EINVAL}, /* 4 is taken */
		{5, PCI_BAR_MEMORY_64, 4096, -EINVAL}, /* no 6 */
		{6, PCI_BAR_MEMORY_32, 4096, -EINVAL},
		{6, PCI_BAR_ROM, 1024, -EINVAL},
		{6, PCI_BAR_ROM, 2048, 0},
		{7, PCI_BAR_MEMORY_32, 4096, -EINVAL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_expect_eq(pci_register_bar(&test.device, cases[i].index, cases[i].kind, false,
					      cases[i].size, NULL, NULL),
			     cases[i].result, "case %zu", i);
}

Test(pci_bar, sizing)
{
	static const struct {
		unsigned int index;
		enum pci_bar_kind kind;
		bool prefetchable;
		uint64_t size;
		uint64_t ones; /* what all ones read back as */
	} cases[] = {
		{0, PCI_BAR_MEMORY_32, false, 16, 0xfffffff0},
		{0, PCI_BAR_MEMORY_32, true, 4096, 0xfffff008},
		{0, PCI_BAR_MEMORY_32, false, 1ull << 31, 0x80000000},
		{0, PCI_BAR_MEMORY_64, false, 65536, 0xffffffffffff0004},
		{0, PCI_BAR_MEMORY_64, true, 1ull << 32, 0xffffffff0000000c},
		{0, PCI_BAR_MEMORY_64, true, 1ull << 40, 0xffffff000000000c},
		{0, PCI_BAR_IO, false, 4, 0xfffffffd},
		{0, PCI_BAR_IO, false, 256, 0xffffff01},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unsigned int size = cases[i].kind == PCI_BAR_MEMORY_64 ? 8 : 4;

		pci_test_device_init(&test, "dev0");
		pci_register_bar(&test.device, 0, cases[i].kind, cases[i].prefetchable,
				 cases[i].size, &pci_test_bar_ops, &test);
		cr_assert_eq(pci_bus_add(fixture.bus, &test.device, 8), 0);
		pci_fixture_write(&fixture, bdf, PCI_BASE_ADDRESS_0, UINT64_MAX, size);
		cr_expect_eq(pci_fixture_read(&fixture, bdf, PCI_BASE_ADDRESS_0, size),
			     cases[i].ones, "case %zu", i);
		cr_expect_eq(pci_fixture_read(&fixture, bdf, PCI_BASE_ADDRESS_5, 4), 0);
		pci_bus_remove(&test.device);
	}
}

Test(pci_bar, rom)
{
	pci_register_bar(&test.device, PCI_ROM_BAR, PCI_BAR_ROM, false, 65536, &pci_test_bar_ops,
			 &test);
	pci_bus_add(fixture.bus, &test.device, 8);
	pci_fixture_write(&fixture, bdf, PCI_ROM_ADDRESS, UINT32_MAX, 4);
	cr_assert_eq(pci_fixture_read(&fixture, bdf, PCI_ROM_ADDRESS, 4), 0xffff0001);
	pci_fixture_write(&fixture, bdf, PCI_ROM_ADDRESS, 0xc0000000, 4);
	pci_fixture_write(&fixture, bdf, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	cr_assert_eq(pci_fixture_mmio_read(&fixture, 0xc0000000, 4), UINT32_MAX);
	pci_fixture_write(&fixture, bdf, PCI_ROM_ADDRESS, 0xc0000001, 4);
	cr_assert_eq(pci_fixture_mmio_read(&fixture, 0xc0000004, 4), 0x1004);
}

Test(pci_bar, decode_follows_command_and_address)
{
	add_memory(&test, 4096);
	pci_fixture_write(&fixture, bdf, PCI_BASE_ADDRESS_0, 0x1c0000000, 8);
	cr_assert_eq(pci_fixture_mmio_read(&fixture, 0x1c0000000, 8), UINT64_MAX);
	pci_fixture_write(&fixture, bdf, PCI_COMMAND, PCI_COMMAND_MEMORY, 1);
	cr_assert_eq(pci_fixture_mmio_read(&fixture, 0x1c0000008, 8), 0x1008);
	pci_fixture_mmio_write(&fixture, 0x1c0000020, 0x1122334455667788, 8);
	cr_assert_eq(test.last_offset, 0x20);
	cr_assert_eq(test.last_value, 0x1122334455667788);
	cr_assert_eq(test.mapped, 1);
	/* Moved while enabled: half way through it is nowhere else than the address says. */
	pci_fixture_write(&fixture, bdf, PCI_BASE_ADDRESS_0, 0xd0000000, 4);
	cr_assert_eq(pci_fixture_mmio_read(&fixture, 0x1d0000000, 4), 0x1000);
	pci_fixture_write(&fixture, bdf, PCI_BASE_ADDRESS_1, 2, 4);
	cr_assert_eq(pci_fixture_mmio_read(&fixture, 0x1d0000000, 4), UINT32_MAX);
	cr_assert_eq(pci_fixture_mmio_read(&fixture, 0x2d0000000, 4), 0x1000);
	cr_assert_eq(test.mapped, 3);
	cr_assert_eq(test.unmapped, 2);
	/* The same value again changes nothing. */
	pci_fixture_write(&fixture, bdf, PCI_BASE_ADDRESS_1, 2, 4);
	cr_assert_eq(test.mapped, 3);
	pci_fixture_write(&fixture, bdf, PCI_COMMAND, 0, 1);
	cr_assert_eq(pci_fixture_mmio_read(&fixture, 0x2d0000000, 4), UINT32_MAX);
	cr_assert_eq(fixture.warnings, 0);
}

/* A passed-through device decodes before it is reached and is out of reach before it stops. */
Test(pci_bar, the_device_hears_of_a_write_between_unmap_and_map)
{
	add_memory(&test, 4096);
	place(bdf, 0x1c0000000);
	cr_assert_not(test.mapped_at_written);
	cr_assert(test.device.bars[0].mapped);
	pci_fixture_write(&fixture, bdf, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
	cr_assert(test.mapped_at_written, "nothing moves");
	pci_fixture_write(&fixture, bdf, PCI_COMMAND, 0, 2);
	cr_assert_not(test.mapped_at_written);
	cr_assert_not(test.device.bars[0].mapped);
}

Test(pci_bar, io_space)
{
	uint16_t value;

	pci_register_bar(&test.device, 1, PCI_BAR_IO, false, 32, &pci_test_bar_ops, &test);
	pci_bus_add(fixture.bus, &test.device, 8);
	pci_fixture_write(&fixture, bdf, PCI_BASE_ADDRESS_1, 0xc100, 4);
	pci_fixture_write(&fixture, bdf, PCI_COMMAND, PCI_COMMAND_IO, 1);
	bus_read(&fixture.machine.pio, 0xc102, &value, 2);
	cr_assert_eq(value, 0x1002);
	/* Sizing while enabled leaves the port space for a moment, silently. */
	pci_fixture_write(&fixture, bdf, PCI_BASE_ADDRESS_1, UINT32_MAX, 4);
	bus_read(&fixture.machine.pio, 0xc102, &value, 2);
	cr_assert_eq(value, 0xffff);
	pci_fixture_write(&fixture, bdf, PCI_BASE_ADDRESS_1, 0xc200, 4);
	bus_read(&fixture.machine.pio, 0xc21e, &value, 2);
	cr_assert_eq(value, 0x101e);
	cr_assert_eq(fixture.warnings, 0);
}

Test(pci_bar, over_ram_is_refused)
{
	add_memory(&test, 0x100000);
	place(bdf, 0x100000);
	cr_assert_eq(test.mapped, 0);
	cr_assert_eq(fixture.warnings, 1);
	cr_assert(strstr(fixture.last_message, "dev0: BAR 0"));
	cr_assert(strstr(fixture.last_message, "guest RAM"));
	cr_assert_eq(pci_fixture_mmio_read(&fixture, 0x100000, 4), UINT32_MAX);
	/* The first byte behind RAM is fine. */
	place(bdf, PCI_FIXTURE_RAM);
	cr_assert_eq(pci_fixture_mmio_read(&fixture, PCI_FIXTURE_RAM, 4), 0x1000);
}

Test(pci_bar, overlap_is_refused_until_the_other_leaves)
{
	add_memory(&test, 0x10000);
	add_memory(&other, 0x1000);
	place(bdf, 0xc0000000);
	place(other_bdf, 0xc000f000);
	cr_assert_eq(other.mapped, 0);
	cr_assert_eq(fixture.warnings, 1);
	cr_assert(strstr(fixture.last_message, "a BAR of dev0"));
	cr_assert_eq(pci_fixture_mmio_read(&fixture, 0xc000f004, 4), 0x10004, "the first stays");
	place(bdf, 0xc0010000);
	cr_assert_eq(test.unmapped, 1);
	cr_assert_eq(other.mapped, 1, "the refused one comes when the place is free");
	cr_assert_eq(pci_fixture_mmio_read(&fixture, 0xc000f004, 4), 0x1004);
	cr_assert_eq(pci_fixture_mmio_read(&fixture, 0xc0010004, 4), 0x1004);
	cr_assert_eq(fixture.warnings, 1);
}

Test(pci_bar, over_another_region_is_refused)
{
	add_memory(&test, 0x1000);
	place(bdf, PCI_FIXTURE_ECAM + 0x1000);
	cr_assert_eq(test.mapped, 0);
	cr_assert_eq(fixture.warnings, 1);
	cr_assert_eq(pci_fixture_read(&fixture, bdf, 0, 2), 0x1234, "ECAM still answers");
}

Test(pci_bar, outside_the_windows_is_refused)
{
	const struct pci_host_windows windows = {
		.memory_32 = {0xc0000000, 0x10000000},
		.memory_64 = {0x100000000, 0x10000000},
	};

	add_memory(&test, 0x100000);
	cr_assert_eq(pci_assign_resources(fixture.bus, &windows), 0);
	cr_assert_eq(pci_fixture_read(&fixture, bdf, PCI_BASE_ADDRESS_0, 8), 0x10000000c);
	place(bdf, 0xd0000000);
	cr_assert_eq(test.mapped, 0);
	cr_assert(strstr(fixture.last_message, "outside the bridge windows"));
	place(bdf, 0x110000000 - 0x100000);
	cr_assert_eq(test.mapped, 1);
	place(bdf, 0x110000000);
	cr_assert_eq(test.mapped, 1);
	place(bdf, 0xcff00000);
	cr_assert_eq(test.mapped, 2);
	place(bdf, 0xfffffffffff00000);
	cr_assert_eq(test.mapped, 2);
}

Test(pci_bar, a_device_may_refuse)
{
	cr_assert_eq(
		pci_register_bar(&test.device, 0, PCI_BAR_MEMORY_32, false, 0x1000, NULL, NULL), 0);
	cr_assert_eq(pci_bus_add(fixture.bus, &test.device, 8), 0);
	test.map_error = -EEXIST;
	place(bdf, 0xc0000000);
	cr_assert_eq(test.mapped, 1);
	cr_assert_eq(fixture.warnings, 1);
	cr_assert_not(test.device.bars[0].mapped);
	test.map_error = 0;
	place(bdf, 0xc0001000);
	cr_assert(test.device.bars[0].mapped);
	cr_assert_eq(test.device.bars[0].address, 0xc0001000);
	cr_assert_eq(test.unmapped, 0);
	pci_bus_remove(&test.device);
	cr_assert_eq(test.unmapped, 1);
}

Test(pci_bar, refusals_are_rate_limited)
{
	add_memory(&test, 0x1000);
	for (unsigned int i = 0; i < 1000; i++)
		place(bdf, 0x100000 + i * 0x1000);
	cr_assert_leq(fixture.warnings, 10);
	cr_assert_geq(fixture.warnings, 1);
	cr_assert_eq(test.mapped, 0);
}

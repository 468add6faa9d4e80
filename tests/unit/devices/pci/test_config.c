/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>

#include "core/bytes.h"
#include "tests/unit/devices/pci/fixture.h"
#include "tests/unit/devices/pci/capabilities.h"

static struct pci_fixture fixture;
static struct pci_test_device test;
static const uint64_t bdf = PCI_BDF(0, 0x18); /* slot 3 */

static void setup(void)
{
	pci_fixture_init(&fixture);
	pci_test_device_init(&test, "nic0");
}

static void plug(void)
{
	cr_assert_eq(pci_bus_add(fixture.bus, &test.device, 0x18), 0);
}

static void teardown(void)
{
	pci_fixture_destroy(&fixture);
}

TestSuite(pci_config, .init = setup, .fini = teardown);

Test(pci_config, identity_at_every_width)
{
	static const struct {
		uint32_t offset;
		unsigned int size;
		uint64_t value;
	} cases[] = {
		{0x00, 4, 0x56781234},
		{0x00, 2, 0x1234},
		{0x02, 2, 0x5678},
		{0x00, 1, 0x34},
		{0x01, 1, 0x12},
		{0x03, 1, 0x56},
		{0x08, 4, 0x02000003},
		{0x09, 1, 0x00},
		{0x0b, 1, 0x02},
		{0x0e, 1, 0x00},
		{0x2c, 4, 0x11001af4},
		/* across dwords and as a quadword: served in pieces */
		{0x02, 4, 0x00005678},
		{0x01, 2, 0x7812},
		{0x00, 8, 0x0000000056781234},
		{0x05, 8, 0x0002000003000000},
	};

	plug();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_expect_eq(pci_fixture_read(&fixture, bdf, cases[i].offset, cases[i].size),
			     cases[i].value, "offset %#x size %u: %#lx", cases[i].offset,
			     cases[i].size,
			     pci_fixture_read(&fixture, bdf, cases[i].offset, cases[i].size));
}

Test(pci_config, absent_functions_read_all_ones_and_drop_writes)
{
	plug();
	cr_assert_eq(pci_fixture_read(&fixture, PCI_BDF(0, 0x19), 0, 4), UINT32_MAX);
	cr_assert_eq(pci_fixture_read(&fixture, PCI_BDF(5, 0), 0, 8), UINT64_MAX);
	cr_assert_eq(pci_fixture_read(&fixture, PCI_BDF(0xff, 0xff), 0xffc, 4), UINT32_MAX);
	pci_fixture_write(&fixture, PCI_BDF(5, 0), 4, 0xffff, 2);
	/* The last byte of one function and the first of the next. */
	cr_assert_eq(pci_fixture_read(&fixture, PCI_BDF(0, 0x17), 0xfff, 2), 0x34ff);
}

Test(pci_config, read_only_bits_stay)
{
	uint8_t before[64];

	plug();
	for (uint32_t i = 0; i < 64; i++)
		before[i] = (uint8_t)pci_fixture_read(&fixture, bdf, i, 1);
	for (uint32_t i = 0; i < PCI_CONFIG_SIZE; i += 4)
		pci_fixture_write(&fixture, bdf, i, UINT32_MAX, 4);
	cr_assert_eq(pci_fixture_read(&fixture, bdf, PCI_COMMAND, 2), 0x0547);
	cr_assert_eq(pci_fixture_read(&fixture, bdf, PCI_CACHE_LINE_SIZE, 1), 0xff);
	cr_assert_eq(pci_fixture_read(&fixture, bdf, PCI_INTERRUPT_LINE, 1), 0xff);
	pci_fixture_write(&fixture, bdf, PCI_COMMAND, 0, 2);
	pci_fixture_write(&fixture, bdf, PCI_CACHE_LINE_SIZE, 0, 1);
	pci_fixture_write(&fixture, bdf, PCI_INTERRUPT_LINE, 0, 1);
	for (uint32_t i = 0; i < 64; i++)
		cr_expect_eq(pci_fixture_read(&fixture, bdf, i, 1), before[i], "byte %#x", i);
	for (uint32_t i = 64; i < PCI_CONFIG_SIZE; i += 4)
		cr_expect_eq(pci_fixture_read(&fixture, bdf, i, 4), 0, "dword %#x", i);
}

Test(pci_config, byte_writes_leave_the_neighbours)
{
	int offset = pci_add_capability(&test.device, PCI_CAP_ID_VNDR, 8);

	bytes_put_le32(test.device.writable + (uint32_t)offset + 4, UINT32_MAX);
	plug();
	pci_fixture_write(&fixture, bdf, (uint32_t)offset + 4, 0x44332211, 4);
	pci_fixture_write(&fixture, bdf, (uint32_t)offset + 5, 0xaa, 1);
	cr_assert_eq(pci_fixture_read(&fixture, bdf, (uint32_t)offset + 4, 4), 0x4433aa11);
	pci_fixture_write(&fixture, bdf, (uint32_t)offset + 6, 0xccdd, 2);
	cr_assert_eq(pci_fixture_read(&fixture, bdf, (uint32_t)offset + 4, 4), 0xccddaa11);
	/* A quadword over the read-only header and the body. */
	pci_fixture_write(&fixture, bdf, (uint32_t)offset, UINT64_MAX, 8);
	cr_assert_eq(pci_fixture_read(&fixture, bdf, (uint32_t)offset, 8), 0xffffffff00000009);
	cr_assert_gt(test.config_written, 0);
}

Test(pci_config, write_1_to_clear)
{
	plug();
	bytes_put_le16(test.device.config + PCI_STATUS,
		       bytes_get_le16(test.device.config + PCI_STATUS) | 0xf900);
	pci_fixture_write(&fixture, bdf, PCI_STATUS, 0x0000, 2);
	cr_assert_eq(pci_fixture_read(&fixture, bdf, PCI_STATUS, 2), 0xf900);
	pci_fixture_write(&fixture, bdf, PCI_STATUS, 0x4000, 2);
	cr_assert_eq(pci_fixture_read(&fixture, bdf, PCI_STATUS, 2), 0xb900);
	/* A dword write of the command register clears nothing when the upper half is 0. */
	pci_fixture_write(&fixture, bdf, PCI_COMMAND, PCI_COMMAND_MASTER, 4);
	cr_assert_eq(pci_fixture_read(&fixture, bdf, PCI_COMMAND, 4), 0xb9000004);
	pci_fixture_write(&fixture, bdf, PCI_STATUS + 1, 0xff, 1);
	cr_assert_eq(pci_fixture_read(&fixture, bdf, PCI_STATUS, 2), 0);
}

Test(pci_config, capability_chain)
{
	uint8_t *config = test.device.config;
	int express, vendor, power;

	cr_assert_eq(pci_find_capability(config, PCI_CAP_ID_EXP), 0);
	vendor = pci_add_capability(&test.device, PCI_CAP_ID_VNDR, 9);
	express = pci_add_express(&test.device, PCI_EXP_TYPE_ENDPOINT);
	power = pci_add_power_management(&test.device);
	cr_assert_eq(vendor, 0x40);
	cr_assert_eq(express, 0x4c, "dword aligned");
	cr_assert_eq(config[PCI_CAPABILITY_LIST], vendor);
	cr_assert_eq(config[vendor + 1], express);
	cr_assert_eq(config[express + 1], power);
	cr_assert_eq(config[power + 1], 0);
	cr_assert(bytes_get_le16(config + PCI_STATUS) & PCI_STATUS_CAP_LIST);
	cr_assert_eq(pci_find_capability(config, PCI_CAP_ID_EXP), express);
	cr_assert_eq(pci_find_capability(config, PCI_CAP_ID_PM), power);
	cr_assert_eq(pci_find_capability(config, PCI_CAP_ID_MSIX), 0);
	cr_assert_eq(pci_add_capability(&test.device, PCI_CAP_ID_VNDR, 0xc0), -ENOSPC);
	/* A loop ends. */
	config[power + 1] = (uint8_t)vendor;
	cr_assert_eq(pci_find_capability(config, PCI_CAP_ID_MSIX), 0);
}

Test(pci_config, extended_capability_chain)
{
	uint8_t *config = test.device.config;
	int first, second;

	cr_assert_eq(pci_find_ext_capability(config, PCI_EXT_CAP_ID_DVSEC), 0);
	first = pci_add_ext_capability(&test.device, PCI_EXT_CAP_ID_DSN, 1, 12);
	second = pci_add_dvsec(&test.device, 0x1e98, 1, 7, 0x14);
	cr_assert_eq(first, 0x100);
	cr_assert_eq(second, 0x10c);
	cr_assert_eq(bytes_get_le32(config + 0x100), 0x10c10003);
	cr_assert_eq(bytes_get_le32(config + 0x10c), 0x00010023);
	cr_assert_eq(bytes_get_le32(config + 0x110), 0x01411e98);
	cr_assert_eq(bytes_get_le16(config + 0x114), 7);
	cr_assert_eq(pci_find_dvsec(config, 0x1e98, 7), 0x10c);
	cr_assert_eq(pci_find_dvsec(config, 0x1e98, 0), 0);
	cr_assert_eq(pci_find_dvsec(config, 0x1e99, 7), 0);
	cr_assert_eq(pci_add_dvsec(&test.device, 0x1e98, 0, 8, 0x24), 0x120);
	cr_assert_eq(bytes_get_le32(config + 0x10c), 0x12010023);
	cr_assert_eq(pci_add_dvsec(&test.device, 0x1e98, 0, 8, 9), -ENOSPC);
	cr_assert_eq(pci_add_ext_capability(&test.device, 1, 1, 0xf00), -ENOSPC);
	/* A loop ends. */
	bytes_put_le32(config + 0x120, bytes_get_le32(config + 0x120) | 0x10000000);
	cr_assert_eq(pci_find_dvsec(config, 0x1e98, 9), 0);
}

Test(pci_config, function_level_reset)
{
	int express = pci_add_express(&test.device, PCI_EXP_TYPE_ENDPOINT);
	uint32_t control = (uint32_t)express + PCI_EXP_DEVCTL;

	cr_assert_eq(pci_register_bar(&test.device, 0, PCI_BAR_MEMORY_32, false, 0x1000,
				      &pci_test_bar_ops, &test),
		     0);
	plug();
	pci_fixture_write(&fixture, bdf, PCI_BASE_ADDRESS_0, 0xc0000000, 4);
	pci_fixture_write(&fixture, bdf, PCI_COMMAND, 6, 2);
	cr_assert_eq(pci_fixture_mmio_read(&fixture, 0xc0000010, 4), 0x1010);
	cr_assert(pci_bus_master(&test.device));
	pci_fixture_write(&fixture, bdf, control, 0x2810, 2);
	cr_assert_eq(test.resets, 0);
	/* Only the byte with the bit counts. */
	pci_fixture_write(&fixture, bdf, control, 0x80, 1);
	cr_assert_eq(test.resets, 0);
	pci_fixture_write(&fixture, bdf, control + 1, 0x80, 1);
	cr_assert_eq(test.resets, 1);
	cr_assert_eq(test.reset_kind, PCI_RESET_FUNCTION);
	cr_assert_eq(test.unmapped, 1);
	cr_assert_eq(pci_fixture_read(&fixture, bdf, PCI_COMMAND, 2), 0);
	cr_assert_eq(pci_fixture_read(&fixture, bdf, PCI_BASE_ADDRESS_0, 4), 0);
	cr_assert_eq(pci_fixture_mmio_read(&fixture, 0xc0000010, 4), UINT32_MAX);
	cr_assert_not(pci_bus_master(&test.device));
	pci_fixture_write(&fixture, bdf, control, 0x8000, 4);
	cr_assert_eq(test.resets, 2);
	cr_assert_eq(pci_fixture_read(&fixture, bdf, control, 2) & 0x8000, 0);
}

Test(pci_config, no_reset_without_the_capability)
{
	int express;

	test.device.ops = NULL;
	express = pci_add_express(&test.device, PCI_EXP_TYPE_ENDPOINT);
	plug();
	pci_fixture_write(&fixture, bdf, PCI_COMMAND, PCI_COMMAND_MASTER, 2);
	pci_fixture_write(&fixture, bdf, (uint32_t)express + PCI_EXP_DEVCTL, 0x8000, 2);
	cr_assert_eq(pci_fixture_read(&fixture, bdf, PCI_COMMAND, 2), PCI_COMMAND_MASTER);
}

Test(pci_config, power_states)
{
	int power = pci_add_power_management(&test.device);
	uint32_t control = (uint32_t)power + PCI_PM_CTRL;

	cr_assert_eq(pci_register_bar(&test.device, 0, PCI_BAR_MEMORY_32, false, 0x1000,
				      &pci_test_bar_ops, &test),
		     0);
	plug();
	pci_fixture_write(&fixture, bdf, PCI_BASE_ADDRESS_0, 0xc0000000, 4);
	pci_fixture_write(&fixture, bdf, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	pci_fixture_write(&fixture, bdf, control, 1, 2);
	cr_assert_eq(pci_fixture_read(&fixture, bdf, control, 2), 8, "D1 is not supported");
	pci_fixture_write(&fixture, bdf, control, 3, 2);
	cr_assert_eq(pci_fixture_read(&fixture, bdf, control, 2), 0x0b);
	cr_assert_eq(pci_fixture_mmio_read(&fixture, 0xc0000000, 4), UINT32_MAX);
	pci_fixture_write(&fixture, bdf, control, 2, 2);
	cr_assert_eq(pci_fixture_read(&fixture, bdf, control, 2), 0x0b);
	pci_fixture_write(&fixture, bdf, control, 0, 2);
	cr_assert_eq(pci_fixture_mmio_read(&fixture, 0xc0000000, 4), 0x1000);
}

/* PCI 3.0, 3.2.2.3.2 */
Test(pci_config, ports)
{
	uint32_t value;
	uint16_t word;
	uint8_t byte;

	plug();
	value = 0x80001800;
	bus_write(&fixture.machine.pio, 0xcf8, &value, 4);
	value = 0;
	bus_read(&fixture.machine.pio, 0xcf8, &value, 4);
	cr_assert_eq(value, 0x80001800);
	bus_read(&fixture.machine.pio, 0xcfc, &value, 4);
	cr_assert_eq(value, 0x56781234);
	bus_read(&fixture.machine.pio, 0xcfe, &word, 2);
	cr_assert_eq(word, 0x5678);
	bus_read(&fixture.machine.pio, 0xcff, &byte, 1);
	cr_assert_eq(byte, 0x56);
	/* Narrow accesses do not touch CONFIG_ADDRESS. */
	byte = 0x55;
	bus_write(&fixture.machine.pio, 0xcf8, &byte, 1);
	bus_read(&fixture.machine.pio, 0xcf8, &value, 4);
	cr_assert_eq(value, 0x80001800);
	value = 0x80001804;
	bus_write(&fixture.machine.pio, 0xcf8, &value, 4);
	word = PCI_COMMAND_MASTER;
	bus_write(&fixture.machine.pio, 0xcfc, &word, 2);
	cr_assert_eq(pci_fixture_read(&fixture, bdf, PCI_COMMAND, 2), PCI_COMMAND_MASTER);
	/* Disabled: nothing is reached. */
	value = 0x00001800;
	bus_write(&fixture.machine.pio, 0xcf8, &value, 4);
	bus_read(&fixture.machine.pio, 0xcfc, &value, 4);
	cr_assert_eq(value, UINT32_MAX);
}

Test(pci_config, interrupt_status_and_disable)
{
	plug();
	/* slot 3, INTA: pin 16 + 3 */
	cr_assert_eq(pci_intx_gsi(&test.device), 19);
	pci_set_intx(&test.device, true);
	cr_assert(fixture.lines[19]);
	cr_assert(pci_fixture_read(&fixture, bdf, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
	pci_fixture_write(&fixture, bdf, PCI_COMMAND, PCI_COMMAND_INTX_DISABLE, 2);
	cr_assert_not(fixture.lines[19]);
	cr_assert(pci_fixture_read(&fixture, bdf, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
	pci_fixture_write(&fixture, bdf, PCI_COMMAND, 0, 2);
	cr_assert(fixture.lines[19]);
	pci_set_intx(&test.device, false);
	cr_assert_not(fixture.lines[19]);
	cr_assert_not(pci_fixture_read(&fixture, bdf, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
}

Test(pci_config, shared_lines_are_wired_or)
{
	static struct pci_test_device other;
	unsigned int ioctls;

	pci_test_device_init(&other, "nic1");
	plug();
	cr_assert_eq(pci_bus_add(fixture.bus, &other.device, 0x58), 0); /* slot 11 = 3 + 8 */
	cr_assert_eq(pci_intx_gsi(&other.device), 19);
	pci_set_intx(&test.device, true);
	ioctls = fixture.ioctls;
	pci_set_intx(&other.device, true);
	pci_set_intx(&test.device, false);
	cr_assert_eq(fixture.ioctls, ioctls);
	cr_assert(fixture.lines[19]);
	pci_bus_remove(&other.device);
	cr_assert_not(fixture.lines[19]);
}

Test(pci_config, plugging)
{
	static struct pci_test_device more[32];

	cr_assert_eq(pci_bus_add(fixture.bus, &test.device, -1), 0);
	cr_assert_eq(test.device.devfn, 0x08, "slot 0 is the host bridge");
	cr_assert_eq(pci_bus_add(fixture.bus, &test.device, 0x20), -EBUSY);
	pci_test_device_init(&more[0], "more");
	cr_assert_eq(pci_bus_add(fixture.bus, &more[0].device, 0x08), -EBUSY);
	cr_assert_eq(pci_bus_add(fixture.bus, &more[0].device, 256), -ENOSPC);
	/* A second function makes the first one tell. */
	cr_assert_eq(pci_fixture_read(&fixture, PCI_BDF(0, 8), PCI_HEADER_TYPE, 1), 0);
	cr_assert_eq(pci_bus_add(fixture.bus, &more[0].device, 0x0a), 0);
	cr_assert_eq(pci_fixture_read(&fixture, PCI_BDF(0, 8), PCI_HEADER_TYPE, 1), 0x80);
	for (int i = 1; i <= 30; i++) {
		pci_test_device_init(&more[i], "more");
		cr_assert_eq(pci_bus_add(fixture.bus, &more[i].device, -1), 0);
	}
	pci_test_device_init(&more[31], "more");
	cr_assert_eq(pci_bus_add(fixture.bus, &more[31].device, -1), -ENOSPC);
	pci_bus_remove(&more[5].device);
	cr_assert_eq(pci_bus_add(fixture.bus, &more[31].device, -1), 0);
	cr_assert_eq(pci_fixture_read(&fixture, 0, PCI_CLASS_REVISION, 4), 0x06000000);
}

/* Any sequence of accesses leaves the identity alone and stays inside the VMM. */
Test(pci_config, hostile_writes)
{
	uint64_t state = 88172645463325252ull;

	pci_add_express(&test.device, PCI_EXP_TYPE_ENDPOINT);
	pci_add_power_management(&test.device);
	pci_register_bar(&test.device, 0, PCI_BAR_MEMORY_64, true, 1 << 20, &pci_test_bar_ops,
			 &test);
	pci_register_bar(&test.device, 2, PCI_BAR_IO, false, 32, &pci_test_bar_ops, &test);
	pci_register_bar(&test.device, PCI_ROM_BAR, PCI_BAR_ROM, false, 1 << 16, &pci_test_bar_ops,
			 &test);
	plug();
	for (unsigned int i = 0; i < 200000; i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		pci_fixture_write(&fixture, bdf, (state >> 8 & 1) ? state & 0x3f : state & 0xfff,
				  state >> 16, 1u << (state >> 12 & 3));
	}
	cr_assert_eq(pci_fixture_read(&fixture, bdf, 0, 4), 0x56781234);
	cr_assert_eq(pci_fixture_read(&fixture, bdf, 8, 4), 0x02000003);
	cr_assert_leq(fixture.warnings, 20, "rate limited");
}

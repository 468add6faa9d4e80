/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "devices/pci/msi.h"
#include "tests/unit/devices/pci/fixture.h"
#include "tests/unit/devices/pci/capabilities.h"

static struct pci_fixture fixture;
static struct pci_test_device test;
static struct pci_root_port ports[2];
static const uint64_t bdf = PCI_BDF(0, 0x08);

static void setup(void)
{
	pci_fixture_init(&fixture);
	pci_test_device_init(&test, "dev0");
	for (unsigned int i = 0; i < 2; i++) {
		cr_assert_eq(pci_root_port_init(&ports[i], fixture.machine.root, i ? "rp1" : "rp0",
						(uint16_t)(i + 1)),
			     0);
		cr_assert_eq(pci_root_port_add(&ports[i], fixture.bus, -1), 0);
	}
}

static void teardown(void)
{
	for (unsigned int i = 0; i < 2; i++)
		pci_root_port_destroy(&ports[i]);
	pci_fixture_destroy(&fixture);
}

TestSuite(pci_root_port, .init = setup, .fini = teardown);

static void number(unsigned int port, uint8_t secondary, uint8_t subordinate)
{
	pci_fixture_write(&fixture, PCI_BDF(0, 8 * (port + 1)), PCI_PRIMARY_BUS,
			  (uint32_t)secondary << 8 | (uint32_t)subordinate << 16, 4);
}

Test(pci_root_port, registers)
{
	uint32_t express = pci_find_capability(ports[0].device.config, PCI_CAP_ID_EXP);
	struct pci_root_port other;

	cr_assert_eq(pci_root_port_init(&other, fixture.machine.root, "rp", 0), -EINVAL);
	cr_assert_eq(pci_root_port_init(&other, fixture.machine.root, "rp", 0x2000), -EINVAL);
	cr_assert_neq(express, 0);
	cr_assert_eq(pci_fixture_read(&fixture, bdf, PCI_HEADER_TYPE, 1), 1);
	cr_assert_eq(pci_fixture_read(&fixture, bdf, PCI_CLASS_REVISION + 1, 1), 0);
	cr_assert_eq(pci_fixture_read(&fixture, bdf, PCI_CLASS_DEVICE, 2), 0x0604);
	cr_assert_eq(pci_fixture_read(&fixture, bdf, express + PCI_EXP_FLAGS, 2), 0x0142,
		     "root port, version 2, slot");
	cr_assert_eq(pci_fixture_read(&fixture, bdf, express + PCI_EXP_SLTCAP, 4), 1u << 19);
	cr_assert_eq(pci_fixture_read(&fixture, bdf, express + PCI_EXP_LNKCAP, 4) >> 20 & 1, 1);
	cr_assert_neq(pci_find_capability(ports[0].device.config, PCI_CAP_ID_MSI), 0);
	cr_assert_eq(pci_find_ext_capability(ports[0].device.config, PCI_EXT_CAP_ID_ERR), 0x100);
	/* Windows: granularity and the 64-bit marks. */
	pci_fixture_write(&fixture, bdf, PCI_MEMORY_BASE, UINT32_MAX, 4);
	cr_assert_eq(pci_fixture_read(&fixture, bdf, PCI_MEMORY_BASE, 4), 0xfff0fff0);
	pci_fixture_write(&fixture, bdf, PCI_PREF_MEMORY_BASE, 0, 4);
	cr_assert_eq(pci_fixture_read(&fixture, bdf, PCI_PREF_MEMORY_BASE, 4), 0x00010001);
	pci_fixture_write(&fixture, bdf, PCI_IO_BASE, 0xffff, 2);
	cr_assert_eq(pci_fixture_read(&fixture, bdf, PCI_IO_BASE, 2), 0xf0f0);
	/* No BARs in a plain root port. */
	pci_fixture_write(&fixture, bdf, PCI_BASE_ADDRESS_0, UINT64_MAX, 8);
	cr_assert_eq(pci_fixture_read(&fixture, bdf, PCI_BASE_ADDRESS_0, 8), 0);
}

Test(pci_root_port, link_and_presence_follow_the_device)
{
	uint32_t express = pci_find_capability(ports[0].device.config, PCI_CAP_ID_EXP);

	cr_assert_eq(pci_fixture_read(&fixture, bdf, express + PCI_EXP_LNKSTA, 2) & 0x2000, 0);
	cr_assert_eq(pci_fixture_read(&fixture, bdf, express + PCI_EXP_SLTSTA, 2) & 0x40, 0);
	cr_assert_eq(pci_bus_add(ports[0].secondary, &test.device, -1), 0);
	cr_assert_eq(pci_fixture_read(&fixture, bdf, express + PCI_EXP_LNKSTA, 2), 0x2105,
		     "32 GT/s x16, active");
	cr_assert_eq(pci_fixture_read(&fixture, bdf, express + PCI_EXP_SLTSTA, 2), 0x40);
}

/* PCIe 6.7.3.4: presence and link state change; the events are cleared by writing ones. */
Test(pci_root_port, surprise_removal)
{
	uint32_t express = pci_find_capability(ports[0].device.config, PCI_CAP_ID_EXP);
	uint32_t msi = pci_find_capability(ports[0].device.config, PCI_CAP_ID_MSI);
	uint64_t signalled = 0;
	struct pollfd wait;

	cr_assert_eq(pci_bus_add(ports[0].secondary, &test.device, -1), 0);
	pci_fixture_write(&fixture, bdf, express + PCI_EXP_SLTCTL, 0xffff, 2);
	cr_assert_eq(pci_fixture_read(&fixture, bdf, express + PCI_EXP_SLTCTL, 2), 0,
		     "an ordinary slot has no controls");
	pci_root_port_allow_removal(&ports[0]);
	cr_assert_eq(pci_fixture_read(&fixture, bdf, express + PCI_EXP_SLTCAP, 4),
		     1u << 19 | 0x40060u);
	cr_assert_eq(pci_fixture_read(&fixture, bdf, express + PCI_EXP_SLTSTA, 2), 0x40);

	wait = (struct pollfd){.fd = pci_msi_eventfd(&ports[0].device, 0), .events = POLLIN};
	cr_assert_geq(wait.fd, 0);
	pci_fixture_write(&fixture, bdf, msi + PCI_MSI_ADDRESS_LO, 0xfee00000, 4);
	pci_fixture_write(&fixture, bdf, msi + PCI_MSI_FLAGS, PCI_MSI_FLAGS_ENABLE, 2);
	pci_root_port_surprise_removal(&ports[0]);
	cr_assert_eq(poll(&wait, 1, 0), 0, "not asked for");
	cr_assert_eq(pci_fixture_read(&fixture, bdf, express + PCI_EXP_SLTSTA, 2), 0x108);
	cr_assert_eq(pci_fixture_read(&fixture, bdf, express + PCI_EXP_LNKSTA, 2) & 0x2000, 0);
	pci_fixture_write(&fixture, bdf, express + PCI_EXP_SLTSTA, 0x108, 2);
	cr_assert_eq(pci_fixture_read(&fixture, bdf, express + PCI_EXP_SLTSTA, 2), 0);
	pci_fixture_write(&fixture, bdf, express + PCI_EXP_SLTCTL,
			  PCI_EXP_SLTCTL_HPIE | PCI_EXP_SLTCTL_DLLSCE, 2);
	pci_root_port_surprise_removal(&ports[0]);
	cr_assert_eq(poll(&wait, 1, 0), 1);
	cr_assert_eq(read(wait.fd, &signalled, sizeof(signalled)), (ssize_t)sizeof(signalled));
	cr_assert_eq(signalled, 1u);
}

Test(pci_root_port, configuration_requests_follow_the_bus_numbers)
{
	static const struct {
		uint8_t secondary, subordinate;
		uint8_t bus;
		bool reached;
	} cases[] = {
		{0, 0, 0, false},          {0, 0xff, 1, false}, {1, 1, 1, true},  {1, 1, 2, false},
		{1, 0, 1, false},          {7, 9, 7, true},     {7, 9, 8, false}, {7, 9, 9, false},
		{0x0f, 0xff, 0x0f, true},  /* last bus of the host bridge */
		{0x10, 0x10, 0x10, false}, /* not the host bridge's */
	};

	cr_assert_eq(pci_bus_add(ports[0].secondary, &test.device, -1), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t value;

		number(0, cases[i].secondary, cases[i].subordinate);
		value = pci_fixture_read(&fixture, PCI_BDF(cases[i].bus, 0), 0, 2);
		if (cases[i].bus == 0)
			cr_expect_eq(value, 0x1b36, "bus 0 stays the root bus");
		else
			cr_expect_eq(value, cases[i].reached ? 0x1234 : 0xffff, "case %zu", i);
	}
}

Test(pci_root_port, nested_and_overlapping_numbers)
{
	static struct pci_root_port below;

	cr_assert_eq(pci_root_port_init(&below, fixture.machine.root, "below", 9), 0);
	cr_assert_eq(pci_root_port_add(&below, ports[0].secondary, -1), 0);
	cr_assert_eq(pci_bus_add(below.secondary, &test.device, -1), 0);
	number(0, 1, 4);
	pci_fixture_write(&fixture, PCI_BDF(1, 0), PCI_PRIMARY_BUS, 0x040301, 4);
	cr_assert_eq(pci_fixture_read(&fixture, PCI_BDF(3, 0), 0, 2), 0x1234);
	cr_assert_eq(pci_fixture_read(&fixture, PCI_BDF(4, 0), 0, 2), 0xffff);
	/* INTx turns at each bridge: slot 0 below slot 0 below slot 1. */
	cr_assert_eq(pci_intx_gsi(&test.device), 17);
	/* The bridge below claims its parent's own number, and everything: no loop, no crash. */
	pci_fixture_write(&fixture, PCI_BDF(1, 0), PCI_PRIMARY_BUS, 0xff0101, 4);
	cr_assert_eq(pci_fixture_read(&fixture, PCI_BDF(1, 0), 0, 2), 0x1b36);
	number(1, 1, 0xff);
	for (unsigned int bus = 0; bus < 256; bus++)
		pci_fixture_read(&fixture, PCI_BDF(bus, 0), 0, 4);
	pci_root_port_destroy(&below);
}

Test(pci_root_port, secondary_bus_reset)
{
	cr_assert_eq(pci_bus_add(ports[0].secondary, &test.device, -1), 0);
	number(0, 1, 1);
	pci_fixture_write(&fixture, PCI_BDF(1, 0), PCI_COMMAND, PCI_COMMAND_MASTER, 2);
	pci_fixture_write(&fixture, bdf, PCI_BRIDGE_CONTROL, PCI_BRIDGE_CTL_BUS_RESET, 2);
	cr_assert_eq(test.resets, 1);
	cr_assert_eq(test.reset_kind, PCI_RESET_CONVENTIONAL);
	cr_assert_eq(pci_fixture_read(&fixture, PCI_BDF(1, 0), 0, 4), UINT32_MAX);
	pci_fixture_write(&fixture, bdf, PCI_BRIDGE_CONTROL, PCI_BRIDGE_CTL_BUS_RESET, 2);
	cr_assert_eq(test.resets, 1);
	pci_fixture_write(&fixture, bdf, PCI_BRIDGE_CONTROL, 0, 2);
	cr_assert_eq(test.resets, 1);
	cr_assert_eq(pci_fixture_read(&fixture, PCI_BDF(1, 0), 0, 4), 0x56781234);
	cr_assert_eq(pci_fixture_read(&fixture, PCI_BDF(1, 0), PCI_COMMAND, 2), 0);
}

static bool masked(const struct pci_root_port *port)
{
	return port == &ports[0];
}

Test(pci_root_port, masked_secondary_bus_reset)
{
	ports[0].secondary_reset_masked = masked;
	cr_assert_eq(pci_bus_add(ports[0].secondary, &test.device, -1), 0);
	number(0, 1, 1);
	pci_fixture_write(&fixture, bdf, PCI_BRIDGE_CONTROL, PCI_BRIDGE_CTL_BUS_RESET, 2);
	cr_assert_eq(test.resets, 0);
	cr_assert_eq(pci_fixture_read(&fixture, PCI_BDF(1, 0), 0, 4), 0x56781234);
	cr_assert_eq(pci_fixture_read(&fixture, bdf, PCI_BRIDGE_CONTROL, 2), 0x40);
}

struct visits {
	unsigned int count;
	uint8_t buses[16];
	const char *names[16];
};

static void visit(void *opaque, struct pci_device *device, uint8_t bus)
{
	struct visits *visits = opaque;

	visits->buses[visits->count] = bus;
	visits->names[visits->count++] = device->name;
}

Test(pci_root_port, visit_and_machine_reset)
{
	const struct pci_host_windows windows = {.memory_32 = {0xc0000000, 0x1000000},
						 .memory_64 = {0x100000000, 0x1000000}};
	static struct pci_test_device early;
	struct visits visits = {0};
	struct pci_bus *second;

	pci_test_device_init(&early, "early");
	cr_assert_eq(pci_root_add_host_bridge(fixture.machine.root, 0x40, 0x4f, &second), 0);
	cr_assert_eq(pci_bus_add(second, &early.device, -1), 0);
	cr_assert_eq(pci_register_bar(&test.device, 0, PCI_BAR_MEMORY_32, false, 4096,
				      &pci_test_bar_ops, &test),
		     0);
	cr_assert_eq(pci_bus_add(ports[1].secondary, &test.device, -1), 0);
	cr_assert_eq(pci_assign_resources(fixture.bus, &windows), 0);
	pci_root_visit(fixture.machine.root, visit, &visits);
	cr_assert_eq(visits.count, 5);
	cr_assert_str_eq(visits.names[0], "host-bridge");
	cr_assert_str_eq(visits.names[3], "dev0");
	cr_assert_eq(visits.buses[3], 2);
	cr_assert_str_eq(visits.names[4], "early");
	cr_assert_eq(visits.buses[4], 0x40);

	pci_fixture_write(&fixture, PCI_BDF(0, 0x10), PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	pci_fixture_write(&fixture, PCI_BDF(2, 0), PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	cr_assert_eq(test.mapped, 1);
	pci_root_lock(fixture.machine.root);
	pci_device_reset(&ports[1].device, PCI_RESET_CONVENTIONAL);
	pci_root_unlock(fixture.machine.root);
	cr_assert_eq(test.unmapped, 1, "the bridge's windows are gone");
	cr_assert_eq(test.resets, 0);
	pci_root_reset(fixture.machine.root);
	cr_assert_eq(test.resets, 1);
	cr_assert_eq(test.unmapped, 1);
	cr_assert_eq(pci_fixture_read(&fixture, PCI_BDF(2, 0), 0, 4), UINT32_MAX);
	cr_assert_eq(pci_assign_resources(fixture.bus, &windows), 0);
	cr_assert_eq(pci_fixture_read(&fixture, PCI_BDF(2, 0), 0, 4), 0x56781234);
	cr_assert_eq(test.mapped, 1, "the guest turns decoding on again");
}

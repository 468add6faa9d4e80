/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>

#include "core/bytes.h"
#include "devices/cxl/dvsec.h"
#include "devices/cxl/host_bridge.h"
#include "devices/cxl/root_port.h"
#include "tests/unit/devices/pci/fixture.h"
#include "tests/unit/devices/pci/capabilities.h"

static struct pci_fixture fixture;
static struct pci_bus *bus;
static struct cxl_root_port port;
static struct pci_test_device test;
static const uint64_t bdf = PCI_BDF(0x10, 0);

static void setup(void)
{
	const struct pci_host_windows windows = {
		.memory_32 = {0xc0000000, 0x10000000},
		.memory_64 = {0x8000000000, 0x1000000000},
	};

	pci_fixture_init(&fixture);
	pci_test_device_init(&test, "gpu0");
	cr_assert_eq(pci_register_bar(&test.device, 0, PCI_BAR_MEMORY_64, true, 1 << 20,
				      &pci_test_bar_ops, &test),
		     0);
	cr_assert_eq(pci_root_add_host_bridge(fixture.machine.root, 0x10, 0x11, &bus), 0);
	cr_assert_eq(cxl_root_port_init(&port, fixture.machine.root, "cxl0", 7, false), 0);
	cr_assert_eq(cxl_root_port_add(&port, bus, 0), 0);
	cr_assert_eq(pci_bus_add(port.port.secondary, &test.device, -1), 0);
	cr_assert_eq(pci_assign_resources(bus, &windows), 0);
}

static void teardown(void)
{
	cxl_root_port_destroy(&port);
	pci_fixture_destroy(&fixture);
}

TestSuite(cxl_ports, .init = setup, .fini = teardown);

static uint64_t get(uint32_t offset, unsigned int size)
{
	return pci_fixture_read(&fixture, bdf, offset, size);
}

/* Walks the chain as a guest does. */
static uint32_t find_dvsec(uint16_t id)
{
	uint32_t offset = 0x100;

	for (unsigned int hops = 0; offset && hops < 64; hops++) {
		uint32_t header = (uint32_t)get(offset, 4);

		if ((header & 0xffff) == 0x23 && (get(offset + 4, 4) & 0xffff) == 0x1e98 &&
		    get(offset + 8, 2) == id)
			return offset;
		offset = header >> 20;
	}
	return 0;
}

Test(cxl_ports, dvsecs)
{
	static const struct {
		uint16_t id;
		uint32_t length, revision;
	} cases[] = {{3, 0x28, 0}, {4, 0x10, 0}, {7, 0x20, 2}, {8, 0x14, 0}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t offset = find_dvsec(cases[i].id);

		cr_assert_neq(offset, 0, "DVSEC %u", cases[i].id);
		cr_expect_eq(get(offset + 4, 4),
			     0x1e98 | cases[i].revision << 16 | cases[i].length << 20);
	}
	cr_assert_eq(find_dvsec(0), 0);
	cr_assert_eq(find_dvsec(5), 0);
}

Test(cxl_ports, flex_bus_says_what_the_link_carries)
{
	static struct cxl_root_port cache;
	uint32_t offset = find_dvsec(7);

	cr_assert_eq(get(offset + CXL_FLEX_BUS_CAPABILITY, 2), 0x26);
	cr_assert_eq(get(offset + CXL_FLEX_BUS_STATUS, 2), 0x26);
	pci_fixture_write(&fixture, bdf, offset + 0x0c, UINT32_MAX, 4);
	cr_assert_eq(get(offset + CXL_FLEX_BUS_STATUS, 2), 0x26);
	cr_assert_eq(cxl_root_port_init(&cache, fixture.machine.root, "cxl1", 8, true), 0);
	offset = pci_find_dvsec(cache.port.device.config, 0x1e98, 7);
	cr_assert_eq(bytes_get_le16(cache.port.device.config + offset + CXL_FLEX_BUS_STATUS), 0x27);
	cxl_root_port_destroy(&cache);
	cxl_root_port_destroy(&cache);
}

Test(cxl_ports, register_locator_leads_to_the_component_block)
{
	uint32_t offset = find_dvsec(8);
	uint64_t bar;

	cr_assert_eq(get(offset + 0x0c, 8), 0x100);
	bar = get(PCI_BASE_ADDRESS_0, 8);
	cr_assert_eq(bar & 0xf, 4, "64 bit, not prefetchable");
	bar &= ~0xfull;
	cr_assert_geq(bar, 0x8000000000);
	cr_assert_eq(pci_fixture_mmio_read(&fixture, bar + 0x1000, 4), UINT32_MAX);
	pci_fixture_write(&fixture, bdf, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	cr_assert_eq(pci_fixture_mmio_read(&fixture, bar + 0x1000, 4), 0x02110001);
	cr_assert_eq(pci_fixture_mmio_read(&fixture, bar + 0xfff8, 8), 0);
	/* Sizing says 64 KiB. */
	pci_fixture_write(&fixture, bdf, PCI_COMMAND, 0, 2);
	pci_fixture_write(&fixture, bdf, PCI_BASE_ADDRESS_0, UINT64_MAX, 8);
	cr_assert_eq(get(PCI_BASE_ADDRESS_0, 8), 0xffffffffffff0004);
}

Test(cxl_ports, secondary_bus_reset_is_masked_until_unmasked)
{
	uint32_t control = find_dvsec(3) + CXL_PORT_CONTROL;

	cr_assert_eq(get(control, 2), 0);
	pci_fixture_write(&fixture, bdf, PCI_BRIDGE_CONTROL, PCI_BRIDGE_CTL_BUS_RESET, 2);
	pci_fixture_write(&fixture, bdf, PCI_BRIDGE_CONTROL, 0, 2);
	cr_assert_eq(test.resets, 0);
	pci_fixture_write(&fixture, bdf, control, 0xffff, 2);
	cr_assert_eq(get(control, 2), 3);
	pci_fixture_write(&fixture, bdf, PCI_BRIDGE_CONTROL, PCI_BRIDGE_CTL_BUS_RESET, 2);
	pci_fixture_write(&fixture, bdf, PCI_BRIDGE_CONTROL, 0, 2);
	cr_assert_eq(test.resets, 1);
	cr_assert_eq(get(find_dvsec(3) + CXL_PORT_STATUS, 2), 1);
}

Test(cxl_ports, gpf_timeouts_are_stored)
{
	uint32_t offset = find_dvsec(4);

	cr_assert_eq(get(offset + CXL_GPF_PORT_PHASE_1, 4), 0x00010001);
	pci_fixture_write(&fixture, bdf, offset + CXL_GPF_PORT_PHASE_1, 0xffff070f, 4);
	cr_assert_eq(get(offset + CXL_GPF_PORT_PHASE_1, 4), 0x0f0f070f);
}

Test(cxl_ports, machine_reset_clears_the_registers)
{
	cxl_component_report(&port.component, 1, 1);
	pci_root_reset(fixture.machine.root);
	cr_assert_eq(cxl_component_read(&port.component, port.component.ras_offset, 4), 0);
}

Test(cxl_ports, register_locator_rejects)
{
	static const struct cxl_register_block good = {.bar = 2, .id = 1, .offset = 0x1230000};
	static const struct cxl_register_block bad_bar = {.bar = 6, .id = 1};
	static const struct cxl_register_block bad_offset = {.bar = 0, .id = 1, .offset = 0x1000};
	struct pci_test_device fresh;
	int offset;

	pci_test_device_init(&fresh, "fresh");
	cr_assert_eq(cxl_add_register_locator(&fresh.device, &good, 0), -EINVAL);
	cr_assert_eq(cxl_add_register_locator(&fresh.device, &bad_bar, 1), -EINVAL);
	cr_assert_eq(cxl_add_register_locator(&fresh.device, &bad_offset, 1), -EINVAL);
	offset = cxl_add_register_locator(&fresh.device, &good, 1);
	cr_assert_eq(offset, 0x100);
	cr_assert_eq(bytes_get_le32(fresh.device.config + 0x10c), 0x01230102);
}

Test(cxl_ports, host_bridge)
{
	static struct cxl_host_bridge bridge;
	static struct cxl_host_bridge other;
	const uint64_t base = 0xfeb00000;

	cr_assert_eq(
		cxl_host_bridge_init(&bridge, &fixture.machine.mmio, "hb0", base + 0x1000, NULL),
		-EINVAL);
	cr_assert_eq(cxl_host_bridge_init(&bridge, &fixture.machine.mmio, "hb0", base, NULL), 0);
	cr_assert_eq(cxl_host_bridge_init(&other, &fixture.machine.mmio, "hb1", base, NULL),
		     -EEXIST);
	cxl_host_bridge_destroy(&other);
	/* RAS and nothing that decodes: Linux passes through. */
	cr_assert_eq(pci_fixture_mmio_read(&fixture, base + 0x1000, 4), 0x01110001);
	cr_assert_eq(pci_fixture_mmio_read(&fixture, base + 0x1004, 4), 0x08020002);
	pci_fixture_mmio_write(&fixture, base + 0x1084, 0, 4);
	cr_assert_eq(pci_fixture_mmio_read(&fixture, base + 0x1084, 4), 0);
	cxl_host_bridge_reset(&bridge);
	cr_assert_eq(pci_fixture_mmio_read(&fixture, base + 0x1084, 4), 0x1cfff);
	cxl_host_bridge_destroy(&bridge);
	cr_assert_eq(pci_fixture_mmio_read(&fixture, base + 0x1000, 4), UINT32_MAX);
}

/* Firmware committed the device, and so the decoder above it: there after every reset, locked. */
Test(cxl_ports, host_bridge_with_a_committed_decoder)
{
	static struct cxl_host_bridge bridge;
	const struct cxl_host_bridge_range range = {.base = 0x4000000000, .size = 0x20000000};
	const uint64_t base = 0xfebf0000;
	uint64_t hdm = 0;

	cr_assert_eq(cxl_host_bridge_init(&bridge, &fixture.machine.mmio, "hb0", base, &range), 0);
	for (uint64_t entry = base + 0x1004; entry < base + 0x1010; entry += 4)
		if ((pci_fixture_mmio_read(&fixture, entry, 4) & 0xffff) == 5)
			hdm = base + 0x1000 + (pci_fixture_mmio_read(&fixture, entry, 4) >> 20);
	cr_assert_neq(hdm, 0);
	cr_assert_eq(pci_fixture_mmio_read(&fixture, hdm, 4), 0x10, "one decoder, one target");
	for (int round = 0; round < 2; round++) {
		cr_assert_eq(pci_fixture_mmio_read(&fixture, hdm + 4, 4), 0);
		cr_assert_eq(pci_fixture_mmio_read(&fixture, hdm + 0x14, 4), 0x40);
		cr_assert_eq(pci_fixture_mmio_read(&fixture, hdm + 0x18, 4), 0x20000000);
		cr_assert_eq(pci_fixture_mmio_read(&fixture, hdm + 0x20, 4), 0x700);
		cr_assert_eq(pci_fixture_mmio_read(&fixture, hdm + 0x24, 4), 0, "port 0");
		pci_fixture_mmio_write(&fixture, hdm + 0x20, 0, 4);
		cr_assert_eq(pci_fixture_mmio_read(&fixture, hdm + 0x20, 4), 0x700);
		cxl_host_bridge_reset(&bridge);
	}
	cxl_host_bridge_destroy(&bridge);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "devices/pci/assign.h"
#include "tests/unit/devices/pci/fixture.h"

#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)
#define GIB(n) ((uint64_t)(n) << 30)
#define TIB(n) ((uint64_t)(n) << 40)

/* The planner: pure. */

struct plan_case {
	const char *name;
	uint64_t sizes[8];      /* naturally aligned, 0 ends */
	uint64_t alignments[8]; /* 0: the size */
	struct pci_window window;
	int result;
	size_t failed;
	uint64_t extent; /* for granularity 1 MiB */
	uint64_t addresses[8];
};

static const struct plan_case plan_cases[] = {
	{"one", {KIB(4)}, {0}, {GIB(3), MIB(1)}, 0, 0, MIB(1), {GIB(3)}},
	{"large first, whatever the order",
	 {KIB(4), MIB(16), KIB(64)},
	 {0},
	 {GIB(3), MIB(32)},
	 0,
	 0,
	 MIB(17),
	 {GIB(3) + MIB(16) + KIB(64), GIB(3), GIB(3) + MIB(16)}},
	{"base aligned up",
	 {MIB(16)},
	 {0},
	 {GIB(3) + KIB(4), MIB(32)},
	 0,
	 0,
	 MIB(16),
	 {GIB(3) + MIB(16)}},
	{"exactly full",
	 {MIB(8), MIB(4), MIB(4)},
	 {0},
	 {MIB(16), MIB(16)},
	 0,
	 0,
	 MIB(16),
	 {MIB(16), MIB(24), MIB(28)}},
	{"one byte short", {MIB(8), MIB(8)}, {0}, {MIB(16), MIB(16) - 1}, -ENOSPC, 1, MIB(16), {0}},
	{"lost to alignment", {MIB(16)}, {0}, {MIB(8), MIB(16)}, -ENOSPC, 0, MIB(16), {0}},
	{"no window", {KIB(4)}, {0}, {0, 0}, -ENOSPC, 0, MIB(1), {0}},
	{"window wraps", {KIB(4)}, {0}, {UINT64_MAX - KIB(4), KIB(8)}, -ENOSPC, 0, MIB(1), {0}},
	{"1 TiB twice and a page",
	 {TIB(1), KIB(4), TIB(1)},
	 {0},
	 {TIB(1), TIB(3)},
	 0,
	 0,
	 TIB(2) + MIB(1),
	 {TIB(1), TIB(3), TIB(2)}},
	{"bridge window: size is no power of two",
	 {MIB(17), MIB(16)},
	 {MIB(16), MIB(16)},
	 {MIB(64), MIB(48)},
	 0,
	 0,
	 MIB(48),
	 {MIB(64), MIB(96)}},
	{"too large for the space",
	 {1ull << 63, 1ull << 63},
	 {0},
	 {0, UINT64_MAX},
	 -ENOSPC,
	 1,
	 0 /* overflow */,
	 {0}},
};

Test(pci_plan, table)
{
	for (size_t i = 0; i < sizeof(plan_cases) / sizeof(plan_cases[0]); i++) {
		const struct plan_case *c = &plan_cases[i];
		struct pci_request requests[8] = {0};
		uint64_t size, alignment;
		size_t failed = 99;
		size_t count = 0;
		int extent;

		for (; count < 8 && c->sizes[count]; count++)
			requests[count] = (struct pci_request){
				.size = c->sizes[count],
				.alignment = c->alignments[count] ? c->alignments[count]
								  : c->sizes[count],
				.tag = count,
			};
		extent = pci_plan_extent(requests, count, MIB(1), &size, &alignment);
		cr_expect_eq(extent, c->extent ? 0 : -EOVERFLOW, "%s", c->name);
		cr_expect_eq(size, c->extent, "%s: extent %#lx", c->name, size);
		cr_expect_eq(pci_plan_place(requests, count, &c->window, &failed), c->result, "%s",
			     c->name);
		if (c->result) {
			cr_expect_eq(failed, c->failed, "%s: %zu", c->name, failed);
			continue;
		}
		for (size_t j = 0; j < count; j++)
			cr_expect_eq(requests[j].address, c->addresses[requests[j].tag],
				     "%s: %zu at %#lx", c->name, requests[j].tag,
				     requests[j].address);
	}
}

/* What fits its extent always fits, without overlap, at an aligned base. */
Test(pci_plan, random)
{
	uint64_t state = 0x9e3779b97f4a7c15ull;

	for (unsigned int round = 0; round < 2000; round++) {
		struct pci_request requests[12];
		struct pci_window window;
		size_t count, failed;

		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		count = 1 + state % 12;
		for (size_t i = 0; i < count; i++) {
			state = state * 6364136223846793005ull + 1442695040888963407ull;
			requests[i] = (struct pci_request){
				.alignment = 1ull << (12 + (state >> 33) % 29),
				.tag = i,
			};
			requests[i].size = requests[i].alignment * (1 + (state >> 50) % 3);
		}
		cr_assert_eq(pci_plan_extent(requests, count, 1, &window.size, &window.base), 0);
		window.base *= 5;
		cr_assert_eq(pci_plan_place(requests, count, &window, &failed), 0);
		for (size_t i = 0; i < count; i++) {
			cr_assert_eq(requests[i].address % requests[i].alignment, 0);
			cr_assert_geq(requests[i].address, window.base);
			cr_assert_leq(requests[i].address + requests[i].size,
				      window.base + window.size);
			for (size_t j = 0; j < i; j++)
				cr_assert(requests[i].address >=
						  requests[j].address + requests[j].size ||
					  requests[j].address >=
						  requests[i].address + requests[i].size);
		}
	}
}

/* The applier. */

static struct pci_fixture fixture;
static struct pci_test_device devices[4];
static struct pci_root_port ports[3];

static void setup(void)
{
	pci_fixture_init(&fixture);
	for (unsigned int i = 0; i < 4; i++)
		pci_test_device_init(&devices[i], "dev");
	memset(ports, 0, sizeof(ports));
}

static void teardown(void)
{
	for (unsigned int i = 0; i < 3; i++)
		pci_root_port_destroy(&ports[i]);
	pci_fixture_destroy(&fixture);
}

TestSuite(pci_assign, .init = setup, .fini = teardown);

static void bar(unsigned int device, unsigned int index, enum pci_bar_kind kind, bool prefetchable,
		uint64_t size)
{
	cr_assert_eq(pci_register_bar(&devices[device].device, index, kind, prefetchable, size,
				      &pci_test_bar_ops, &devices[device]),
		     0);
}

static void add_port(unsigned int i, struct pci_bus *bus)
{
	cr_assert_eq(pci_root_port_init(&ports[i], fixture.machine.root, "rp", (uint16_t)(i + 1)),
		     0);
	cr_assert_eq(pci_root_port_add(&ports[i], bus, -1), 0);
}

static uint64_t bar_address(uint64_t bdf, unsigned int index)
{
	uint64_t low = pci_fixture_read(&fixture, bdf, PCI_BASE_ADDRESS_0 + 4 * index, 4);

	if (low & 1)
		return low & ~3ull;
	if (low & 4)
		low |= pci_fixture_read(&fixture, bdf, PCI_BASE_ADDRESS_0 + 4 * index + 4, 4) << 32;
	return low & ~0xfull;
}

static const struct pci_host_windows windows = {
	.io = {0xc000, 0x4000},
	.memory_32 = {GIB(3), MIB(512)},
	.memory_64 = {TIB(4), TIB(4)},
};

Test(pci_assign, flat_bus)
{
	struct pci_host_windows required;

	bar(0, 0, PCI_BAR_MEMORY_32, false, 16);
	bar(0, 1, PCI_BAR_IO, false, 32);
	bar(0, 4, PCI_BAR_MEMORY_64, true, KIB(16));
	bar(1, 0, PCI_BAR_MEMORY_64, false, TIB(1));
	bar(1, PCI_ROM_BAR, PCI_BAR_ROM, false, KIB(64));
	cr_assert_eq(pci_bus_add(fixture.bus, &devices[0].device, -1), 0);
	cr_assert_eq(pci_bus_add(fixture.bus, &devices[1].device, -1), 0);
	cr_assert_eq(pci_bus_required(fixture.bus, &required), 0);
	cr_assert_eq(required.io.size, 32);
	cr_assert_eq(required.io.base, 32);
	cr_assert_eq(required.memory_32.size, KIB(64) + 16);
	cr_assert_eq(required.memory_32.base, KIB(64));
	cr_assert_eq(required.memory_64.size, TIB(1) + KIB(16));
	cr_assert_eq(required.memory_64.base, TIB(1));

	cr_assert_eq(pci_assign_resources(fixture.bus, &windows), 0);
	cr_assert_eq(bar_address(PCI_BDF(0, 8), 0), GIB(3) + KIB(64));
	cr_assert_eq(bar_address(PCI_BDF(0, 8), 1), 0xc000);
	cr_assert_eq(bar_address(PCI_BDF(0, 8), 4), TIB(5));
	cr_assert_eq(bar_address(PCI_BDF(0, 0x10), 0), TIB(4));
	cr_assert_eq(pci_fixture_read(&fixture, PCI_BDF(0, 0x10), PCI_ROM_ADDRESS, 4), GIB(3));
	cr_assert_eq(pci_fixture_read(&fixture, PCI_BDF(0, 8), PCI_COMMAND, 2), 0);
	cr_assert_eq(devices[0].mapped, 0);
	/* The guest only turns decoding on. */
	pci_fixture_write(&fixture, PCI_BDF(0, 0x10), PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	cr_assert_eq(pci_fixture_mmio_read(&fixture, TIB(5) - 8, 8), TIB(1) - 8 + 0x1000);
}

Test(pci_assign, behind_root_ports)
{
	add_port(0, fixture.bus);
	add_port(1, fixture.bus);
	add_port(2, fixture.bus);
	bar(0, 0, PCI_BAR_MEMORY_64, true, GIB(1));
	bar(0, 2, PCI_BAR_MEMORY_64, false, KIB(64)); /* 32-bit window behind a bridge */
	bar(1, 0, PCI_BAR_MEMORY_32, false, MIB(2));
	bar(1, 1, PCI_BAR_IO, false, 64);
	cr_assert_eq(pci_bus_add(ports[0].secondary, &devices[0].device, -1), 0);
	cr_assert_eq(pci_bus_add(ports[1].secondary, &devices[1].device, -1), 0);
	cr_assert_eq(pci_bus_add(ports[1].secondary, &devices[2].device, 8), -ENOSPC);
	cr_assert_eq(pci_assign_resources(fixture.bus, &windows), 0);
	for (unsigned int i = 0; i < 3; i++) {
		cr_assert_eq(ports[i].device.config[PCI_PRIMARY_BUS], 0);
		cr_assert_eq(ports[i].device.config[PCI_SECONDARY_BUS], i + 1);
		cr_assert_eq(ports[i].device.config[PCI_SUBORDINATE_BUS], i + 1);
	}
	cr_assert_eq(pci_fixture_read(&fixture, PCI_BDF(1, 0), 0, 4), 0x56781234);
	cr_assert_eq(bar_address(PCI_BDF(1, 0), 0), TIB(4));
	cr_assert_eq(bar_address(PCI_BDF(1, 0), 2), GIB(3) + MIB(2));
	cr_assert_eq(bar_address(PCI_BDF(2, 0), 0), GIB(3));
	cr_assert_eq(bar_address(PCI_BDF(2, 0), 1), 0xc000);
	/* Port 0: 1 MiB below 4 GiB, 1 GiB above, no I/O. Port 2: everything closed. */
	cr_assert_eq(pci_fixture_read(&fixture, PCI_BDF(0, 8), PCI_MEMORY_BASE, 4), 0xc020c020);
	cr_assert_eq(pci_fixture_read(&fixture, PCI_BDF(0, 8), PCI_PREF_MEMORY_BASE, 4),
		     0x3ff10001);
	cr_assert_eq(pci_fixture_read(&fixture, PCI_BDF(0, 8), PCI_PREF_BASE_UPPER32, 8),
		     0x0000040000000400);
	cr_assert_eq(pci_fixture_read(&fixture, PCI_BDF(0, 8), PCI_IO_BASE, 2), 0x00f0);
	cr_assert_eq(pci_fixture_read(&fixture, PCI_BDF(0, 0x10), PCI_IO_BASE, 2), 0xc0c0);
	cr_assert_eq(pci_fixture_read(&fixture, PCI_BDF(0, 0x18), PCI_MEMORY_BASE, 4), 0x0000fff0);
	cr_assert_eq(pci_fixture_read(&fixture, PCI_BDF(0, 0x18), PCI_PREF_MEMORY_BASE, 4),
		     0x0001fff1);

	/* Decoded when both the bridge and the function decode. */
	pci_fixture_write(&fixture, PCI_BDF(1, 0), PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	cr_assert_eq(pci_fixture_mmio_read(&fixture, TIB(4), 4), UINT32_MAX);
	pci_fixture_write(&fixture, PCI_BDF(0, 8), PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	cr_assert_eq(pci_fixture_mmio_read(&fixture, TIB(4), 4), 0x1000);
	cr_assert_eq(pci_fixture_mmio_read(&fixture, GIB(3) + MIB(2) + 4, 4), 0x1004);
	cr_assert_eq(fixture.warnings, 0);
	/* A BAR moved out of its bridge's window is refused. */
	pci_fixture_write(&fixture, PCI_BDF(1, 0), PCI_BASE_ADDRESS_2, GIB(3), 4);
	cr_assert_eq(pci_fixture_mmio_read(&fixture, GIB(3) + 4, 4), UINT32_MAX);
	cr_assert_eq(fixture.warnings, 1);
	pci_fixture_write(&fixture, PCI_BDF(1, 0), PCI_BASE_ADDRESS_2, GIB(3) + MIB(2), 4);
	/* The window closes: the BAR goes; it opens: the BAR is back. */
	pci_fixture_write(&fixture, PCI_BDF(0, 8), PCI_MEMORY_BASE, 0x0000fff0, 4);
	cr_assert_eq(pci_fixture_mmio_read(&fixture, GIB(3) + MIB(2) + 4, 4), UINT32_MAX);
	pci_fixture_write(&fixture, PCI_BDF(0, 8), PCI_MEMORY_BASE, 0xc020c020, 4);
	cr_assert_eq(pci_fixture_mmio_read(&fixture, GIB(3) + MIB(2) + 4, 4), 0x1004);
}

Test(pci_assign, without_a_64_bit_window)
{
	const struct pci_host_windows narrow = {.memory_32 = {GIB(3), MIB(64)}};

	add_port(0, fixture.bus);
	bar(0, 0, PCI_BAR_MEMORY_64, true, MIB(16));
	bar(0, 2, PCI_BAR_MEMORY_32, false, KIB(4));
	cr_assert_eq(pci_bus_add(ports[0].secondary, &devices[0].device, -1), 0);
	cr_assert_eq(pci_assign_resources(fixture.bus, &narrow), 0);
	cr_assert_eq(bar_address(PCI_BDF(1, 0), 2), GIB(3));
	cr_assert_eq(bar_address(PCI_BDF(1, 0), 0), GIB(3) + MIB(16));
	pci_fixture_write(&fixture, PCI_BDF(0, 8), PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	pci_fixture_write(&fixture, PCI_BDF(1, 0), PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	cr_assert_eq(pci_fixture_mmio_read(&fixture, GIB(3) + MIB(16), 4), 0x1000);
}

Test(pci_assign, exhaustion_names_the_device_and_the_window)
{
	const struct pci_host_windows small = {.memory_32 = {GIB(3), MIB(1)},
					       .memory_64 = {GIB(4), MIB(512)}};

	devices[0].device.name = "gpu0";
	bar(0, 0, PCI_BAR_MEMORY_64, true, GIB(1));
	cr_assert_eq(pci_bus_add(fixture.bus, &devices[0].device, -1), 0);
	cr_assert_eq(pci_assign_resources(fixture.bus, &small), -ENOSPC);
	cr_assert_eq(fixture.errors, 1);
	cr_assert(strstr(fixture.last_message, "gpu0"));
	cr_assert(strstr(fixture.last_message, "64-bit memory window"));
}

Test(pci_assign, a_lack_of_ports_is_no_failure)
{
	const struct pci_host_windows no_io = {.memory_32 = {GIB(3), MIB(16)}};

	add_port(0, fixture.bus);
	bar(0, 0, PCI_BAR_IO, false, 32);
	bar(0, 1, PCI_BAR_MEMORY_32, false, KIB(4));
	cr_assert_eq(pci_bus_add(ports[0].secondary, &devices[0].device, -1), 0);
	cr_assert_eq(pci_assign_resources(fixture.bus, &no_io), 0);
	cr_assert_eq(fixture.warnings, 1);
	cr_assert_eq(fixture.errors, 0);
	cr_assert_eq(bar_address(PCI_BDF(1, 0), 0), 0);
	cr_assert_eq(bar_address(PCI_BDF(1, 0), 1), GIB(3));
	cr_assert_eq(pci_fixture_read(&fixture, PCI_BDF(0, 8), PCI_IO_BASE, 2), 0x00f0);
}

Test(pci_assign, bus_numbers_run_out)
{
	struct pci_bus *bus;

	cr_assert_eq(pci_root_add_host_bridge(fixture.machine.root, 0x10, 0x11, &bus), 0);
	add_port(0, bus);
	cr_assert_eq(pci_assign_resources(bus, &windows), 0);
	cr_assert_eq(ports[0].device.config[PCI_SECONDARY_BUS], 0x11);
	add_port(1, bus);
	cr_assert_eq(pci_assign_resources(bus, &windows), -ENOSPC);
	cr_assert_eq(fixture.errors, 1);
}

Test(pci_assign, host_bridge_ranges)
{
	struct pci_bus *bus;

	cr_assert_eq(pci_root_add_host_bridge(fixture.machine.root, 0x0f, 0x20, &bus), -EEXIST);
	cr_assert_eq(pci_root_add_host_bridge(fixture.machine.root, 0x20, 0x1f, &bus), -EINVAL);
	cr_assert_eq(pci_root_add_host_bridge(fixture.machine.root, 0x20, 0x2f, &bus), 0);
	cr_assert_eq(pci_bus_number(bus), 0x20);
	cr_assert_eq(pci_bus_add(bus, &devices[0].device, -1), 0);
	cr_assert_eq(devices[0].device.devfn, 0, "no host bridge function there");
	cr_assert_eq(pci_fixture_read(&fixture, PCI_BDF(0x20, 0), 0, 4), 0x56781234);
}

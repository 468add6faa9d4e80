/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>

#include "core/bytes.h"
#include "devices/pci/msi.h"
#include "tests/unit/devices/pci/fixture.h"
#include "tests/unit/devices/pci/capabilities.h"

#define VECTORS 70
#define BAR     0xc0000000ull
#define TABLE   BAR
#define PBA     (BAR + 0x800)

static struct pci_fixture fixture;
static struct pci_test_device test;
static const uint64_t bdf = PCI_BDF(0, 0x08);
static uint32_t control;
static unsigned int changes;
static bool live[VECTORS];

static void vector_changed(void *opaque, uint16_t vector, bool is_live)
{
	cr_assert_eq(opaque, &test);
	cr_assert_lt(vector, VECTORS);
	cr_assert_neq(live[vector], is_live);
	live[vector] = is_live;
	changes++;
}

static void setup(void)
{
	const struct pci_msix_options options = {
		.vectors = VECTORS,
		.table_bar = 1,
		.pba_bar = 1,
		.pba_offset = 0x800,
		.own_bar = true,
		.vector_changed = vector_changed,
		.opaque = &test,
	};

	pci_fixture_init(&fixture);
	pci_test_device_init(&test, "disk0");
	cr_assert_eq(pci_msix_init(&test.device, &options), 0);
	cr_assert_eq(pci_bus_add(fixture.bus, &test.device, 8), 0);
	control = pci_find_capability(test.device.config, PCI_CAP_ID_MSIX) + 2u;
	pci_fixture_write(&fixture, bdf, PCI_BASE_ADDRESS_1, BAR, 4);
	pci_fixture_write(&fixture, bdf, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
	fixture.ioctls = 0;
}

static void teardown(void)
{
	pci_bus_remove(&test.device);
	cr_assert_eq(fixture.irqfd_count, 0);
	pci_msix_destroy(&test.device);
	pci_fixture_destroy(&fixture);
}

TestSuite(pci_msix, .init = setup, .fini = teardown);

static void set_control(uint16_t value)
{
	pci_fixture_write(&fixture, bdf, control, value, 2);
}

static void write_entry(unsigned int vector, uint64_t address, uint32_t data, uint32_t mask)
{
	uint64_t entry = TABLE + 16 * vector;

	pci_fixture_mmio_write(&fixture, entry, (uint32_t)address, 4);
	pci_fixture_mmio_write(&fixture, entry + 4, address >> 32, 4);
	pci_fixture_mmio_write(&fixture, entry + 8, data, 4);
	pci_fixture_mmio_write(&fixture, entry + 12, mask, 4);
}

static void mask(unsigned int vector, bool masked)
{
	pci_fixture_mmio_write(&fixture, TABLE + 16 * vector + 12, masked, 4);
}

static bool pending(unsigned int vector)
{
	return pci_fixture_mmio_read(&fixture, PBA + vector / 64 * 8, 8) >> (vector % 64) & 1;
}

static bool counted(unsigned int vector)
{
	struct pollfd fd = {.fd = pci_msix_eventfd(&test.device, (uint16_t)vector),
			    .events = POLLIN};

	return poll(&fd, 1, 0) == 1;
}

Test(pci_msix, init_rejects)
{
	static const struct {
		struct pci_msix_options options;
		int result;
	} cases[] = {
		{{.vectors = 0, .own_bar = true, .pba_offset = 0x800}, -EINVAL},
		{{.vectors = 2049, .own_bar = true, .pba_offset = 0x10000}, -EINVAL},
		{{.vectors = 2048, .own_bar = true, .pba_offset = 0x8000}, 0},
		{{.vectors = 4, .own_bar = true, .pba_offset = 0x38}, -EINVAL}, /* overlap */
		{{.vectors = 4, .own_bar = true, .pba_offset = 0x40}, 0},
		{{.vectors = 4, .own_bar = true, .pba_offset = 0x44}, -EINVAL},
		{{.vectors = 4, .own_bar = true, .table_offset = 4, .pba_offset = 0x80}, -EINVAL},
		{{.vectors = 4, .own_bar = true, .table_bar = 6, .pba_bar = 6}, -EINVAL},
		{{.vectors = 4, .own_bar = true, .table_bar = 0, .pba_bar = 1}, -EINVAL},
		{{.vectors = 4, .own_bar = true, .pba_offset = 0xfffffff8}, -EINVAL},
		{{.vectors = 4, .pba_offset = 0x40, .capability_offset = 0x3c}, -EINVAL},
		{{.vectors = 4, .pba_offset = 0x40, .capability_offset = 0xf8}, -EINVAL},
		{{.vectors = 4, .pba_offset = 0x40, .capability_offset = 0x90}, 0},
	};
	struct pci_test_device fresh;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		pci_test_device_init(&fresh, "fresh");
		cr_expect_eq(pci_msix_init(&fresh.device, &cases[i].options), cases[i].result,
			     "case %zu", i);
		pci_msix_destroy(&fresh.device);
	}
}

Test(pci_msix, capability_and_reset_values)
{
	cr_assert_eq(pci_fixture_read(&fixture, bdf, control, 2), VECTORS - 1);
	cr_assert_eq(pci_fixture_read(&fixture, bdf, control + 2, 4), 0x001);
	cr_assert_eq(pci_fixture_read(&fixture, bdf, control + 6, 4), 0x801);
	for (unsigned int i = 0; i < VECTORS; i++) {
		cr_assert_eq(pci_fixture_mmio_read(&fixture, TABLE + 16 * i, 8), 0);
		cr_assert_eq(pci_fixture_mmio_read(&fixture, TABLE + 16 * i + 8, 8), 1ull << 32);
	}
	cr_assert_eq(fixture.ioctls, 0);
	cr_assert_not(pci_msix_enabled(&test.device));
}

Test(pci_msix, table_access_widths)
{
	pci_fixture_mmio_write(&fixture, TABLE + 16, 0xffffffffffffffff, 8);
	cr_assert_eq(pci_fixture_mmio_read(&fixture, TABLE + 16, 8), 0xfffffffffffffffc);
	pci_fixture_mmio_write(&fixture, TABLE + 24, 0xfffffffe00001234, 8);
	cr_assert_eq(pci_fixture_mmio_read(&fixture, TABLE + 24, 8), 0x1234, "only the mask bit");
	pci_fixture_mmio_write(&fixture, TABLE + 16, 0x11223344, 4);
	pci_fixture_mmio_write(&fixture, TABLE + 16, 0, 1);
	pci_fixture_mmio_write(&fixture, TABLE + 18, 0, 2);
	pci_fixture_mmio_write(&fixture, TABLE + 18, 0, 4);
	pci_fixture_mmio_write(&fixture, TABLE + 20, 0, 8);
	cr_assert_eq(pci_fixture_mmio_read(&fixture, TABLE + 16, 4), 0x11223344);
	cr_assert_eq(pci_fixture_mmio_read(&fixture, TABLE + 17, 1), 0x33);
	cr_assert_eq(pci_fixture_mmio_read(&fixture, TABLE + 18, 2), 0x1122);
	/* PBA is read-only, the gap reads 0. */
	pci_fixture_mmio_write(&fixture, PBA, UINT64_MAX, 8);
	cr_assert_eq(pci_fixture_mmio_read(&fixture, PBA, 8), 0);
	cr_assert_eq(pci_fixture_mmio_read(&fixture, TABLE + 16 * VECTORS, 8), 0);
	cr_assert_eq(pci_msix_table_read(&test.device, 16 * VECTORS, 4), UINT64_MAX);
	cr_assert_eq(pci_msix_table_read(&test.device, 16 * VECTORS - 2, 4), UINT64_MAX);
	cr_assert_eq(pci_msix_table_read(&test.device, UINT64_MAX, 4), UINT64_MAX);
	cr_assert_eq(pci_msix_pba_read(&test.device, 16, 1), UINT64_MAX);
	pci_msix_table_write(&test.device, UINT64_MAX - 3, 0, 4);
	pci_msix_table_write(&test.device, 16 * VECTORS, 0, 8);
}

Test(pci_msix, live_when_enabled_and_unmasked)
{
	int fd = pci_msix_eventfd(&test.device, 3);
	int gsi;

	cr_assert_geq(fd, 0);
	cr_assert_eq(pci_msix_eventfd(&test.device, 3), fd);
	cr_assert_eq(pci_msix_eventfd(&test.device, VECTORS), -EINVAL);
	write_entry(3, 0xfee01000, 0x31, 0);
	cr_assert_eq(fixture.ioctls, 0, "not enabled yet");
	set_control(PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	cr_assert(pci_msix_enabled(&test.device));
	cr_assert_eq(fixture.ioctls, 0, "all masked");
	set_control(PCI_MSIX_FLAGS_ENABLE);
	gsi = pci_fixture_gsi_of(&fixture, fd);
	cr_assert_geq(gsi, 24);
	cr_assert_eq(fixture.route_address[gsi], 0xfee01000);
	cr_assert_eq(fixture.route_data[gsi], 0x31);
	cr_assert_eq(fixture.ioctls, 2, "one routing table, one irqfd");
	cr_assert(live[3]);
	cr_assert_eq(changes, 1);

	mask(3, true);
	cr_assert_eq(pci_fixture_gsi_of(&fixture, fd), -1);
	cr_assert_eq(fixture.ioctls, 3);
	mask(3, false);
	cr_assert_eq(pci_fixture_gsi_of(&fixture, fd), gsi, "route and GSI were kept");
	cr_assert_eq(fixture.ioctls, 4);
	mask(3, false);
	cr_assert_eq(fixture.ioctls, 4, "no change, no call");

	set_control(PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	cr_assert_eq(pci_fixture_gsi_of(&fixture, fd), -1);
	set_control(PCI_MSIX_FLAGS_ENABLE);
	cr_assert_eq(pci_fixture_gsi_of(&fixture, fd), gsi);
	set_control(0);
	cr_assert_eq(pci_fixture_gsi_of(&fixture, fd), -1);
	cr_assert_not(pci_msix_enabled(&test.device));
	cr_assert_eq(changes, 6);
}

Test(pci_msix, many_vectors_share_one_routing_call)
{
	for (unsigned int i = 0; i < VECTORS; i++)
		write_entry(i, 0xfee00000, 0x40 + i, 0);
	set_control(PCI_MSIX_FLAGS_ENABLE);
	cr_assert_eq(fixture.irqfd_count, VECTORS);
	cr_assert_eq(fixture.ioctls, VECTORS + 1);
	for (unsigned int i = 0; i < VECTORS; i++) {
		int gsi = pci_fixture_gsi_of(&fixture, pci_msix_eventfd(&test.device, (uint16_t)i));

		cr_assert_geq(gsi, 24);
		cr_assert_eq(fixture.route_data[gsi], 0x40 + i);
	}
}

Test(pci_msix, rerouted_while_unmasked)
{
	int gsi;

	set_control(PCI_MSIX_FLAGS_ENABLE);
	write_entry(0, 0xfee00000, 0x50, 0);
	gsi = pci_fixture_gsi_of(&fixture, pci_msix_eventfd(&test.device, 0));
	pci_fixture_mmio_write(&fixture, TABLE + 8, 0x51, 4);
	cr_assert_eq(fixture.route_data[gsi], 0x51);
	pci_fixture_mmio_write(&fixture, TABLE, 0x1fee02000, 8);
	cr_assert_eq(fixture.route_address[gsi], 0x1fee02000);
	cr_assert_eq(pci_fixture_gsi_of(&fixture, pci_msix_eventfd(&test.device, 0)), gsi);
	/* Data and mask in one quadword. */
	pci_fixture_mmio_write(&fixture, TABLE + 8, 1ull << 32 | 0x52, 8);
	cr_assert_eq(fixture.irqfd_count, 0);
	pci_fixture_mmio_write(&fixture, TABLE + 8, 0x53, 8);
	cr_assert_eq(fixture.route_data[gsi], 0x53);
	cr_assert_eq(fixture.irqfd_count, 1);
}

/* Masking loses nothing, and an interrupt that was missed is delivered once. */
Test(pci_msix, pending_while_masked)
{
	cr_assert_not(pending(65));
	write_entry(65, 0xfee00000, 0x60, 0);
	set_control(PCI_MSIX_FLAGS_ENABLE);
	pci_msix_notify(&test.device, 65);
	cr_assert(counted(65), "the fake KVM takes nothing");
	cr_assert_not(pending(65), "live vectors are never pending");
	eventfd_read(pci_msix_eventfd(&test.device, 65), &(eventfd_t){0});

	mask(65, true);
	cr_assert_not(pending(65));
	pci_msix_notify(&test.device, 65);
	pci_msix_notify(&test.device, 65);
	cr_assert(pending(65));
	cr_assert_eq(pci_fixture_mmio_read(&fixture, PBA + 8, 4), 2);
	cr_assert_eq(pci_fixture_mmio_read(&fixture, PBA + 8, 1), 2);
	cr_assert_eq(pci_fixture_mmio_read(&fixture, PBA, 8), 0);
	mask(65, false);
	cr_assert_eq(fixture.irqfd_count, 1, "KVM sees the count when it attaches");
	cr_assert_not(counted(65), "and it is not delivered again");
	mask(65, true);
	cr_assert_not(pending(65));
}

Test(pci_msix, notify_out_of_range_is_ignored)
{
	pci_msix_notify(&test.device, VECTORS);
	pci_msix_notify(&test.device, UINT16_MAX);
	cr_assert_eq(fixture.errors + fixture.warnings, 0);
}

Test(pci_msix, failure_keeps_it_pending)
{
	write_entry(1, 0xfee00000, 0x61, 0);
	pci_msix_notify(&test.device, 1);
	fixture.fail_irqfd = ENOMEM;
	set_control(PCI_MSIX_FLAGS_ENABLE);
	cr_assert_eq(fixture.irqfd_count, 0);
	cr_assert_eq(fixture.warnings, 1);
	cr_assert(pending(1));
	mask(1, true);
	mask(1, false);
	cr_assert_eq(fixture.irqfd_count, 1);
	cr_assert_not(pending(1));
}

Test(pci_msix, reset)
{
	int fd = pci_msix_eventfd(&test.device, 2);
	uint32_t gsi;

	write_entry(2, 0xfee00000, 0x62, 0);
	set_control(PCI_MSIX_FLAGS_ENABLE);
	write_entry(4, 0xfee00000, 0x64, 1);
	pci_msix_notify(&test.device, 4);
	pci_root_lock(fixture.machine.root);
	pci_device_reset(&test.device, PCI_RESET_FUNCTION);
	pci_root_unlock(fixture.machine.root);
	cr_assert_eq(fixture.irqfd_count, 0);
	cr_assert_not(live[2]);
	cr_assert_not(pci_msix_enabled(&test.device));
	cr_assert_eq(pci_fixture_read(&fixture, bdf, control, 2), VECTORS - 1);
	cr_assert_eq(pci_msix_table_read(&test.device, 32, 8), 0);
	cr_assert_eq(pci_msix_table_read(&test.device, 40, 8), 1ull << 32);
	cr_assert_eq(pci_msix_pba_read(&test.device, 0, 8), 0);
	cr_assert_eq(pci_msix_eventfd(&test.device, 2), fd, "handed out fds stay valid");
	/* The GSI is free again. */
	cr_assert_eq(irq_alloc_gsi(fixture.machine.irq, &gsi), 0);
	cr_assert_eq(gsi, 24);
}

/* The state machine against a model: live exactly when enabled, not function-masked, unmasked. */
Test(pci_msix, random_walk)
{
	bool enabled = false, all = false, masked[VECTORS], count[VECTORS] = {0};
	uint32_t data[VECTORS] = {0};
	uint64_t state = 0x123456789abcdefull;

	for (unsigned int i = 0; i < VECTORS; i++)
		masked[i] = true;
	for (unsigned int step = 0; step < 20000; step++) {
		unsigned int vector;

		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		vector = (unsigned int)(state >> 20) % VECTORS;
		switch (state >> 8 & 7) {
		case 0:
			enabled = state >> 40 & 1;
			all = state >> 41 & 1;
			set_control((uint16_t)((enabled ? PCI_MSIX_FLAGS_ENABLE : 0) |
					       (all ? PCI_MSIX_FLAGS_MASKALL : 0)));
			break;
		case 1:
		case 2:
		case 3:
			masked[vector] = state >> 40 & 1;
			mask(vector, masked[vector]);
			break;
		case 4:
			data[vector] = state >> 40 & 0xff;
			pci_fixture_mmio_write(&fixture, TABLE + 16 * vector + 8, data[vector], 4);
			break;
		default:
			pci_msix_notify(&test.device, (uint16_t)vector);
			count[vector] = true;
			break;
		}
		for (unsigned int i = 0; i < VECTORS; i++) {
			bool is_live = enabled && !all && !masked[i];

			cr_assert_eq(live[i], is_live, "step %u vector %u", step, i);
			if (!is_live)
				continue;
			/* What KVM would have taken by now. */
			if (count[i])
				eventfd_read(pci_msix_eventfd(&test.device, (uint16_t)i),
					     &(eventfd_t){0});
			count[i] = false;
		}
		cr_assert_eq(pending(vector), count[vector], "step %u vector %u", step, vector);
		if (live[vector]) {
			int gsi = pci_fixture_gsi_of(
				&fixture, pci_msix_eventfd(&test.device, (uint16_t)vector));

			cr_assert_geq(gsi, 24);
			cr_assert_eq(fixture.route_data[gsi], data[vector]);
		}
	}
}

/* MSI */

static struct pci_test_device msi;
static uint32_t msi_capability;

static void msi_setup(void)
{
	const struct pci_msi_options options = {.vectors = 8, .address_64 = true, .maskable = true};

	pci_fixture_init(&fixture);
	pci_test_device_init(&msi, "msi0");
	cr_assert_eq(pci_msi_init(&msi.device, &options), 0);
	cr_assert_eq(pci_bus_add(fixture.bus, &msi.device, 8), 0);
	msi_capability = pci_find_capability(msi.device.config, PCI_CAP_ID_MSI);
	fixture.ioctls = 0;
}

static void msi_teardown(void)
{
	pci_bus_remove(&msi.device);
	cr_assert_eq(fixture.irqfd_count, 0);
	pci_msi_destroy(&msi.device);
	pci_fixture_destroy(&fixture);
}

TestSuite(pci_msi, .init = msi_setup, .fini = msi_teardown);

Test(pci_msi, layouts)
{
	static const struct {
		struct pci_msi_options options;
		int result;
		uint16_t flags;
	} cases[] = {
		{{.vectors = 0}, -EINVAL, 0},
		{{.vectors = 3}, -EINVAL, 0},
		{{.vectors = 64}, -EINVAL, 0},
		{{.vectors = 1, .capability_offset = 0x42}, -EINVAL, 0},
		{{.vectors = 1, .capability_offset = 0xf8}, -EINVAL, 0},
		{{.vectors = 1}, 0, 0x0000},
		{{.vectors = 32, .address_64 = true}, 0, 0x008a},
		{{.vectors = 16, .address_64 = true, .maskable = true}, 0, 0x0188},
		{{.vectors = 2, .maskable = true, .capability_offset = 0x50}, 0, 0x0102},
	};
	struct pci_test_device fresh;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t at = cases[i].options.capability_offset;

		pci_test_device_init(&fresh, "fresh");
		cr_expect_eq(pci_msi_init(&fresh.device, &cases[i].options), cases[i].result,
			     "case %zu", i);
		if (cases[i].result)
			continue;
		if (!at)
			at = pci_find_capability(fresh.device.config, PCI_CAP_ID_MSI);
		cr_expect_eq(bytes_get_le16(fresh.device.config + at + 2), cases[i].flags,
			     "case %zu", i);
		pci_msi_destroy(&fresh.device);
	}
}

Test(pci_msi, vectors_masking_and_pending)
{
	int fd = pci_msi_eventfd(&msi.device, 3);

	cr_assert_eq(pci_msi_eventfd(&msi.device, 8), -EINVAL);
	pci_fixture_write(&fixture, bdf, msi_capability + PCI_MSI_ADDRESS_LO, 0xfee03003, 4);
	cr_assert_eq(pci_fixture_read(&fixture, bdf, msi_capability + 4, 4), 0xfee03000);
	pci_fixture_write(&fixture, bdf, msi_capability + PCI_MSI_ADDRESS_HI, 1, 4);
	pci_fixture_write(&fixture, bdf, msi_capability + PCI_MSI_DATA_64, 0x4047, 2);
	cr_assert_eq(fixture.ioctls, 0);
	/* Four of the eight, vector 1 masked. */
	pci_fixture_write(&fixture, bdf, msi_capability + PCI_MSI_MASK_64, 0xffffff02, 4);
	cr_assert_eq(pci_fixture_read(&fixture, bdf, msi_capability + PCI_MSI_MASK_64, 4), 2);
	pci_fixture_write(&fixture, bdf, msi_capability + PCI_MSI_FLAGS,
			  PCI_MSI_FLAGS_ENABLE | 2 << 4, 2);
	cr_assert_eq(pci_msi_enabled_vectors(&msi.device), 4);
	cr_assert_eq(fixture.irqfd_count, 3);
	cr_assert_eq(fixture.route_address[pci_fixture_gsi_of(&fixture, fd)], 0x1fee03000);
	cr_assert_eq(fixture.route_data[pci_fixture_gsi_of(&fixture, fd)], 0x4047);
	cr_assert_eq(
		fixture.route_data[pci_fixture_gsi_of(&fixture, pci_msi_eventfd(&msi.device, 0))],
		0x4044);
	pci_msi_notify(&msi.device, 1);
	pci_msi_notify(&msi.device, 9);
	cr_assert_eq(pci_fixture_read(&fixture, bdf, msi_capability + PCI_MSI_PENDING_64, 4), 2);
	cr_assert_eq(pci_fixture_read(&fixture, bdf, msi_capability + PCI_MSI_PENDING_64, 1), 2);
	cr_assert_eq(pci_fixture_read(&fixture, bdf, msi_capability + PCI_MSI_PENDING_64 + 1, 1),
		     0);
	pci_fixture_write(&fixture, bdf, msi_capability + PCI_MSI_MASK_64, 0, 1);
	cr_assert_eq(fixture.irqfd_count, 4);
	cr_assert_eq(pci_fixture_read(&fixture, bdf, msi_capability + PCI_MSI_PENDING_64, 4), 0);
	/* More than offered is cut. */
	pci_fixture_write(&fixture, bdf, msi_capability + PCI_MSI_FLAGS,
			  PCI_MSI_FLAGS_ENABLE | 7 << 4, 2);
	cr_assert_eq(pci_msi_enabled_vectors(&msi.device), 8);
	pci_fixture_write(&fixture, bdf, msi_capability + PCI_MSI_FLAGS, 0, 2);
	cr_assert_eq(fixture.irqfd_count, 0);
	cr_assert_eq(pci_msi_enabled_vectors(&msi.device), 0);
}

/* A vfio-user server shares the vector's eventfd, and so its O_NONBLOCK. */
Test(pci_msix, an_eventfd_that_blocks_stops_nobody, .timeout = 10)
{
	int fd = pci_msix_eventfd(&test.device, 0);

	cr_assert_geq(fd, 0);
	set_control(PCI_MSIX_FLAGS_ENABLE);
	cr_assert_eq(fcntl(fd, F_SETFL, 0), 0);
	write_entry(0, 0xfee00000, 0x41, 0);
	cr_expect(live[0]);
	mask(0, true);
	cr_expect_not(live[0]);
	mask(0, false);
	cr_expect(live[0]);
	/* The count is still taken: it would be injected again. */
	mask(0, true);
	cr_assert_eq(eventfd_write(fd, 1), 0);
	cr_expect(pending(0));
	mask(0, false);
	cr_expect_not(counted(0));
	pci_msix_reset(&test.device);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/bytes.h"
#include "core/clock.h"
#include "devices/pci/msix.h"
#include "fake_transport.h"
#include "tests/unit/devices/pci/small_machine.h"
#include "tests/unit/passthrough/transport/info_image.h"
#include "passthrough/device/internal.h"
#include "tests/unit/devices/pci/capabilities.h"

#define BAR0   0x800000000ull
#define BAR2   0xc0000000u
#define WINDOW 0x400000000ull

static struct fake_transport fake;
static struct small_machine machine;
static struct pci_bus *bus;
static struct passthrough_device *device;
static struct passthrough_options options = PASSTHROUGH_OPTIONS_INIT;
static unsigned int lost_told;
static const char *lost_reason;
static unsigned int error_lines, warning_lines;

static void on_log(void *opaque, enum log_level level, const char *object, const char *message)
{
	(void)opaque;
	(void)object;
	(void)message;
	if (level == LOG_LEVEL_ERROR)
		error_lines++;
	if (level == LOG_LEVEL_WARNING)
		warning_lines++;
}

static const struct logger logger = {.callback = on_log, .level = LOG_LEVEL_DEBUG};

static void on_lost(void *opaque, struct passthrough_device *lost, const char *reason)
{
	(void)opaque;
	cr_assert_eq(lost, device);
	cr_assert_not_null(reason);
	lost_told++;
	lost_reason = reason;
}

static void machine_up(void)
{
	const struct small_machine_options small = {.ram = 0x200000, .shared = true};

	small_machine_up(&machine, &small);
	cr_assert_eq(pci_root_add_host_bridge(machine.root, 0x80, 0x81, &bus), 0);
	options.id = "gpu0";
}

static void machine_down(void)
{
	passthrough_detach(device);
	device = NULL;
	small_machine_down(&machine);
	fake_free(&fake);
}

static int connect_device(void)
{
	struct passthrough_environment environment = {.logger = &logger,
						      .memory = machine.memory,
						      .irq = machine.irq,
						      .mmio = &machine.mmio,
						      .lost = on_lost};

	return passthrough_adopt(&options, &environment, &fake.transport, &device);
}

static int plug(void)
{
	struct passthrough_place place = {.bus = bus,
					  .devfn = 0,
					  .window_base = WINDOW,
					  .window_size =
						  passthrough_get_facts(device)->window_size};

	return passthrough_plug(device, &place);
}

static void up(void)
{
	machine_up();
	fake_start(&fake);
	cr_assert_eq(connect_device(), 0);
	cr_assert_eq(plug(), 0);
}

static uint32_t config_read(uint32_t offset, unsigned int size)
{
	return (uint32_t)pci_ecam_read(machine.root, (0x80ull << 20) + offset, size);
}

static void config_write(uint32_t offset, uint32_t value, unsigned int size)
{
	pci_ecam_write(machine.root, (0x80ull << 20) + offset, value, size);
}

static void place_bars(void)
{
	config_write(0x10, (uint32_t)BAR0, 4);
	config_write(0x14, (uint32_t)(BAR0 >> 32), 4);
	config_write(0x18, BAR2, 4);
	config_write(PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
}

static uint64_t mmio_read(uint64_t address, unsigned int size)
{
	uint64_t value = 0;

	bus_read(&machine.mmio, address, &value, size);
	return value;
}

static void mmio_write(uint64_t address, uint64_t value, unsigned int size)
{
	bus_write(&machine.mmio, address, &value, size);
}

struct found {
	unsigned int registers, dpa;
	uint64_t gpa[16], size[16];
	void *host[16];
	unsigned int count;
};

static void on_window(void *opaque, const struct guest_window *window)
{
	struct found *found = opaque;

	found->registers += window->kind == GUEST_WINDOW_REGISTERS;
	found->dpa += window->kind == GUEST_WINDOW_DPA;
	found->gpa[found->count] = window->gpa;
	found->size[found->count] = window->size;
	found->host[found->count++] = window->host;
}

static struct found windows(void)
{
	struct found found = {0};

	guest_memory_visit_windows(machine.memory, on_window, &found);
	return found;
}

#define HDM_GPA (BAR0 + 0x100000 + device->cxl->component.hdm_offset)
#define RAS_GPA (BAR0 + 0x100000 + device->cxl->component.ras_offset)

Test(passthrough, facts_of_an_odd_sized_device_with_ten_decoders)
{
	const struct passthrough_facts *facts;

	fake_init(&fake);
	fake.dpa_size = 0x2F00F00000;
	fake.decoder_code = 5;
	machine_up();
	fake_start(&fake);
	cr_assert_eq(connect_device(), 0);
	facts = passthrough_get_facts(device);
	cr_expect(facts->cxl && facts->firmware_committed && facts->cache_capable);
	cr_expect_eq(facts->dpa_size, 0x2F00F00000u);
	cr_expect_eq(facts->window_size, 0x2F10000000u);
	cr_expect_eq(facts->window_align, 0x40000000u);
	cr_expect_eq(facts->decoders, 10u);
	cr_expect_eq(facts->class_code, 0x030200u);
	cr_expect_eq(facts->window_restrictions, 0x15u);
	cr_assert_eq(plug(), 0);
	struct found found = windows();
	cr_expect_eq(found.dpa, 1u);
	cr_expect_eq(found.gpa[0], WINDOW);
	cr_expect_eq(found.size[0], 0x2F00F00000u, "what the device has, not what the window has");
	cr_expect_eq((uint64_t)(uintptr_t)found.host[0] % 0x40000000, 0u, "1 GiB pages fit");
	machine_down();
}

static void check_topology(uint64_t block, int contract, unsigned int direct)
{
	fake_init(&fake);
	fake.block_offset = block;
	fake.contract = contract;
	up();
	place_bars();
	struct found found = windows();
	cr_expect_eq(found.registers, direct, "block %lx contract %d", (long)block, contract);
	cr_expect_eq(found.dpa, 1u);
	/* The capability array is served by the VMM wherever the block is. */
	cr_expect_eq(mmio_read(BAR0 + block + 0x1000, 4) & 0xffff, 1u);
	cr_expect_eq(mmio_read(BAR0 + block + 0xf000, 4), 0u);
	uint32_t reads = fake.calls[FAKE_READ];
	mmio_read(BAR0 + block + 0x1000, 4);
	cr_expect_eq(fake.calls[FAKE_READ], reads, "the device is not asked");
	machine_down();
}

Test(passthrough, topologies_and_contracts)
{
	static const int contracts[] = {2, 3, 0};

	for (int i = 0; i < 3; i++) {
		check_topology(0, contracts[i], 1);
		check_topology(0x100000, contracts[i], 2);
		check_topology(0x1f0000, contracts[i], 1);
	}
}

Test(passthrough, firmware_committed_decoder_is_locked_at_the_window)
{
	fake_init(&fake);
	up();
	place_bars();
	cr_expect_eq(mmio_read(HDM_GPA + 4, 4) & 2, 2u, "global enable");
	cr_expect_eq(mmio_read(HDM_GPA + 0x20, 4) & 0x700, 0x700u, "locked, commit, committed");
	cr_expect_eq(mmio_read(HDM_GPA + 0x10, 4), (uint32_t)WINDOW);
	cr_expect_eq(mmio_read(HDM_GPA + 0x14, 4), WINDOW >> 32);
	cr_expect_eq(mmio_read(HDM_GPA + 0x18, 4), 0x10000000u);
	/* Locked: nothing changes it. */
	mmio_write(HDM_GPA + 0x20, 0, 4);
	cr_expect_eq(windows().dpa, 1u);
	/* The device DVSEC says the same, and never the host's address. */
	cr_expect_eq(config_read(0x10c, 2) & 6, 6u);
	cr_expect_eq(config_read(0x120, 4), WINDOW >> 32);
	cr_expect_eq(config_read(0x124, 4), (uint32_t)WINDOW);
	cr_expect_eq(config_read(0x11c, 4) & 3, 3u);
	/* Byte-wise, and at the seam between header and body. */
	cr_expect_eq(config_read(0x108, 4) >> 16, config_read(0x10a, 2));
	config_write(0x114, 1, 1);
	config_write(0x10d, 0x08, 1);
	cr_expect_eq(config_read(0x10d, 1) & 8, 0u, "locked");
	machine_down();
}

/* memory=node: committed and locked whatever the host's firmware did; reached by emulated devices
 * when it cannot vanish. */
Test(passthrough, memory_of_the_page_allocator)
{
	for (int sealed = 0; sealed < 2; sealed++) {
		fake_init(&fake);
		fake.committed = false;
		options.memory = PASSTHROUGH_MEMORY_NODE;
		warning_lines = 0;
		machine_up();
		fake_start(&fake);
		if (sealed)
			cr_assert_eq(fcntl(fake.memory, F_ADD_SEALS, F_SEAL_SHRINK), 0);
		cr_assert_eq(connect_device(), 0);
		cr_expect(passthrough_get_facts(device)->firmware_committed);
		cr_assert_eq(plug(), 0);
		place_bars();
		cr_expect_eq(windows().dpa, 1u);
		cr_expect_eq(mmio_read(HDM_GPA + 0x20, 4) & 0x700, 0x700u);
		cr_expect_eq(warning_lines, sealed ? 0u : 1u);
		cr_expect_eq(guest_memory_at(machine.memory, WINDOW + 0x1000, 16),
			     sealed ? (uint8_t *)windows().host[0] + 0x1000 : NULL);
		machine_down();
	}
	options.memory = PASSTHROUGH_MEMORY_CXL;
}

Test(passthrough, guest_commits_and_decommits)
{
	fake_init(&fake);
	fake.committed = false;
	fake.host_only = true;
	fake.decoder_code = 1;
	fake.dpa_size = 0x40000000;
	up();
	place_bars();
	cr_expect_eq(windows().dpa, 0u);
	cr_expect_eq(config_read(0x10c, 2) & 4, 0u, "Mem_Enable is the guest's");
	mmio_write(HDM_GPA + 4, 2, 4);
	for (unsigned int n = 0; n < 2; n++) {
		uint64_t decoder = HDM_GPA + 0x10 + 0x20 * n;

		mmio_write(decoder, (uint32_t)WINDOW + n * 0x20000000, 4);
		mmio_write(decoder + 4, WINDOW >> 32, 4);
		mmio_write(decoder + 8, 0x20000000, 4);
		unsigned int maps = fake.calls[FAKE_DMA_MAP];
		mmio_write(decoder + 16, 0x1200, 4);
		cr_assert_eq(mmio_read(decoder + 16, 4) & 0xc00, 0x400u, "decoder %u committed", n);
		cr_expect_eq(fake.calls[FAKE_DMA_MAP], maps + 1, "one DMA map per commit");
	}
	struct found found = windows();
	cr_expect_eq(found.dpa, 2u);
	cr_expect_eq((uint8_t *)found.host[1] - (uint8_t *)found.host[0], 0x20000000,
		     "decoder 1 continues where decoder 0 ends");
	/* Backwards only. */
	mmio_write(HDM_GPA + 0x40, 0x1000, 4);
	cr_expect_eq(windows().dpa, 1u);
	mmio_write(HDM_GPA + 0x20, 0x1000, 4);
	cr_expect_eq(windows().dpa, 0u);
	/* Outside of the window: refused. */
	mmio_write(HDM_GPA + 0x14, (WINDOW >> 32) + 1, 4);
	mmio_write(HDM_GPA + 0x20, 0x1200, 4);
	cr_expect_eq(mmio_read(HDM_GPA + 0x20, 4) & 0xc00, 0x800u, "ERROR_NOT_COMMITTED");
	struct passthrough_counters counters;
	passthrough_get_counters(device, &counters);
	cr_expect_eq(counters.commits, 2u);
	machine_down();
}

Test(passthrough, bars_follow_relocation_and_memory_enable)
{
	fake_init(&fake);
	up();
	cr_expect_eq(windows().registers, 0u);
	place_bars();
	cr_expect_eq(windows().registers, 2u);
	cr_expect_eq(windows().gpa[1], BAR0);
	config_write(0x14, 0x9, 4);
	cr_expect_eq(windows().gpa[1], 0x900000000u);
	cr_expect_eq(mmio_read(0x900101000, 4) & 0xffff, 1u);
	cr_expect_eq(mmio_read(BAR0 + 0x101000, 4), 0xffffffffu);
	config_write(PCI_COMMAND, 0, 2);
	cr_expect_eq(windows().registers, 0u);
	cr_expect_eq(windows().dpa, 1u, "the decoder does not care about Memory Space");
	cr_expect_eq(mmio_read(0x900101000, 4), 0xffffffffu);
	cr_expect_eq(bytes_get_le16(fake.config + PCI_COMMAND), 0, "the device is told");
	config_write(PCI_COMMAND, 2, 2);
	cr_expect_eq(windows().registers, 2u);
	cr_expect_eq(bytes_get_le16(fake.config + PCI_COMMAND), 2);
	/* Over RAM: not mapped, all-ones, no harm. */
	config_write(0x10, 0, 4);
	config_write(0x14, 0, 4);
	cr_expect_eq(windows().registers, 0u);
	/* Over its own DPA window: refused too, and everything is undone. */
	config_write(0x14, WINDOW >> 32, 4);
	cr_expect_eq(windows().registers, 0u);
	cr_expect_eq(windows().dpa, 1u);
	machine_down();
}

Test(passthrough, forwarded_accesses_reach_the_device_at_every_width)
{
	fake_init(&fake);
	up();
	place_bars();
	bytes_put_le64(fake.bar2 + 0x100, 0x1122334455667788);
	cr_expect_eq(mmio_read(BAR2 + 0x100, 8), 0x1122334455667788u);
	cr_expect_eq(mmio_read(BAR2 + 0x100, 1), 0x88u);
	cr_expect_eq(mmio_read(BAR2 + 0x102, 2), 0x5566u);
	mmio_write(BAR2 + 0x104, 0xaabbccdd, 4);
	cr_expect_eq(mmio_read(BAR2 + 0x104, 4), 0xaabbccddu);
	/* Behind the MSI-X table, in the same page. */
	bytes_put_le32(fake.bar2 + 0x1080, 0x77);
	cr_expect_eq(mmio_read(BAR2 + 0x1080, 4), 0x77u);
	fake.fail[FAKE_READ] = -EIO;
	cr_expect_eq(mmio_read(BAR2 + 0x100, 4), 0xffffffffu);
	fake.fail[FAKE_READ] = 0;
	struct passthrough_counters counters;
	passthrough_get_counters(device, &counters);
	cr_expect_eq(counters.forwarded_reads, 6u);
	cr_expect_eq(counters.forwarded_writes, 1u);
	machine_down();
}

Test(passthrough, msix_vectors_are_armed_at_once_and_masked_ones_stay_pending)
{
	fake_init(&fake);
	up();
	place_bars();
	cr_expect_eq(mmio_read(BAR2 + 0x100c, 4), 1u, "masked after reset");
	fake.calls[FAKE_IRQS] = 0;
	config_write(0x82, PCI_MSIX_FLAGS_ENABLE, 2);
	cr_assert_eq(fake.calls[FAKE_IRQS], 1u, "all vectors in one call");
	cr_assert_eq(fake.irq_index, (uint32_t)VFIO_PCI_MSIX_IRQ_INDEX);
	cr_assert_eq(fake.irq_count, 8u);
	cr_assert_eq(fake.irq_fds[3], pci_msix_eventfd(&device->pci, 3));
	/* The device signals while the vector is masked: pending, not lost. */
	uint64_t one = 1;
	cr_assert_eq(write(fake.irq_fds[3], &one, 8), 8);
	cr_expect_eq(mmio_read(BAR2 + 0x2000, 8), 8u);
	mmio_write(BAR2 + 0x1030, 0xfee00000, 4);
	mmio_write(BAR2 + 0x1038, 0x31, 4);
	mmio_write(BAR2 + 0x103c, 0, 4);
	cr_expect_eq(mmio_read(BAR2 + 0x1038, 4), 0x31u);
	cr_assert_eq(fake.calls[FAKE_IRQS], 1u, "masking is not the device's business");
	config_write(0x82, 0, 2);
	cr_expect_eq(fake.calls[FAKE_IRQS], 2u);
	cr_expect_eq(fake.irq_count, 0u);
	machine_down();
}

Test(passthrough, msix_hidden_when_it_cannot_be_signalled)
{
	fake_init(&fake);
	machine_up();
	fake_start(&fake);
	cr_assert_eq(connect_device(), 0);
	fake.vectors = 4;
	cr_assert_eq(plug(), 0);
	cr_expect_eq(pci_find_capability(device->pci.config, PCI_CAP_ID_MSIX), 0);
	cr_expect_eq(pci_find_capability(device->pci.config, PCI_CAP_ID_EXP), 0x40);
	machine_down();
}

Test(passthrough, intx_until_msix)
{
	fake_init(&fake);
	fake.pin = 2;
	up();
	cr_expect_eq(config_read(PCI_INTERRUPT_PIN, 1), 1u);
	unsigned int questions = fake.questions;
	place_bars();
	cr_expect_eq(fake.questions, questions, "the sandbox lets nobody ask while the guest runs");
	cr_expect_eq(device->irq_mode, PASSTHROUGH_IRQ_INTX);
	cr_expect_eq(fake.irq_index, (uint32_t)VFIO_PCI_INTX_IRQ_INDEX);
	cr_expect_eq(fake.irq_flags,
		     (uint32_t)(VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK));
	config_write(PCI_COMMAND, 2 | PCI_COMMAND_INTX_DISABLE, 2);
	cr_expect_eq(device->irq_mode, PASSTHROUGH_IRQ_NONE);
	config_write(PCI_COMMAND, 2, 2);
	config_write(0x82, PCI_MSIX_FLAGS_ENABLE, 2);
	cr_expect_eq(device->irq_mode, PASSTHROUGH_IRQ_MSIX);
	machine_down();
}

/* So that a hot reset of another function knows whether it would hit a driver at work. */
Test(passthrough, a_device_that_masters_the_bus_is_busy)
{
	fake_init(&fake);
	up();
	cr_expect_not(fake.transport.busy);
	config_write(PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	cr_expect_not(fake.transport.busy);
	config_write(PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
	cr_expect(fake.transport.busy);
	config_write(PCI_COMMAND, 0, 2);
	cr_expect_not(fake.transport.busy);
	config_write(PCI_COMMAND, PCI_COMMAND_MASTER, 2);
	device->pci.ops->reset(&device->pci, PCI_RESET_FUNCTION);
	cr_expect_not(fake.transport.busy);
	machine_down();
}

Test(passthrough, dma_map_holds_ram_windows_and_dpa_by_policy)
{
	fake_init(&fake);
	up();
	cr_expect_eq(fake.dma_count, 2u, "RAM and DPA");
	cr_expect(!fake.dma[0].device_memory && fake.dma[0].size == 0x200000);
	cr_expect(fake.dma[1].device_memory && fake.dma[1].address == WINDOW);
	place_bars();
	cr_expect_eq(fake.dma_count, 4u);
	config_write(PCI_COMMAND, 0, 2);
	cr_expect_eq(fake.dma_count, 2u);
	machine_down();
	cr_expect_eq(fake.dma_count, 0u);

	fake_init(&fake);
	options.dma_dpa = options.dma_windows = PASSTHROUGH_DMA_OFF;
	up();
	place_bars();
	cr_expect_eq(fake.dma_count, 1u);
	machine_down();
	options.dma_dpa = options.dma_windows = PASSTHROUGH_DMA_TRY;
}

Test(passthrough, device_memory_that_cannot_be_dma_mapped_is_a_warning)
{
	fake_init(&fake);
	fake.fail[FAKE_DMA_MAP] = -EFAULT;
	fake.fail_after[FAKE_DMA_MAP] = 1; /* RAM works */
	up();
	place_bars();
	cr_expect_eq(windows().dpa, 1u);
	cr_expect_eq(windows().registers, 2u);
	cr_expect_eq(error_lines, 0u);
	machine_down();
}

Test(passthrough, ram_that_cannot_be_dma_mapped_is_an_error)
{
	fake_init(&fake);
	fake.fail[FAKE_DMA_MAP] = -ENOMEM;
	machine_up();
	fake_start(&fake);
	cr_assert_eq(connect_device(), 0);
	cr_assert_eq(plug(), -ENOMEM);
	cr_expect_eq(error_lines, 1u);
	machine_down();
}

Test(passthrough, dma_by_message_needs_bus_master)
{
	uint32_t value = 0xabcd;

	fake_init(&fake);
	up();
	cr_expect_eq(passthrough_dma_access(device, 0x1000, &value, 4, true), -EFAULT);
	place_bars();
	cr_expect_eq(passthrough_dma_access(device, 0x1000, &value, 4, true), 0);
	value = 0;
	cr_expect_eq(passthrough_dma_access(device, 0x1000, &value, 4, false), 0);
	cr_expect_eq(value, 0xabcdu);
	cr_expect_eq(passthrough_dma_access(device, 0x1ffffe, &value, 4, false), -EFAULT);
	cr_expect_eq(passthrough_dma_access(device, WINDOW, &value, 4, false), -EFAULT);
	machine_down();
}

static void guest_commits(void)
{
	mmio_write(HDM_GPA + 4, 2, 4);
	mmio_write(HDM_GPA + 0x14, WINDOW >> 32, 4);
	mmio_write(HDM_GPA + 0x18, 0x10000000, 4);
	mmio_write(HDM_GPA + 0x20, 0x200, 4);
}

Test(passthrough, function_level_reset_leaves_cxl_memory_alone)
{
	fake_init(&fake);
	up();
	place_bars();
	config_write(0x82, PCI_MSIX_FLAGS_ENABLE, 2);
	config_write(0x114, 1, 2);
	cxl_component_report(&device->cxl->component, 1, 0);
	config_write(0x48, PCI_EXP_DEVCTL_BCR_FLR, 2);
	cr_expect_eq(fake.calls[FAKE_RESET], 1u);
	cr_expect_eq(windows().registers, 0u);
	cr_expect_eq(windows().dpa, 1u, "CXL memory does not notice");
	cr_expect_eq(device->irq_mode, PASSTHROUGH_IRQ_NONE);
	cr_expect_eq(config_read(0x114, 2), 1u, "locked as before (CXL 9.5)");
	place_bars();
	cr_expect_eq(windows().registers, 2u);
	cr_expect_eq(mmio_read(HDM_GPA + 0x20, 4) & 0x700, 0x700u);
	cr_expect_eq(mmio_read(RAS_GPA, 4), 1u, "errors stay logged");
	cr_expect_eq(fake.dma_count, 4u);
	pci_root_reset(machine.root);
	cr_expect_eq(config_read(0x114, 2), 0u, "a conventional reset unlocks");
	cr_expect_eq(windows().dpa, 1u, "committed again, as firmware left it");
	cr_expect_eq(fake.calls[FAKE_RESET], 2u);
	machine_down();
}

/* CXL 9.5: what the guest committed survives a function-level reset and no other one. */
Test(passthrough, decoders_of_the_guest_and_resets)
{
	fake_init(&fake);
	fake.committed = false;
	up();
	place_bars();
	guest_commits();
	cr_assert_eq(windows().dpa, 1u);
	config_write(0x48, PCI_EXP_DEVCTL_BCR_FLR, 2);
	cr_expect_eq(windows().dpa, 1u);
	place_bars();
	cr_expect_eq(mmio_read(HDM_GPA + 0x20, 4) & 0xc00, 0x400u, "still committed");
	cr_expect_eq(mmio_read(HDM_GPA + 0x14, 4), WINDOW >> 32);
	config_write(0x110, 4, 2); /* CXL reset */
	cr_expect_eq(windows().dpa, 0u);
	cr_expect_eq(mmio_read(HDM_GPA + 0x20, 4) & 0x600, 0u);
	guest_commits();
	cr_assert_eq(windows().dpa, 1u);
	pci_root_reset(machine.root);
	cr_expect_eq(windows().dpa, 0u);
	place_bars();
	cr_expect_eq(mmio_read(HDM_GPA + 0x14, 4), 0u);
	machine_down();
}

Test(passthrough, cxl_reset_through_the_dvsec)
{
	fake_init(&fake);
	up();
	place_bars();
	config_write(0x110, 4, 2);
	cr_expect_eq(fake.calls[FAKE_RESET], 1u);
	cr_expect_eq(config_read(0x112, 2) & 6, 2u, "reset complete");
	cr_expect_eq(windows().dpa, 1u);
	fake.fail[FAKE_RESET] = -EIO;
	config_write(0x110, 4, 2);
	cr_expect_eq(config_read(0x112, 2) & 6, 4u, "reset error");
	cr_expect_eq(windows().dpa, 0u);
	machine_down();
}

/* The BARs stay where they are; a transport whose resets end the DMA mappings of windows gets new
 * ones. */
Test(passthrough, cxl_reset_renews_windows_that_it_revokes)
{
	struct address_space_ops revoking;

	fake_init(&fake);
	up();
	place_bars();
	fake.calls[FAKE_DMA_MAP] = 0;
	config_write(0x110, 4, 2);
	cr_expect_eq(fake.calls[FAKE_DMA_MAP], 1u, "the device memory, committed again");
	machine_down();

	fake_init(&fake);
	revoking = *fake.space.ops;
	revoking.reset_revokes_windows = true;
	fake.space.ops = &revoking;
	up();
	place_bars();
	fake.calls[FAKE_DMA_MAP] = fake.calls[FAKE_DMA_UNMAP] = 0;
	config_write(0x110, 4, 2);
	cr_expect_eq(windows().count, 3u);
	cr_expect_eq(fake.calls[FAKE_DMA_MAP], 3u, "and both register windows");
	cr_expect_eq(fake.calls[FAKE_DMA_UNMAP], 3u);
	cr_expect_eq(fake.dma_count, 4u);
	machine_down();
	cr_expect_eq(fake.dma_count, 0u);
}

Test(passthrough, reset_retries_and_checks_that_the_device_is_alive)
{
	fake_init(&fake);
	up();
	place_bars();
	fake.fail[FAKE_RESET] = -EAGAIN;
	config_write(0x48, PCI_EXP_DEVCTL_BCR_FLR, 2);
	cr_expect_eq(fake.calls[FAKE_RESET], 20u);
	fake.fail[FAKE_RESET] = 0;
	bytes_put_le16(fake.config, 0xffff);
	config_write(0x48, PCI_EXP_DEVCTL_BCR_FLR, 2);
	cr_expect(passthrough_is_lost(device));
	cr_expect_eq(config_read(0, 4), 0xffffffffu);
	machine_down();
}

static struct vfio_transport_ops watched;
static uint16_t command_at_reset;
static int reset_result;

static int watch_reset(struct vfio_transport *transport)
{
	(void)transport;
	command_at_reset = bytes_get_le16(fake.config + PCI_COMMAND);
	fake.calls[FAKE_RESET]++;
	return reset_result;
}

/* Its DMA ends with the reset, also when the host cannot do it. */
Test(passthrough, a_reset_takes_the_bus_from_the_device_first)
{
	for (int failing = 0; failing < 2; failing++) {
		fake_init(&fake);
		watched = *fake.transport.ops;
		watched.reset = watch_reset;
		fake.transport.ops = &watched;
		reset_result = failing ? -EIO : 0;
		up();
		for (int kind = 0; kind < 3; kind++) {
			unsigned int resets = fake.calls[FAKE_RESET];

			place_bars();
			config_write(PCI_COMMAND, 7, 2);
			cr_expect_eq(fake.config[PCI_COMMAND] & 7, 7);
			command_at_reset = 0xffff;
			if (kind == 0)
				pci_root_reset(machine.root);
			else if (kind == 1)
				config_write(0x48, PCI_EXP_DEVCTL_BCR_FLR, 2);
			else
				config_write(0x110, 4, 2);
			cr_expect_eq(fake.calls[FAKE_RESET], resets + 1);
			cr_expect_eq(command_at_reset & 7, 0, "kind %d failing %d", kind, failing);
			/* A CXL reset leaves Command to the guest. */
			cr_expect_eq(fake.config[PCI_COMMAND] & 7, kind == 2 ? 7 : 0,
				     "kind %d failing %d", kind, failing);
		}
		machine_down();
	}
}

/* VFIO refuses MSI while INTx is armed. */
Test(passthrough, a_line_interrupt_that_fails_halfway_is_disarmed)
{
	fake_init(&fake);
	fake.pin = 1;
	up();
	fake.calls[FAKE_IRQS] = 0;
	fake.fail[FAKE_IRQS] = -EIO;
	fake.fail_after[FAKE_IRQS] = 1;
	place_bars();
	cr_expect_eq(fake.irq_index, (uint32_t)VFIO_PCI_INTX_IRQ_INDEX);
	cr_expect_eq(fake.irq_flags, VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER);
	cr_expect_eq(fake.irq_count, 0u);
	machine_down();
}

/* Each write of the configuration space would cost a server's answers. */
Test(passthrough, interrupts_that_failed_are_tried_again_when_something_changed)
{
	unsigned int calls;

	fake_init(&fake);
	up();
	place_bars();
	fake.fail[FAKE_IRQS] = -EIO;
	config_write(0x82, PCI_MSIX_FLAGS_ENABLE, 2);
	calls = fake.calls[FAKE_IRQS];
	cr_expect_gt(calls, 0u);
	for (int i = 0; i < 8; i++)
		config_write(PCI_CACHE_LINE_SIZE, (uint32_t)i, 1);
	config_write(PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
	cr_expect_eq(fake.calls[FAKE_IRQS], calls);
	fake.fail[FAKE_IRQS] = 0;
	config_write(0x82, 0, 2);
	config_write(0x82, PCI_MSIX_FLAGS_ENABLE, 2);
	cr_expect_gt(fake.calls[FAKE_IRQS], calls);
	cr_expect_eq(device->irq_mode, PASSTHROUGH_IRQ_MSIX);
	machine_down();
}

/* The root's lock is held meanwhile: other devices wait. */
Test(passthrough, reset_retries_are_bounded_in_time)
{
	fake_init(&fake);
	up();
	place_bars();
	fake.fail[FAKE_RESET] = -EAGAIN;
	fake.reset_ms = 400;
	config_write(0x48, PCI_EXP_DEVCTL_BCR_FLR, 2);
	cr_expect_leq(fake.calls[FAKE_RESET], 3u);
	machine_down();
}

/* What virtio devices may touch without a check: memory that cannot vanish under this process. */
Test(passthrough, memory_that_may_be_lent)
{
	int fd = memfd_create("lent", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	cr_expect_not(passthrough_file_stays(-1, 0));
	cr_assert_eq(ftruncate(fd, 4096), 0);
	cr_expect_not(passthrough_file_stays(fd, 4096), "it can be shrunk");
	cr_assert_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	cr_expect(passthrough_file_stays(fd, 4096));
	cr_expect_not(passthrough_file_stays(fd, 4097), "it ends before the mapping does");
	close(fd);
	/* Its pages come from a pool that others can empty. */
	fd = memfd_create("lent", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB);
	if (fd < 0)
		return;
	cr_assert_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	cr_expect_not(passthrough_file_stays(fd, 4096));
	close(fd);
}

/* The size is looked at when it is mapped, and the server could shrink it between. */
Test(passthrough, memory_that_was_shrunk_before_it_was_sealed_is_not_lent)
{
	fake_init(&fake);
	fake.committed = false;
	options.memory = PASSTHROUGH_MEMORY_NODE;
	machine_up();
	fake_start(&fake);
	cr_assert_eq(connect_device(), 0);
	cr_assert_eq(ftruncate(fake.memory, BAR0_SIZE + 0x1000), 0);
	cr_assert_eq(fcntl(fake.memory, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	cr_assert_eq(plug(), 0);
	cr_expect_null(guest_memory_at(machine.memory, WINDOW + 0x1000, 16));
	machine_down();
	options.memory = PASSTHROUGH_MEMORY_CXL;
}

Test(passthrough, lost_device_reads_all_ones_once_told)
{
	fake_init(&fake);
	up();
	place_bars();
	error_lines = 0;
	passthrough_lost(device, "test");
	passthrough_lost(device, "test");
	cr_expect_eq(error_lines, 1u);
	cr_expect_eq(lost_told, 0u);
	cr_expect_eq(mmio_read(BAR2 + 0x100, 4), 0xffffffffu);
	cr_expect_eq(config_read(0, 2), 0xffffu);
	passthrough_serve(device);
	passthrough_serve(device);
	cr_expect_eq(lost_told, 1u);
	cr_expect_eq(windows().registers, 0u);
	cr_expect_eq(windows().dpa, 1u, "memory stays: the guest's kernel may live in it");
	/* The guest may go on as it likes. */
	config_write(PCI_COMMAND, 0, 2);
	place_bars();
	config_write(0x82, PCI_MSIX_FLAGS_ENABLE, 2);
	config_write(0x48, PCI_EXP_DEVCTL_BCR_FLR, 2);
	cr_expect_eq(windows().registers, 0u);
	machine_down();
}

Test(passthrough, the_first_reason_of_a_loss_is_the_one_that_is_told)
{
	fake_init(&fake);
	up();
	passthrough_lost(device, "first");
	passthrough_lost(device, "second");
	passthrough_requested(device);
	passthrough_serve(device);
	cr_expect_str_eq(lost_reason, "first");
	machine_down();
}

Test(passthrough, vanished_memory_loses_the_device_and_its_windows)
{
	fake_init(&fake);
	up();
	place_bars();
	cr_expect_eq(passthrough_handle_fault(device, 0x1000), -ENOENT);
	cr_expect_eq(passthrough_handle_fault(device, WINDOW + 0x10000000), -ENOENT);
	cr_expect_eq(passthrough_handle_fault(device, PASSTHROUGH_GPA_UNKNOWN), -ENOENT);
	cr_expect_not(passthrough_is_lost(device));
	fake.broken_mapping = true;
	cr_expect_eq(passthrough_handle_fault(device, PASSTHROUGH_GPA_UNKNOWN), 0);
	cr_expect(passthrough_is_lost(device));
	cr_expect_eq(windows().count, 0u);
	machine_down();

	fake_init(&fake);
	up();
	place_bars();
	cr_expect_eq(passthrough_handle_fault(device, WINDOW + 0xfffffff), 0);
	cr_expect_eq(windows().count, 0u);
	machine_down();
}

static struct vfio_transport_ops gated;

/* Kernel VFIO's way: accesses are refused while decoding is off or a reset goes on. */
static void up_gated(void)
{
	fake_init(&fake);
	gated = *fake.transport.ops;
	gated.gates_memory = true;
	fake.transport.ops = &gated;
	up();
	place_bars();
	cr_expect_eq(windows().count, 3u);
}

/* The vCPU tries again and again, as after any fault that was handled. */
static unsigned int fault_until_withdrawn(void)
{
	unsigned int faults = 0;

	while (windows().count && faults++ < 100000u)
		cr_assert_eq(passthrough_handle_fault(device, WINDOW + 0x1000), 0);
	return faults;
}

/* What the host refuses for good goes away, and comes back when the guest decodes again. */
Test(passthrough, faults_of_a_gated_device_are_the_guests_own)
{
	up_gated();
	cr_expect_gt(fault_until_withdrawn(), 1u);
	cr_expect_not(passthrough_is_lost(device));
	cr_expect_eq(windows().count, 0u);
	cr_expect_eq(fake.dma_count, 1u, "RAM stays");
	cr_expect_eq(passthrough_handle_fault(device, PASSTHROUGH_GPA_UNKNOWN), -ENOENT,
		     "a second fault is not ours");
	config_write(PCI_COMMAND, 0, 2);
	cr_expect_eq(windows().count, 0u);
	config_write(PCI_COMMAND, 2, 2);
	cr_expect_eq(windows().count, 3u);
	cr_expect_eq(fake.dma_count, 4u);
	machine_down();
	cr_expect_eq(fake.dma_count, 0u);
}

/*
 * No address, and nothing says that it is this device: its memory stays whatever the host refuses,
 * registers come back with the next write of Command.
 */
Test(passthrough, a_guess_takes_no_device_memory)
{
	uint64_t end = clock_now_ns() + 700u * 1000 * 1000;

	up_gated();
	cr_expect_eq(passthrough_handle_proven_fault(device), -ENOENT);
	while (clock_now_ns() < end)
		cr_assert_eq(passthrough_handle_fault(device, PASSTHROUGH_GPA_UNKNOWN), 0);
	cr_expect_eq(windows().dpa, 1u);
	cr_expect_eq(windows().registers, 0u);
	config_write(PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	cr_expect_eq(windows().count, 3u);
	/* With decoding off the host refuses for sure. */
	config_write(PCI_COMMAND, 0, 2);
	for (end = clock_now_ns() + 2000u * 1000 * 1000; windows().count && clock_now_ns() < end;)
		cr_assert_eq(passthrough_handle_proven_fault(device), 0);
	cr_expect_eq(windows().count, 0u);
	cr_expect_eq(passthrough_handle_proven_fault(device), -ENOENT);
	config_write(PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	cr_expect_eq(windows().count, 3u);
	machine_down();
}

/* A server's broken file is a proof; who only refuses now and then is asked after it. */
Test(passthrough, a_broken_file_is_a_proven_fault)
{
	fake_init(&fake);
	up();
	place_bars();
	cr_expect_eq(passthrough_handle_proven_fault(device), -ENOENT);
	fake.broken_mapping = true;
	cr_expect_eq(passthrough_handle_proven_fault(device), 0);
	cr_expect(passthrough_is_lost(device));
	machine_down();
}

/* Command is written as it is: the windows come back all the same, each where it was. */
Test(passthrough, withdrawn_windows_come_back_without_a_toggle)
{
	struct found before;

	up_gated();
	before = windows();
	fault_until_withdrawn();
	cr_expect_eq(windows().count, 0u);
	config_write(PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
	cr_assert_eq(windows().count, 3u);
	for (unsigned int i = 0; i < 3; i++)
		cr_expect_eq(windows().gpa[i], before.gpa[i]);
	cr_expect_eq(fake.dma_count, 4u);
	machine_down();
}

/* Somebody else's reset (sysfs, another function's hot reset) is over in a moment. */
Test(passthrough, a_short_refusal_takes_nothing_away)
{
	up_gated();
	for (unsigned int i = 0; i < 20; i++)
		cr_expect_eq(passthrough_handle_fault(device, WINDOW + 0x1000), 0);
	cr_expect_eq(windows().count, 3u);
	cr_expect_not(passthrough_is_lost(device));
	machine_down();
}

static unsigned int faults_in_reset;

/* A vCPU that touches device memory all through a reset longer than any patience. */
static int reset_under_faults(struct vfio_transport *transport)
{
	uint64_t end = clock_now_ns() + 700u * 1000 * 1000;

	(void)transport;
	while (clock_now_ns() < end) {
		cr_expect_eq(passthrough_handle_fault(device, WINDOW + 0x1000), 0);
		faults_in_reset++;
	}
	return 0;
}

/*
 * A CXL reset leaves BARs and Command as they are: nothing would bring the windows back after it.
 */
Test(passthrough, a_guest_may_touch_memory_during_its_own_reset)
{
	up_gated();
	gated.reset = reset_under_faults;
	config_write(0x110, 4, 2);
	cr_expect_gt(faults_in_reset, 0u);
	cr_expect_eq(windows().count, 3u);
	cr_expect_eq(windows().dpa, 1u);
	machine_down();
}

/* One vCPU meets the refusal while another takes the window away. */
Test(passthrough, a_fault_may_outlive_its_window)
{
	up_gated();
	window_take(device, &device->decoders[0]);
	cr_expect_eq(passthrough_handle_fault(device, WINDOW + 0x1000), 0);
	cr_expect_eq(passthrough_handle_fault(device, PASSTHROUGH_GPA_UNKNOWN), 0);
	cr_expect_eq(passthrough_handle_fault(device, 0x1000), -ENOENT);
	cr_expect_eq(windows().registers, 2u);
	machine_down();

	/* Two vCPUs touch the memory of a server that is gone. */
	fake_init(&fake);
	up();
	place_bars();
	fake.broken_mapping = true;
	cr_expect_eq(passthrough_handle_fault(device, WINDOW), 0);
	cr_expect(passthrough_is_lost(device));
	cr_expect_eq(passthrough_handle_fault(device, WINDOW), 0);
	cr_expect_eq(passthrough_handle_fault(device, BAR2 + 0x100), 0);
	cr_expect_eq(passthrough_handle_fault(device, PASSTHROUGH_GPA_UNKNOWN), 0);
	machine_down();
}

static unsigned int released;

static void count_release(struct vfio_transport *transport)
{
	(void)transport;
	/* Nothing of it may be mapped by then. */
	cr_expect_eq(windows().count, 0u);
	released++;
}

static unsigned int wanted;

static void count_attention(void *opaque, struct passthrough_device *which)
{
	(void)opaque;
	(void)which;
	wanted++;
}

/* Whoever meets the loss may hold any lock: it posts, and the rest waits for the owner. */
Test(passthrough, a_loss_only_asks_for_attention)
{
	fake_init(&fake);
	up();
	place_bars();
	device->environment.attention = count_attention;
	wanted = lost_told = 0;
	pthread_mutex_lock(&device->lock);
	passthrough_lost(device, "test");
	passthrough_lost(device, "test");
	cr_expect_eq(wanted, 1u);
	passthrough_requested(device);
	cr_expect_eq(wanted, 2u);
	pthread_mutex_unlock(&device->lock);
	cr_expect_eq(lost_told, 0u);
	cr_expect_eq(windows().count, 3u);
	passthrough_serve(device);
	passthrough_serve(device);
	cr_expect_eq(lost_told, 1u);
	cr_expect_eq(windows().count, 0u);
	machine_down();
}

/* The host wants it back: unlike a device that died, its memory goes too. */
Test(passthrough, nothing_is_kept_of_a_device_that_is_given_back)
{
	struct vfio_transport_ops ops;

	fake_init(&fake);
	ops = *fake.transport.ops;
	ops.release = count_release;
	fake.transport.ops = &ops;
	up();
	place_bars();
	config_write(0x82, PCI_MSIX_FLAGS_ENABLE, 2);
	cr_expect_eq(windows().count, 3u);
	released = 0;
	passthrough_requested(device);
	passthrough_serve(device);
	cr_expect_eq(released, 1u);
	cr_expect_eq(lost_told, 1u);
	cr_expect(passthrough_is_lost(device));
	cr_expect_eq(config_read(0, 4), 0xffffffffu);
	cr_expect_eq(mmio_read(BAR2 + 0x100, 4), 0xffffffffu);
	/* The guest may go on as it likes; nothing comes back. */
	config_write(PCI_COMMAND, 0, 2);
	place_bars();
	config_write(0x82, 0, 2);
	config_write(0x82, PCI_MSIX_FLAGS_ENABLE, 2);
	config_write(0x48, PCI_EXP_DEVCTL_BCR_FLR, 2);
	cr_expect_eq(windows().count, 0u);
	machine_down();
}

/* memory=node: a virtio device has pointers to its rings there. The memory goes, they stay. */
Test(passthrough, rings_in_memory_that_was_given_back)
{
	uint8_t *ring, *server;

	fake_init(&fake);
	fake.committed = false;
	options.memory = PASSTHROUGH_MEMORY_NODE;
	machine_up();
	fake_start(&fake);
	cr_assert_eq(fcntl(fake.memory, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	cr_assert_eq(connect_device(), 0);
	cr_assert_eq(plug(), 0);
	ring = guest_memory_at(machine.memory, WINDOW + 0x1000, 16);
	cr_assert_not_null(ring);
	server = mmap(NULL, 0x2000, PROT_READ | PROT_WRITE, MAP_SHARED, fake.memory, BAR0_SIZE);
	cr_assert_neq(server, MAP_FAILED);
	ring[0] = 1;
	cr_assert_eq(server[0x1000], 1);
	passthrough_requested(device);
	passthrough_serve(device);
	ring[0] = 2;
	cr_expect_eq(server[0x1000], 1, "not the device's any more");
	cr_expect_eq(mmap(ring - 0x1000, 0x1000, PROT_READ,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0),
		     MAP_FAILED, "and nobody else's");
	cr_expect_null(guest_memory_at(machine.memory, WINDOW + 0x1000, 16));
	machine_down();
	munmap(server, 0x2000);
	options.memory = PASSTHROUGH_MEMORY_CXL;
}

Test(passthrough, expansion_rom_is_read_and_never_written)
{
	fake_init(&fake);
	fake.rom = true;
	up();
	cr_expect_eq(device->pci.bars[PCI_ROM_BAR].size, 0x10000u);
	config_write(PCI_ROM_ADDRESS, 0xd0000001, 4);
	config_write(PCI_COMMAND, 2, 2);
	cr_expect_eq(mmio_read(0xd0000000, 2), 0xaa55u);
	mmio_write(0xd0000000, 0, 2);
	cr_expect_eq(mmio_read(0xd0000000, 2), 0xaa55u);
	machine_down();
}

Test(passthrough, windows_that_cannot_be_mapped_are_trapped)
{
	fake_init(&fake);
	fake.contract = -1;
	fake.fail[FAKE_MAP] = -EACCES;
	up();
	cr_expect_eq(passthrough_get_facts(device)->cxl, false);
	place_bars();
	cr_expect_eq(windows().count, 0u);
	mmio_read(BAR0, 4);
	cr_expect_geq(fake.calls[FAKE_READ], 2u);
	machine_down();
}

/* What its last user left in it must not run on in the next guest. */
Test(passthrough, a_weak_reset_is_backed_by_one_at_the_start)
{
	for (unsigned int i = 0; i < 4; i++) {
		bool kernel = i & 1, weak = i & 2;

		fake_init(&fake);
		gated = *fake.transport.ops;
		gated.gates_memory = kernel;
		fake.transport.ops = &gated;
		fake.contract = -1;
		fake.power_reset = weak;
		up();
		cr_expect_eq(fake.transport.reset_by_power_only, weak);
		cr_expect_eq(fake.calls[FAKE_RESET], kernel && weak ? 1u : 0u, "%u", i);
		machine_down();
	}
}

Test(passthrough, plain_pci_device_shows_no_cxl)
{
	fake_init(&fake);
	fake.contract = -1;
	up();
	place_bars();
	struct found found = windows();
	cr_expect_eq(found.registers, 1u);
	cr_expect_eq(found.size[0], 0x200000u);
	cr_expect_eq(found.dpa, 0u);
	cr_expect_eq(pci_find_dvsec(device->pci.config, 0x1e98, 0), 0, "no CXL without VFIO's CXL");
	machine_down();
}

Test(passthrough, misplaced_windows_are_refused)
{
	struct passthrough_place place = {
		.devfn = 0, .window_base = WINDOW + 0x1000, .window_size = 0x10000000};

	fake_init(&fake);
	machine_up();
	fake_start(&fake);
	cr_assert_eq(connect_device(), 0);
	place.bus = bus;
	cr_expect_eq(passthrough_plug(device, &place), -EINVAL);
	machine_down();
	fake_init(&fake);
	machine_up();
	fake_start(&fake);
	cr_assert_eq(connect_device(), 0);
	place.window_base = WINDOW;
	place.window_size = 0x8000000;
	cr_expect_eq(passthrough_plug(device, &place), -EINVAL);
	machine_down();
}

Test(passthrough, every_failing_call_fails_cleanly)
{
	for (int call = 0; call < FAKE_CALLS; call++) {
		for (int after = 0; after < 6; after++) {
			fake_init(&fake);
			machine_up();
			fake_start(&fake);
			fake.fail[call] = -EIO;
			fake.fail_after[call] = after;
			if (connect_device() == 0) {
				if (plug() == 0)
					place_bars();
			} else {
				cr_expect(fake.closed, "call %d after %d", call, after);
				device = NULL;
			}
			machine_down();
		}
	}
}

static void on_segment(void *opaque, const struct passthrough_segment *segment)
{
	unsigned int *kinds = opaque;

	kinds[segment->kind]++;
	cr_expect_not_null(passthrough_segment_name(segment->kind));
}

static void on_port_segment(void *opaque, const struct passthrough_segment *segment)
{
	cr_expect_eq(segment->io, segment->bar == 2);
	if (!segment->io)
		return;
	++*(unsigned int *)opaque;
	cr_expect_eq(segment->kind, PASSTHROUGH_SEGMENT_FORWARDED);
}

Test(passthrough, ports_are_listed_as_ports_and_forwarded)
{
	unsigned int ports = 0;

	fake_init(&fake);
	fake.config[PCI_BASE_ADDRESS_2] |= PCI_BASE_ADDRESS_SPACE_IO;
	up();
	passthrough_visit_segments(device, on_port_segment, &ports);
	cr_expect_gt(ports, 0u);
	machine_down();
}

Test(passthrough, the_listing_holds_every_kind_of_segment)
{
	unsigned int kinds[6] = {0};
	const struct passthrough_timeline *timeline;

	fake_init(&fake);
	up();
	place_bars();
	passthrough_visit_segments(device, on_segment, kinds);
	cr_expect_eq(kinds[PASSTHROUGH_SEGMENT_DIRECT], 2u);
	cr_expect_eq(kinds[PASSTHROUGH_SEGMENT_COMPONENT], 1u);
	cr_expect_eq(kinds[PASSTHROUGH_SEGMENT_MSIX], 2u);
	cr_expect_eq(kinds[PASSTHROUGH_SEGMENT_FORWARDED], 3u);
	cr_expect_eq(kinds[PASSTHROUGH_SEGMENT_DPA], 1u);
	timeline = passthrough_get_timeline(device);
	cr_expect(timeline->info && timeline->plan && timeline->map && timeline->plug);
	cr_expect_eq(passthrough_pci_device(device), &device->pci);
	cr_expect_str_eq(passthrough_id(device), "gpu0");
	machine_down();
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The promise of pci_bus_remove(): nobody is inside, nobody enters, everything is given back. */
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/pci.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "tests/unit/devices/pci/fixture.h"
#include "tests/unit/devices/pci/capabilities.h"

#define BAR   0xc0000000ull
#define TABLE 0x1000u
#define SLOT  PCI_DEVFN(3, 0)

/* A function whose callbacks can be held inside. */
struct slow_function {
	struct pci_device device;
	struct pci_fixture *fixture;
	_Atomic bool hold;
	_Atomic bool inside;
	_Atomic bool released;
	_Atomic bool left;
	_Atomic bool left_at_return;
	_Atomic unsigned int waited; /* calls of wait_quiet */
};

static void stay(struct slow_function *slow)
{
	if (!atomic_load(&slow->hold))
		return;
	atomic_store(&slow->inside, true);
	while (!atomic_load(&slow->released))
		sched_yield();
	for (int i = 0; i < 1000; i++)
		sched_yield();
	atomic_store(&slow->left, true);
}

static struct slow_function *slow_of(struct pci_device *device)
{
	return (struct slow_function *)(void *)((char *)device -
						offsetof(struct slow_function, device));
}

static uint64_t slow_bar_read(void *opaque, uint64_t offset, unsigned int size)
{
	struct slow_function *slow = opaque;

	stay(slow);
	return offset < TABLE ? offset : pci_msix_table_read(&slow->device, offset - TABLE, size);
}

static void slow_bar_write(void *opaque, uint64_t offset, uint64_t value, unsigned int size)
{
	struct slow_function *slow = opaque;

	stay(slow);
	if (offset >= TABLE)
		pci_msix_table_write(&slow->device, offset - TABLE, value, size);
}

static const struct bus_ops slow_bar_ops = {.read = slow_bar_read, .write = slow_bar_write};

static bool slow_config_read(struct pci_device *device, uint32_t offset, unsigned int size,
			     uint32_t *value)
{
	(void)size;
	(void)value;
	if (offset == PCI_REVISION_ID)
		stay(slow_of(device));
	return false;
}

static void slow_wait_quiet(struct pci_device *device)
{
	atomic_fetch_add(&slow_of(device)->waited, 1);
}

static const struct pci_device_ops slow_ops = {
	.config_read = slow_config_read,
	.wait_quiet = slow_wait_quiet,
};

static struct pci_fixture fixture;
static struct slow_function slow;

static void config(uint32_t offset, uint64_t value, unsigned int size)
{
	pci_fixture_write(&fixture, PCI_BDF(0, SLOT), offset, value, size);
}

/* Vector 0 of the table: unmasked, so that it has a GSI and an irqfd. */
static void unmask(void)
{
	pci_fixture_mmio_write(&fixture, BAR + TABLE, 0xfee00000, 4);
	pci_fixture_mmio_write(&fixture, BAR + TABLE + PCI_MSIX_ENTRY_VECTOR_CTRL, 0, 4);
}

static void setup(void)
{
	struct pci_msix_options msix = {
		.vectors = 2, .table_offset = TABLE, .pba_offset = 2 * TABLE};

	pci_fixture_init(&fixture);
	memset(&slow, 0, sizeof(slow));
	slow.fixture = &fixture;
	slow.device.name = "slow0";
	slow.device.ops = &slow_ops;
	pci_device_init(&slow.device, 0x1234, 0x5678, 0x020000, 3, 0x1af4, 0x1100);
	slow.device.config[PCI_INTERRUPT_PIN] = 1;
	cr_assert_eq(pci_register_bar(&slow.device, 0, PCI_BAR_MEMORY_32, false, 0x4000,
				      &slow_bar_ops, &slow),
		     0);
	cr_assert_eq(pci_msix_init(&slow.device, &msix), 0);
	cr_assert_eq(pci_bus_add(fixture.bus, &slow.device, SLOT), 0);
	config(PCI_BASE_ADDRESS_0, BAR, 4);
	config(PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	config(pci_find_capability(slow.device.config, PCI_CAP_ID_MSIX) + (uint32_t)PCI_MSIX_FLAGS,
	       PCI_MSIX_FLAGS_ENABLE, 2);
}

static void teardown(void)
{
	pci_msix_destroy(&slow.device);
	pci_fixture_destroy(&fixture);
}

TestSuite(pci_removal, .init = setup, .fini = teardown, .timeout = 60);

static void *remover(void *opaque)
{
	(void)opaque;
	pci_bus_remove(&slow.device);
	atomic_store(&slow.left_at_return, atomic_load(&slow.left));
	return NULL;
}

static void *bar_writer(void *opaque)
{
	(void)opaque;
	unmask();
	return NULL;
}

static void *config_reader(void *opaque)
{
	(void)opaque;
	cr_assert_eq(pci_fixture_read(&fixture, PCI_BDF(0, SLOT), PCI_REVISION_ID, 1), 3);
	return NULL;
}

static void hold_one_inside(pthread_t *thread, void *(*visitor)(void *))
{
	atomic_store(&slow.hold, true);
	pthread_create(thread, NULL, visitor, NULL);
	while (!atomic_load(&slow.inside))
		sched_yield();
}

Test(pci_removal, everything_is_given_back)
{
	unmask();
	pci_set_intx(&slow.device, true);
	cr_assert_eq(fixture.irqfd_count, 1);
	cr_assert(fixture.lines[pci_intx_gsi(&slow.device)]);
	pci_bus_remove(&slow.device);
	cr_assert_eq(fixture.irqfd_count, 0);
	for (unsigned int i = 0; i < 24; i++)
		cr_assert_not(fixture.lines[i], "%u", i);
	cr_assert_eq(pci_fixture_mmio_read(&fixture, BAR, 4), 0xffffffff);
	cr_assert_eq(bus_remove(&fixture.machine.mmio, &slow.device.bars[0].region), -ENOENT);
	cr_assert_eq(pci_fixture_read(&fixture, PCI_BDF(0, SLOT), 0, 4), 0xffffffff);
	cr_assert_eq(slow.waited, 1);
	/* Its own threads may still think that it is there. */
	pci_set_intx(&slow.device, true);
	pci_msix_notify(&slow.device, 0);
	for (unsigned int i = 0; i < 24; i++)
		cr_assert_not(fixture.lines[i], "%u", i);
	pci_bus_remove(&slow.device);
	cr_assert_eq(slow.waited, 1, "twice is once");
	cr_assert_eq(pci_bus_add(fixture.bus, &slow.device, SLOT), 0, "and it may come again");
	pci_set_intx(&slow.device, true);
	cr_assert(fixture.lines[pci_intx_gsi(&slow.device)]);
	pci_bus_remove(&slow.device);
}

Test(pci_removal, waits_for_the_one_inside_a_bar)
{
	pthread_t inside, removing;

	unmask();
	cr_assert_eq(fixture.irqfd_count, 1);
	hold_one_inside(&inside, bar_writer);
	pthread_create(&removing, NULL, remover, NULL);
	/* It holds no lock while it waits: configuration space answers, without the function. */
	while (pci_fixture_read(&fixture, PCI_BDF(0, SLOT), 0, 4) != 0xffffffff)
		sched_yield();
	atomic_store(&slow.released, true);
	pthread_join(inside, NULL);
	pthread_join(removing, NULL);
	cr_assert(slow.left_at_return);
	cr_assert_eq(fixture.irqfd_count, 0, "what the late write unmasked is given back too");
}

Test(pci_removal, waits_for_the_one_inside_configuration_space)
{
	pthread_t inside, removing;

	hold_one_inside(&inside, config_reader);
	pthread_create(&removing, NULL, remover, NULL);
	atomic_store(&slow.released, true);
	pthread_join(inside, NULL);
	pthread_join(removing, NULL);
	cr_assert(slow.left_at_return);
	cr_assert_eq(pci_fixture_read(&fixture, PCI_BDF(0, SLOT), PCI_REVISION_ID, 1), 0xff);
}

static void *visitor_of_both(void *opaque)
{
	const _Atomic bool *stop = opaque;

	while (!atomic_load(stop)) {
		pci_fixture_read(&fixture, PCI_BDF(0, SLOT), PCI_VENDOR_ID, 4);
		pci_fixture_write(&fixture, PCI_BDF(0, SLOT), PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
		pci_fixture_mmio_read(&fixture, BAR + 8, 4);
	}
	return NULL;
}

/* For the sanitizers. */
Test(pci_removal, comes_and_goes_under_load)
{
	_Atomic bool stop = false;
	pthread_t threads[2];

	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, visitor_of_both, (void *)&stop);
	for (int i = 0; i < 300; i++) {
		pci_bus_remove(&slow.device);
		cr_assert_null(slow.device.bus);
		/* Written without a lock: nobody else may look at it now. */
		slow.device.config[PCI_REVISION_ID] = (uint8_t)i;
		cr_assert_eq(pci_bus_add(fixture.bus, &slow.device, SLOT), 0);
		pci_fixture_write(&fixture, PCI_BDF(0, SLOT), PCI_BASE_ADDRESS_0, BAR, 4);
	}
	atomic_store(&stop, true);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	pci_bus_remove(&slow.device);
}

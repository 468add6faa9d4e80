/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/core/fake_kvm.h"
#include "tests/unit/devices/pci/fixture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static int fixture_ioctl(void *opaque, int fd, unsigned long request, void *argument)
{
	struct pci_fixture *fixture = opaque;

	(void)fd;
	fixture->ioctls++;
	switch (request) {
	case KVM_CHECK_EXTENSION:
		return 200;
	case KVM_IRQFD: {
		const struct kvm_irqfd *irqfd = argument;

		if (fixture->fail_irqfd) {
			int error = fixture->fail_irqfd;

			fixture->fail_irqfd = 0;
			return -error;
		}
		if (!(irqfd->flags & KVM_IRQFD_FLAG_DEASSIGN)) {
			cr_assert_lt(fixture->irqfd_count, PCI_FIXTURE_IRQFDS);
			fixture->irqfds[fixture->irqfd_count++] =
				(struct pci_fixture_irqfd){(int)irqfd->fd, irqfd->gsi};
			return 0;
		}
		for (unsigned int i = 0; i < fixture->irqfd_count; i++)
			if (fixture->irqfds[i].fd == (int)irqfd->fd &&
			    fixture->irqfds[i].gsi == irqfd->gsi) {
				fixture->irqfds[i] = fixture->irqfds[--fixture->irqfd_count];
				return 0;
			}
		return -ENOENT;
	}
	case KVM_SET_GSI_ROUTING: {
		const struct kvm_irq_routing *table = argument;

		for (uint32_t i = 0; i < table->nr; i++) {
			const struct kvm_irq_routing_entry *entry = &table->entries[i];

			if (entry->type != KVM_IRQ_ROUTING_MSI || entry->gsi >= 256)
				continue;
			fixture->route_address[entry->gsi] =
				(uint64_t)entry->u.msi.address_hi << 32 | entry->u.msi.address_lo;
			fixture->route_data[entry->gsi] = entry->u.msi.data;
		}
		return 0;
	}
	case KVM_IRQ_LINE: {
		const struct kvm_irq_level *level = argument;

		cr_assert_lt(level->irq, 24);
		fixture->lines[level->irq] = level->level != 0;
		return 0;
	}
	case KVM_SET_USER_MEMORY_REGION:
		return 0;
	default:
		return -ENOTTY;
	}
}

static const struct kvm_ops fixture_kvm_ops = {
	.ioctl = fixture_ioctl,
};

static void fixture_log(void *opaque, enum log_level level, const char *object, const char *message)
{
	struct pci_fixture *fixture = opaque;

	fixture->warnings += level == LOG_LEVEL_WARNING;
	fixture->errors += level == LOG_LEVEL_ERROR;
	snprintf(fixture->last_message, sizeof(fixture->last_message), "%s: %s", object, message);
}

void pci_fixture_init(struct pci_fixture *fixture)
{
	const struct small_machine_options options = {
		.vm = &fixture->vm,
		.logger = &fixture->logger,
		.ram = PCI_FIXTURE_RAM,
		.ports = true,
	};

	memset(fixture, 0, sizeof(*fixture));
	fixture->vm = (struct kvm_vm){
		.ops = &fixture_kvm_ops,
		.ops_opaque = fixture,
		.kvm_fd = -1,
		.fd = -1,
		.max_memory_slots = 64,
	};
	fixture->logger = (struct logger){
		.callback = fixture_log,
		.opaque = fixture,
		.level = LOG_LEVEL_DEBUG,
	};
	small_machine_up(&fixture->machine, &options);
	cr_assert_eq(pci_root_add_host_bridge(fixture->machine.root, 0, 0x0f, &fixture->bus), 0);
	fixture->ioctls = 0;
}

void pci_fixture_destroy(struct pci_fixture *fixture)
{
	small_machine_down(&fixture->machine);
}

int pci_fixture_gsi_of(const struct pci_fixture *fixture, int fd)
{
	for (unsigned int i = 0; i < fixture->irqfd_count; i++)
		if (fixture->irqfds[i].fd == fd)
			return (int)fixture->irqfds[i].gsi;
	return -1;
}

uint64_t pci_fixture_mmio_read(struct pci_fixture *fixture, uint64_t address, unsigned int size)
{
	uint64_t value = 0;

	bus_read(&fixture->machine.mmio, address, &value, size);
	return value;
}

void pci_fixture_mmio_write(struct pci_fixture *fixture, uint64_t address, uint64_t value,
			    unsigned int size)
{
	bus_write(&fixture->machine.mmio, address, &value, size);
}

uint64_t pci_fixture_read(struct pci_fixture *fixture, uint64_t bdf, uint32_t offset,
			  unsigned int size)
{
	return pci_fixture_mmio_read(fixture, PCI_FIXTURE_ECAM + bdf + offset, size);
}

void pci_fixture_write(struct pci_fixture *fixture, uint64_t bdf, uint32_t offset, uint64_t value,
		       unsigned int size)
{
	pci_fixture_mmio_write(fixture, PCI_FIXTURE_ECAM + bdf + offset, value, size);
}

static uint64_t test_bar_read(void *opaque, uint64_t offset, unsigned int size)
{
	(void)opaque;
	(void)size;
	return offset + 0x1000;
}

static void test_bar_write(void *opaque, uint64_t offset, uint64_t value, unsigned int size)
{
	struct pci_test_device *test = opaque;

	(void)size;
	test->last_offset = offset;
	test->last_value = value;
}

const struct bus_ops pci_test_bar_ops = {
	.read = test_bar_read,
	.write = test_bar_write,
};

static struct pci_test_device *test_of(struct pci_device *device)
{
	return (struct pci_test_device *)((char *)device -
					  offsetof(struct pci_test_device, device));
}

static int test_bar_mapped(struct pci_device *device, unsigned int bar, uint64_t address)
{
	(void)bar;
	(void)address;
	test_of(device)->mapped++;
	return test_of(device)->map_error;
}

static void test_bar_unmapped(struct pci_device *device, unsigned int bar)
{
	(void)bar;
	test_of(device)->unmapped++;
}

static void test_reset(struct pci_device *device, enum pci_reset_kind kind)
{
	test_of(device)->resets++;
	test_of(device)->reset_kind = kind;
}

static void test_config_written(struct pci_device *device, uint32_t offset, unsigned int size)
{
	cr_assert_leq((offset & 3) + size, 4);
	test_of(device)->config_written++;
	test_of(device)->mapped_at_written = device->bars[0].mapped;
}

static const struct pci_device_ops test_ops = {
	.config_written = test_config_written,
	.bar_mapped = test_bar_mapped,
	.bar_unmapped = test_bar_unmapped,
	.reset = test_reset,
};

void pci_test_device_init(struct pci_test_device *test, const char *name)
{
	memset(test, 0, sizeof(*test));
	test->device.name = name;
	test->device.ops = &test_ops;
	pci_device_init(&test->device, 0x1234, 0x5678, 0x020000, 3, 0x1af4, 0x1100);
}

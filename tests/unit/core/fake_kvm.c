/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/core/fake_kvm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/ranges.h"

static int set_slot(struct fake_kvm *fake, const struct kvm_userspace_memory_region *region)
{
	if (region->slot >= FAKE_KVM_SLOTS)
		return -EINVAL;
	if (region->memory_size == 0) {
		if (fake->slots[region->slot].memory_size == 0)
			return -EINVAL;
		fake->slots[region->slot].memory_size = 0;
		return 0;
	}
	for (unsigned int i = 0; i < FAKE_KVM_SLOTS; i++)
		if (fake->slots[i].memory_size != 0 &&
		    ranges_overlap(region->guest_phys_addr, region->memory_size,
				   fake->slots[i].guest_phys_addr, fake->slots[i].memory_size))
			return -EEXIST;
	fake->slots[region->slot] = *region;
	return 0;
}

static int fake_ioctl(void *opaque, int fd, unsigned long request, void *argument)
{
	struct fake_kvm *fake = opaque;

	(void)fd;
	if (fake->call_count < FAKE_KVM_CALLS)
		fake->calls[fake->call_count++] = request;
	if (request == fake->fail_request) {
		if (fake->fail_after == 0)
			return -fake->fail_errno;
		fake->fail_after--;
	}
	switch (request) {
	case KVM_GET_API_VERSION:
		return fake->api_version;
	case KVM_CREATE_VM:
		return fake->vm_fd;
	case KVM_GET_VCPU_MMAP_SIZE:
		return 12288;
	case KVM_CHECK_EXTENSION:
		if ((int)(uintptr_t)argument == fake->missing_extension)
			return 0;
		switch ((int)(uintptr_t)argument) {
		case KVM_CAP_IRQ_ROUTING:
			return 64;
		case KVM_CAP_NR_MEMSLOTS:
			return FAKE_KVM_SLOTS;
		case KVM_CAP_MAX_VCPUS:
			return 8;
		default:
			return 1;
		}
	case KVM_SET_USER_MEMORY_REGION:
		return set_slot(fake, argument);
	case KVM_SET_GSI_ROUTING: {
		const struct kvm_irq_routing *table = argument;
		size_t size = sizeof(*table) + table->nr * sizeof(table->entries[0]);

		free(fake->routing);
		fake->routing = malloc(size);
		memcpy(fake->routing, table, size);
		return 0;
	}
	case KVM_IRQFD:
		fake->irqfd = *(struct kvm_irqfd *)argument;
		return 0;
	case KVM_IOEVENTFD:
		fake->ioeventfd = *(struct kvm_ioeventfd *)argument;
		return 0;
	case KVM_IRQ_LINE:
		fake->irq_level = *(struct kvm_irq_level *)argument;
		return 0;
	default:
		return -ENOTTY;
	}
}

const struct kvm_ops fake_kvm_ops = {
	.ioctl = fake_ioctl,
};

void fake_kvm_init(struct fake_kvm *fake)
{
	*fake = (struct fake_kvm){
		.vm =
			{
				.ops = &fake_kvm_ops,
				.ops_opaque = fake,
				.kvm_fd = -1,
				.fd = -1,
				.max_vcpus = 8,
				.max_memory_slots = FAKE_KVM_SLOTS,
				.has_irqfd_resample = true,
			},
		.missing_extension = -1,
		.api_version = KVM_API_VERSION,
		.vm_fd = -1,
	};
}

void fake_kvm_destroy(struct fake_kvm *fake)
{
	free(fake->routing);
	fake->routing = NULL;
}

unsigned int fake_kvm_count(const struct fake_kvm *fake, unsigned long request)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < fake->call_count; i++)
		count += fake->calls[i] == request;
	return count;
}

const struct kvm_irq_routing_entry *fake_kvm_route(const struct fake_kvm *fake, uint32_t gsi)
{
	for (uint32_t i = 0; fake->routing && i < fake->routing->nr; i++)
		if (fake->routing->entries[i].gsi == gsi)
			return &fake->routing->entries[i];
	return NULL;
}

const struct irq_lines fake_irq_lines = {.count = FAKE_IRQ_LINES, .irqchip = KVM_IRQCHIP_IOAPIC};

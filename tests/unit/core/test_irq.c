/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/unit/core/fake_kvm.h"
#include "core/irq.h"

static int set_route(struct irq_router *router, uint32_t gsi, uint64_t address, uint32_t data)
{
	return irq_set_msi_route(router, gsi,
				 &(struct irq_message){.address = address, .data = data});
}

static struct irq_router *create(struct fake_kvm *fake)
{
	struct irq_router *router;

	fake_kvm_init(fake);
	cr_assert_eq(irq_router_create(&router, &fake->vm, &fake_irq_lines, NULL), 0);
	/* The pins without the 8259s. */
	cr_assert_eq(fake->call_count, 2, "the limit and the table");
	cr_assert_eq(fake->routing->nr, FAKE_IRQ_LINES);
	fake->call_count = 0;
	return router;
}

Test(irq, no_table_until_a_message_can_be_delivered)
{
	struct fake_kvm fake;
	struct irq_router *router = create(&fake);
	uint32_t gsi[3];

	for (int i = 0; i < 3; i++) {
		cr_assert_eq(irq_alloc_gsi(router, &gsi[i]), 0);
		cr_assert_eq(gsi[i], FAKE_IRQ_LINES + (uint32_t)i);
		cr_assert_eq(set_route(router, gsi[i], 0xfee01000, 0x40u + (uint32_t)i), 0);
	}
	cr_assert_eq(fake_kvm_count(&fake, KVM_SET_GSI_ROUTING), 0);
	cr_assert_eq(irq_attach(router, gsi[1], 9, -1), 0);
	cr_assert_eq(fake_kvm_count(&fake, KVM_SET_GSI_ROUTING), 1, "all three at once");
	cr_assert_eq(fake.routing->nr, FAKE_IRQ_LINES + 3);
	for (uint32_t pin = 0; pin < FAKE_IRQ_LINES; pin++) {
		const struct kvm_irq_routing_entry *entry = fake_kvm_route(&fake, pin);

		cr_assert_not_null(entry);
		cr_assert_eq(entry->type, KVM_IRQ_ROUTING_IRQCHIP);
		cr_assert_eq(entry->u.irqchip.irqchip, KVM_IRQCHIP_IOAPIC);
		cr_assert_eq(entry->u.irqchip.pin, pin);
	}
	for (int i = 0; i < 3; i++) {
		const struct kvm_irq_routing_entry *entry = fake_kvm_route(&fake, gsi[i]);

		cr_assert_not_null(entry);
		cr_assert_eq(entry->type, KVM_IRQ_ROUTING_MSI);
		cr_assert_eq(entry->u.msi.address_lo, 0xfee01000);
		cr_assert_eq(entry->u.msi.address_hi, 0);
		cr_assert_eq(entry->u.msi.data, 0x40 + (uint32_t)i);
	}
	irq_attach(router, gsi[0], 10, -1);
	irq_attach(router, gsi[2], 11, -1);
	cr_assert_eq(fake_kvm_count(&fake, KVM_SET_GSI_ROUTING), 1, "nothing had changed");
	irq_router_destroy(router);
	fake_kvm_destroy(&fake);
}

Test(irq, an_unchanged_route_makes_no_call)
{
	struct fake_kvm fake;
	struct irq_router *router = create(&fake);
	unsigned int calls;
	uint32_t gsi;

	irq_alloc_gsi(router, &gsi);
	set_route(router, gsi, 0x1fee00000, 0x31);
	irq_attach(router, gsi, 9, -1);
	cr_assert_eq(fake_kvm_route(&fake, gsi)->u.msi.address_hi, 1);
	calls = fake.call_count;
	cr_assert_eq(set_route(router, gsi, 0x1fee00000, 0x31), 0);
	cr_assert_eq(fake.call_count, calls);
	cr_assert_eq(set_route(router, gsi, 0x1fee00000, 0x32), 0);
	cr_assert_eq(fake.call_count, calls + 1, "attached: at once");
	cr_assert_eq(fake_kvm_route(&fake, gsi)->u.msi.data, 0x32);
	irq_router_destroy(router);
	fake_kvm_destroy(&fake);
}

Test(irq, a_freed_gsi_loses_its_route)
{
	struct fake_kvm fake;
	struct irq_router *router = create(&fake);
	uint32_t gsi, other, again;

	irq_alloc_gsi(router, &gsi);
	irq_alloc_gsi(router, &other);
	set_route(router, gsi, 0xfee00000, 0x31);
	irq_attach(router, gsi, 9, -1);
	irq_detach(router, gsi, 9);
	irq_free_gsi(router, gsi);
	cr_assert_eq(set_route(router, gsi, 0xfee00000, 0x31), -EINVAL);
	cr_assert_eq(irq_attach(router, gsi, 9, -1), -EINVAL);
	cr_assert_eq(irq_attach(router, other, 9, -1), 0);
	cr_assert_null(fake_kvm_route(&fake, gsi));
	cr_assert_eq(irq_alloc_gsi(router, &again), 0);
	cr_assert_eq(again, gsi, "numbers are used again");
	irq_free_gsi(router, 0);
	irq_free_gsi(router, 4000);
	irq_router_destroy(router);
	fake_kvm_destroy(&fake);
}

Test(irq, runs_out_cleanly)
{
	struct fake_kvm fake;
	struct irq_router *router = create(&fake);
	uint32_t gsi;

	/* The fake offers 64 routes. */
	for (uint32_t i = FAKE_IRQ_LINES; i < 64; i++)
		cr_assert_eq(irq_alloc_gsi(router, &gsi), 0);
	cr_assert_eq(irq_alloc_gsi(router, &gsi), -ENOSPC);
	irq_free_gsi(router, 40);
	cr_assert_eq(irq_alloc_gsi(router, &gsi), 0);
	cr_assert_eq(gsi, 40);
	irq_router_destroy(router);
	fake_kvm_destroy(&fake);
}

Test(irq, attach_and_detach_rules)
{
	struct fake_kvm fake;
	struct irq_router *router = create(&fake);
	uint32_t gsi;

	irq_alloc_gsi(router, &gsi);
	cr_assert_eq(irq_attach(router, gsi, -1, -1), -EINVAL);
	cr_assert_eq(irq_attach(router, gsi, 9, 10), -EINVAL, "resample is for pins");
	cr_assert_eq(irq_attach(router, gsi + 1, 9, -1), -EINVAL, "not allocated");
	cr_assert_eq(irq_attach(router, gsi, 9, -1), 0);
	cr_assert_eq(irq_attach(router, gsi, 9, -1), -EBUSY);
	cr_assert_eq(irq_attach(router, 5, 9, -1), -EBUSY);
	cr_assert_eq(irq_detach(router, gsi, 8), -ENOENT);
	cr_assert_eq(irq_detach(router, 5, 9), -ENOENT);
	cr_assert_eq(irq_detach(router, gsi, 9), 0);
	cr_assert_eq(fake.irqfd.flags, KVM_IRQFD_FLAG_DEASSIGN);
	cr_assert_eq(fake.irqfd.gsi, gsi);
	cr_assert_eq(irq_detach(router, gsi, 9), -ENOENT);
	cr_assert_eq(irq_attach(router, 5, 9, 10), 0);
	cr_assert_eq(fake.irqfd.flags, KVM_IRQFD_FLAG_RESAMPLE);
	cr_assert_eq(fake.irqfd.resamplefd, 10);
	fake.vm.has_irqfd_resample = false;
	cr_assert_eq(irq_attach(router, 6, 11, 12), -EINVAL);
	irq_router_destroy(router);
	cr_assert_eq(fake.irqfd.flags, KVM_IRQFD_FLAG_DEASSIGN, "destroy detaches what is left");
	fake_kvm_destroy(&fake);
}

Test(irq, a_refused_first_table_is_no_router)
{
	struct irq_router *router = NULL;
	struct fake_kvm fake;

	fake_kvm_init(&fake);
	fake.fail_request = KVM_SET_GSI_ROUTING;
	fake.fail_errno = EINVAL;
	cr_assert_eq(irq_router_create(&router, &fake.vm, &fake_irq_lines, NULL), -EINVAL);
	cr_assert_null(router);
	fake_kvm_destroy(&fake);
}

Test(irq, kvm_failures_change_nothing)
{
	struct fake_kvm fake;
	struct irq_router *router = create(&fake);
	uint32_t gsi;

	irq_alloc_gsi(router, &gsi);
	set_route(router, gsi, 0xfee00000, 0x31);
	fake.fail_request = KVM_SET_GSI_ROUTING;
	fake.fail_errno = EINVAL;
	cr_assert_eq(irq_attach(router, gsi, 9, -1), -EINVAL);
	cr_assert_eq(fake_kvm_count(&fake, KVM_IRQFD), 0);
	fake.fail_request = KVM_IRQFD;
	fake.fail_errno = ENOMEM;
	cr_assert_eq(irq_attach(router, gsi, 9, -1), -ENOMEM);
	cr_assert_eq(irq_detach(router, gsi, 9), -ENOENT);
	fake.fail_request = 0;
	cr_assert_eq(irq_attach(router, gsi, 9, -1), 0);
	fake.fail_request = KVM_SET_GSI_ROUTING;
	fake.fail_errno = ENOMEM;
	cr_assert_eq(set_route(router, gsi, 0xfee00000, 0x44), -ENOMEM);
	fake.fail_request = 0;
	/* The refused route was not taken for the current one. */
	cr_assert_eq(set_route(router, gsi, 0xfee00000, 0x44), 0);
	cr_assert_eq(fake_kvm_route(&fake, gsi)->u.msi.data, 0x44);
	irq_router_destroy(router);
	fake_kvm_destroy(&fake);
}

Test(irq, lines_and_messages)
{
	struct fake_kvm fake;
	struct irq_router *router = create(&fake);

	cr_assert_eq(irq_set_line(router, 4, true), 0);
	cr_assert_eq(fake.irq_level.irq, 4);
	cr_assert_eq(fake.irq_level.level, 1);
	cr_assert_eq(irq_set_line(router, 4, false), 0);
	cr_assert_eq(fake.irq_level.level, 0);
	cr_assert_eq(irq_set_line(router, FAKE_IRQ_LINES, true), -EINVAL);
	irq_router_destroy(router);
	fake_kvm_destroy(&fake);
}

Test(irq, a_controller_that_tells_senders_apart)
{
	/* As a GICv3 with an ITS: lines are shared peripheral interrupts, messages carry a
	 * DeviceID. */
	static const struct irq_lines lines = {
		.count = 8, .irqchip = 0, .line_base = 1u << 24 | 32, .msi_needs_device = true};
	struct irq_message message = {.address = 0x8090040, .data = 3, .device = 0x100};
	struct irq_router *router;
	struct fake_kvm fake;
	uint32_t gsi;

	fake_kvm_init(&fake);
	cr_assert_eq(irq_router_create(&router, &fake.vm, &lines, NULL), 0);
	cr_assert_eq(fake.routing->nr, 8);
	cr_assert_eq(fake_kvm_route(&fake, 7)->u.irqchip.irqchip, 0);
	cr_assert_eq(irq_set_line(router, 7, true), 0);
	cr_assert_eq(fake.irq_level.irq, 1u << 24 | 39);
	cr_assert_eq(irq_set_line(router, 8, true), -EINVAL);
	cr_assert_eq(irq_alloc_gsi(router, &gsi), 0);
	cr_assert_eq(gsi, 8);
	cr_assert_eq(irq_set_msi_route(router, gsi, &message), 0);
	cr_assert_eq(irq_attach(router, gsi, 9, -1), 0);
	cr_assert_eq(fake_kvm_route(&fake, gsi)->flags, KVM_MSI_VALID_DEVID);
	cr_assert_eq(fake_kvm_route(&fake, gsi)->u.msi.devid, 0x100);
	message.device = 0x108;
	cr_assert_eq(irq_set_msi_route(router, gsi, &message), 0);
	cr_assert_eq(fake_kvm_route(&fake, gsi)->u.msi.devid, 0x108,
		     "another sender, another route");
	irq_router_destroy(router);
	fake_kvm_destroy(&fake);
}

Test(irq, without_a_vm)
{
	struct irq_router *router;
	uint32_t gsi;

	cr_assert_eq(irq_router_create(&router, NULL, &fake_irq_lines, NULL), 0);
	cr_assert_eq(irq_alloc_gsi(router, &gsi), 0);
	cr_assert_eq(set_route(router, gsi, 1, 2), 0);
	cr_assert_eq(irq_attach(router, gsi, 9, -1), 0);
	cr_assert_eq(irq_attach(router, gsi, 9, -1), -EBUSY);
	cr_assert_eq(irq_set_line(router, 3, true), 0);
	irq_router_destroy(router);
	irq_router_destroy(NULL);
}

Test(irq, the_real_kvm)
{
	struct irq_router *router;
	struct kvm_vm vm;
	uint32_t gsi;
	int fd, pin_fd, resample_fd;

	if (access("/dev/kvm", R_OK | W_OK) != 0)
		cr_skip_test("/dev/kvm is absent or not accessible");
	cr_assert_eq(kvm_vm_open(&vm, -1, NULL), 0);
	cr_assert_eq(kvm_vm_ioctl(&vm, KVM_CREATE_IRQCHIP, NULL), 0);
	cr_assert_eq(irq_router_create(&router, &vm, &fake_irq_lines, NULL), 0);
	fd = eventfd(0, EFD_CLOEXEC);
	pin_fd = eventfd(0, EFD_CLOEXEC);
	resample_fd = eventfd(0, EFD_CLOEXEC);
	for (int i = 0; i < 200; i++) {
		cr_assert_eq(irq_alloc_gsi(router, &gsi), 0);
		cr_assert_eq(set_route(router, gsi, 0xfee00000, 0x31), 0);
	}
	cr_assert_eq(irq_attach(router, gsi, fd, -1), 0);
	cr_assert_eq(irq_attach(router, 5, pin_fd, resample_fd), 0);
	cr_assert_eq(irq_set_line(router, 6, true), 0);
	cr_assert_eq(irq_detach(router, gsi, fd), 0);
	cr_assert_eq(irq_attach(router, gsi, fd, -1), 0);
	irq_router_destroy(router);
	close(fd);
	close(pin_fd);
	close(resample_fd);
	kvm_vm_close(&vm);
}

static void count_line(void *opaque, enum log_level level, const char *object, const char *message)
{
	(void)level;
	(void)object;
	(void)message;
	++*(unsigned int *)opaque;
}

/* A guest unmasks vectors again and again. */
Test(irq, a_guest_without_a_gsi_does_not_flood_the_log)
{
	unsigned int lines = 0, got = 0;
	const struct logger logger = {count_line, &lines, LOG_LEVEL_DEBUG};
	struct irq_router *router;
	struct fake_kvm fake;
	uint32_t gsi;

	fake_kvm_init(&fake);
	cr_assert_eq(irq_router_create(&router, &fake.vm, &fake_irq_lines, &logger), 0);
	while (irq_alloc_gsi(router, &gsi) == 0)
		got++;
	cr_assert_gt(got, 0u);
	for (int i = 0; i < 1000; i++)
		cr_assert_eq(irq_alloc_gsi(router, &gsi), -ENOSPC);
	cr_expect_geq(lines, 1u);
	cr_expect_leq(lines, 10u);
	irq_router_destroy(router);
	fake_kvm_destroy(&fake);
}

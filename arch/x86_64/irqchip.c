/* SPDX-License-Identifier: Apache-2.0 */
/* The in-kernel interrupt controllers: a local APIC for each vCPU, and one IOAPIC. */
#include "arch/arch.h"
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/layout.h"

const struct irq_lines *arch_irq_lines(void)
{
	/*
	 * KVM_CREATE_IRQCHIP routes the first pins to the 8259s too. No guest of this machine
	 * initialises those, and their first interrupt would arrive as CPU exception 0 to 15: so
	 * the router names the IOAPIC only.
	 */
	static const struct irq_lines lines = {
		.count = X86_IOAPIC_PINS,
		.irqchip = KVM_IRQCHIP_IOAPIC,
	};

	return &lines;
}

int arch_irqchip_create(struct arch_irqchip **irqchip, const struct kvm_vm *vm, uint32_t vcpus,
			const struct logger *logger)
{
	(void)vcpus;
	*irqchip = NULL; /* KVM keeps them in its virtual machine: nothing is ours to hold */
	return cpu_setup_vm(vm, logger);
}

int arch_irqchip_finish(struct arch_irqchip *irqchip)
{
	(void)irqchip; /* KVM makes a local APIC with each vCPU */
	return 0;
}

void arch_irqchip_destroy(struct arch_irqchip *irqchip)
{
	(void)irqchip;
}

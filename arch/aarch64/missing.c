/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stub of an architecture: every function of arch/arch.h is here, none does anything, and
 * arch_gaps() says what each would take. It compiles on any host and so proves that the interface
 * is complete and names no other architecture. No machine starts with it.
 */
#include <errno.h>

#include "arch/arch.h"

static const struct arch_gap gaps[] = {
	{"arch_map", "no fixed points: RAM from 1 GiB on, GIC and PL011 below, ECAM"},
	{"arch_check_features", "no names of CPU features"},
	{"arch_cpus_create",
	 "KVM_ARM_PREFERRED_TARGET is not asked, and KVM_CREATE_VM gets no address size"},
	{"arch_cpus_destroy", "goes with arch_cpus_create()"},
	{"arch_cpus_phys_bits", "goes with arch_cpus_create(): KVM_CAP_ARM_VM_IPA_SIZE"},
	{"arch_irq_lines", "shared peripheral interrupts from 32 on, messages with a DeviceID"},
	{"arch_irqchip_create", "KVM_DEV_TYPE_ARM_VGIC_V3: distributor and redistributors"},
	{"arch_irqchip_finish",
	 "KVM_DEV_ARM_VGIC_CTRL_INIT after the vCPUs, then KVM_DEV_TYPE_ARM_VGIC_ITS"},
	{"arch_irqchip_destroy", "goes with arch_irqchip_create()"},
	{"arch_cpus_set_up",
	 "KVM_ARM_VCPU_INIT with PSCI 0.2, all vCPUs but the first powered off"},
	{"arch_check_kernel", "no reader of the arm64 Image header"},
	{"arch_kernel_load", "no loader of the arm64 Image"},
	{"arch_kernel_destroy", "goes with arch_kernel_load()"},
	{"arch_cpus_set_boot", "KVM_SET_ONE_REG of PC and x0"},
	{"arch_platform_create",
	 "no PL011; power button and reset on a shared peripheral interrupt"},
	{"arch_platform_destroy", "goes with arch_platform_create()"},
	{"arch_platform_flush", "goes with arch_platform_create()"},
	{"arch_platform_power_button", "goes with arch_platform_create()"},
	{"arch_write_firmware", "no MADT with GICC, GICD, GICR and ITS, no GTDT, no IORT; no EFI "
				"system table and device tree"},
	{"arch_serve_exit", "KVM_EXIT_SYSTEM_EVENT of PSCI"},
	{"arch_instruction_pointer", "KVM_GET_ONE_REG of PC"},
	{"arch_instruction_pointer_name", "goes with arch_instruction_pointer()"},
	{"arch_vcpu_paused", "nothing tells the guest's watchdogs"},
};

const struct arch_gap *arch_gaps(size_t *count)
{
	*count = sizeof(gaps) / sizeof(gaps[0]);
	return gaps;
}

const struct arch_map *arch_map(void)
{
	static const struct arch_map nowhere;

	return &nowhere;
}

int arch_check_features(const char *features, char *bad)
{
	(void)features;
	bad[0] = 0;
	return -ENOSYS;
}

int arch_cpus_create(struct arch_cpus **cpus, const struct kvm_vm *vm,
		     const struct arch_cpus_options *options, const struct logger *logger)
{
	(void)cpus;
	(void)vm;
	(void)options;
	(void)logger;
	return -ENOSYS;
}

void arch_cpus_destroy(struct arch_cpus *cpus)
{
	(void)cpus;
}

uint32_t arch_cpus_phys_bits(const struct arch_cpus *cpus)
{
	(void)cpus;
	return 0;
}

const struct irq_lines *arch_irq_lines(void)
{
	static const struct irq_lines none;

	return &none;
}

int arch_irqchip_create(struct arch_irqchip **irqchip, const struct kvm_vm *vm, uint32_t vcpus,
			const struct logger *logger)
{
	(void)irqchip;
	(void)vm;
	(void)vcpus;
	(void)logger;
	return -ENOSYS;
}

int arch_irqchip_finish(struct arch_irqchip *irqchip)
{
	(void)irqchip;
	return -ENOSYS;
}

void arch_irqchip_destroy(struct arch_irqchip *irqchip)
{
	(void)irqchip;
}

int arch_cpus_set_up(struct arch_cpus *cpus, uint32_t index, int vcpu_fd)
{
	(void)cpus;
	(void)index;
	(void)vcpu_fd;
	return -ENOSYS;
}

int arch_check_kernel(int fd, uint64_t file_size, struct arch_kernel_needs *needs, const char **why)
{
	(void)fd;
	(void)file_size;
	*needs = (struct arch_kernel_needs){0};
	*why = "kernels of this architecture are not supported yet";
	return -ENOSYS;
}

int arch_kernel_load(struct arch_kernel **kernel, struct guest_memory *memory, const char *path,
		     const struct logger *logger)
{
	(void)kernel;
	(void)memory;
	(void)path;
	(void)logger;
	return -ENOSYS;
}

void arch_kernel_destroy(struct arch_kernel *kernel)
{
	(void)kernel;
}

int arch_cpus_set_boot(const struct arch_cpus *cpus, int vcpu_fd, const struct arch_kernel *kernel)
{
	(void)cpus;
	(void)vcpu_fd;
	(void)kernel;
	return -ENOSYS;
}

int arch_platform_create(struct arch_platform **platform,
			 const struct arch_platform_options *options)
{
	(void)platform;
	(void)options;
	return -ENOSYS;
}

void arch_platform_destroy(struct arch_platform *platform)
{
	(void)platform;
}

void arch_platform_flush(struct arch_platform *platform)
{
	(void)platform;
}

int arch_platform_power_button(struct arch_platform *platform)
{
	(void)platform;
	return -ENOSYS;
}

int arch_write_firmware(const struct arch_firmware *firmware)
{
	(void)firmware;
	return -ENOSYS;
}

enum arch_exit arch_serve_exit(const struct arch_vcpu *vcpu, struct arch_exit_report *report)
{
	(void)vcpu;
	report->detail[0] = 0;
	return ARCH_EXIT_ERROR;
}

uint64_t arch_instruction_pointer(const struct arch_vcpu *vcpu)
{
	(void)vcpu;
	return 0;
}

const char arch_instruction_pointer_name[] = "pc";

void arch_vcpu_paused(const struct arch_vcpu *vcpu)
{
	(void)vcpu;
}

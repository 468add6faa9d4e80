/* SPDX-License-Identifier: Apache-2.0 */
#include "arch/x86_64/cpu.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "arch/x86_64/layout.h"

#define MSR_IA32_MISC_ENABLE    0x1a0u
#define MISC_ENABLE_FAST_STRING 1ull
#define MSR_MTRR_DEF_TYPE       0x2ffu
#define MTRR_ENABLED_WRITE_BACK                                                                    \
	0x806ull /* E = 1, default type write-back (SDM vol. 3A, 12.11.2.1) */
#define CR0_PE   1ull
#define CR0_ET   0x10ull
#define CR0_PG   0x80000000ull
#define CR4_PAE  0x20ull
#define EFER_LME 0x100ull
#define EFER_LMA 0x400ull

static int vcpu_ioctl(const struct kvm_vm *vm, int fd, unsigned long request, void *argument,
		      const char *what, const struct logger *logger)
{
	int result = vm->ops->ioctl(vm->ops_opaque, fd, request, argument);

	if (result < 0)
		log_error(logger, "kvm", "%s failed: %s", what, strerror(-result));
	return result;
}

int cpu_cpuid_supported(const struct kvm_vm *vm, struct cpu_cpuid *cpuid)
{
	int result;

	_Static_assert(offsetof(struct cpu_cpuid, entries) == offsetof(struct kvm_cpuid2, entries),
		       "same layout");
	cpuid->count = CPU_MAX_CPUID_ENTRIES;
	cpuid->padding = 0;
	result = vcpu_ioctl(vm, vm->kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid,
			    "KVM_GET_SUPPORTED_CPUID", vm->logger);
	return result < 0 ? result : 0;
}

int cpu_setup_vm(const struct kvm_vm *vm, const struct logger *logger)
{
	uint64_t identity_map = X86_KVM_IDENTITY_MAP;
	int result;

	/* Both matter only to Intel CPUs without unrestricted guest; other KVMs accept and ignore
	 * them. */
	result = vcpu_ioctl(vm, vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity_map,
			    "KVM_SET_IDENTITY_MAP_ADDR", logger);
	if (result < 0)
		return result;
	result = vcpu_ioctl(vm, vm->fd, KVM_SET_TSS_ADDR, (void *)(uintptr_t)X86_KVM_TSS,
			    "KVM_SET_TSS_ADDR", logger);
	if (result < 0)
		return result;
	result = vcpu_ioctl(vm, vm->fd, KVM_CREATE_IRQCHIP, NULL, "KVM_CREATE_IRQCHIP", logger);
	return result < 0 ? result : 0;
}

int cpu_setup_vcpu(const struct kvm_vm *vm, int vcpu_fd, const struct cpu_cpuid *cpuid,
		   const struct logger *logger)
{
	struct {
		struct kvm_msrs header;
		struct kvm_msr_entry entries[2];
	} msrs = {
		.header = {.nmsrs = 2},
		.entries =
			{
				{.index = MSR_MTRR_DEF_TYPE, .data = MTRR_ENABLED_WRITE_BACK},
				{.index = MSR_IA32_MISC_ENABLE, .data = MISC_ENABLE_FAST_STRING},
			},
	};
	int result;

	result = vcpu_ioctl(vm, vcpu_fd, KVM_SET_CPUID2, (void *)(uintptr_t)cpuid, "KVM_SET_CPUID2",
			    logger);
	if (result < 0)
		return result;
	/* The result is how many were set: an AMD host may not know the second one, which is fine.
	 */
	result = vcpu_ioctl(vm, vcpu_fd, KVM_SET_MSRS, &msrs, "KVM_SET_MSRS", logger);
	return result < 0 ? result : 0;
}

int cpu_setup_apic_map(const struct kvm_vm *vm, int vcpu_fd, const struct logger *logger)
{
	struct kvm_lapic_state state;
	int result;

	result = vcpu_ioctl(vm, vcpu_fd, KVM_GET_LAPIC, &state, "KVM_GET_LAPIC", logger);
	if (result < 0)
		return result;
	result = vcpu_ioctl(vm, vcpu_fd, KVM_SET_LAPIC, &state, "KVM_SET_LAPIC", logger);
	return result < 0 ? result : 0;
}

static struct kvm_segment segment(uint16_t selector, uint8_t type, bool code, bool long_mode)
{
	return (struct kvm_segment){
		.limit = 0xffffffff,
		.selector = selector,
		.type = type,
		.present = 1,
		.s = 1,
		.g = 1,
		.db = !long_mode,
		.l = code && long_mode,
	};
}

int cpu_setup_boot(const struct kvm_vm *vm, int vcpu_fd, const struct boot_kernel *kernel,
		   const struct logger *logger)
{
	bool long_mode = kernel->protocol == BOOT_LINUX_64;
	struct kvm_segment data = segment(0x18, 3, false, false);
	struct kvm_sregs sregs;
	struct kvm_regs regs = {
		.rip = kernel->entry,
		.rflags = 2,
		.rsp = X86_BOOT_STACK,
	};
	int result;

	result = vcpu_ioctl(vm, vcpu_fd, KVM_GET_SREGS, &sregs, "KVM_GET_SREGS", logger);
	if (result < 0)
		return result;
	sregs.cs = segment(0x10, 0xb, true, long_mode);
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.tr = (struct kvm_segment){.limit = 0x67, .selector = 0x20, .type = 0xb, .present = 1};
	sregs.gdt.base = X86_BOOT_GDT;
	sregs.gdt.limit = 5 * 8 - 1;
	sregs.idt.base = 0;
	sregs.idt.limit = 0;
	if (long_mode) {
		sregs.cr0 = CR0_PE | CR0_ET | CR0_PG;
		sregs.cr3 = X86_BOOT_PML4;
		sregs.cr4 = CR4_PAE;
		sregs.efer = EFER_LME | EFER_LMA;
		regs.rsi = X86_BOOT_PARAMS; /* boot.rst: %rsi holds the zero page */
	} else {
		sregs.cr0 = CR0_PE | CR0_ET;
		sregs.cr4 = 0;
		sregs.efer = 0;
		regs.rbx = X86_BOOT_PARAMS; /* PVH: %ebx holds hvm_start_info */
	}
	result = vcpu_ioctl(vm, vcpu_fd, KVM_SET_SREGS, &sregs, "KVM_SET_SREGS", logger);
	if (result < 0)
		return result;
	result = vcpu_ioctl(vm, vcpu_fd, KVM_SET_REGS, &regs, "KVM_SET_REGS", logger);
	return result < 0 ? result : 0;
}

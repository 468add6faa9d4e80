/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARCH_X86_64_CPU_H
#define ARCH_X86_64_CPU_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

#include "arch/arch.h"
#include "arch/x86_64/boot.h"
#include "core/kvm.h"

/* The APIC ID of vCPU @index under @topology: packed by powers of two. Pure. */
uint32_t cpu_apic_id(const struct cpu_topology *topology, uint32_t index);

/*
 * cpu_cache_span() - how many consecutive APIC IDs, a power of two, may share a cache: at most a
 * socket's, and so many that nobody shares one with a vCPU of another NUMA node, which Linux takes
 * for an error of the firmware. At least the threads of a core. @nodes: the node of each vCPU, or
 * NULL. Pure.
 */
uint32_t cpu_cache_span(const struct cpu_topology *topology, const uint32_t *nodes);

/*
 * A feature switched on or off by name ("cx16", "xsave", "hypervisor"), spelled as in
 * /proc/cpuinfo. cpu_features_parse() reads "+a,-b,c" into @changes (at most
 * CPU_MAX_FEATURE_CHANGES). Pure. Returns the count, or -EINVAL with the offending name copied to
 * @bad (64 bytes).
 */
#define CPU_MAX_FEATURE_CHANGES 64u

struct cpu_feature_change {
	uint32_t function;
	uint32_t index;
	uint8_t reg; /* 0 eax, 1 ebx, 2 ecx, 3 edx */
	uint8_t bit;
	bool on;
};
int cpu_features_parse(const char *text, struct cpu_feature_change *changes, char *bad);

#define CPU_MAX_CPUID_ENTRIES 256u

struct cpu_cpuid {
	uint32_t count;
	uint32_t padding;
	struct kvm_cpuid_entry2 entries[CPU_MAX_CPUID_ENTRIES];
};

struct cpu_cpuid_options {
	struct cpu_topology topology;
	const struct cpu_feature_change *changes;
	uint32_t change_count;
	uint32_t max_phys_bits; /* 0: as the host */
	uint32_t cache_span;    /* of cpu_cache_span(); 0: a socket's */
	bool tsc_deadline;      /* KVM_CAP_TSC_DEADLINE_TIMER */
};

/* KVM_GET_SUPPORTED_CPUID into @cpuid. Returns 0 or -errno. */
int cpu_cpuid_supported(const struct kvm_vm *vm, struct cpu_cpuid *cpuid);

/*
 * cpu_cpuid_build() - make the supported set (in @cpuid, changed in place) that of vCPU @vcpu.
 * Pure, idempotent. Returns 0, or -ENOTSUP when a feature that should be on is not supported by the
 * host (@change receives its position).
 */
int cpu_cpuid_build(struct cpu_cpuid *cpuid, const struct cpu_cpuid_options *options, uint32_t vcpu,
		    uint32_t *change);

/* MAXPHYADDR of the set (CPUID 0x80000008, 36 when absent). Pure. */
uint32_t cpu_cpuid_phys_bits(const struct cpu_cpuid *cpuid);

/* Whether the guest will see a hypervisor (CPUID 1, ECX bit 31) and so kvmclock. Pure. */
bool cpu_cpuid_has_hypervisor(const struct cpu_cpuid *cpuid);

/* vCPU-independent KVM set-up, before the first vCPU: TSS and identity map addresses, irqchip. */
int cpu_setup_vm(const struct kvm_vm *vm, const struct logger *logger);

struct arch_cpus {
	const struct kvm_vm *vm;
	const struct logger *logger;
	struct cpu_cpuid_options options;
	struct cpu_feature_change changes[CPU_MAX_FEATURE_CHANGES];
	struct cpu_cpuid cpuid; /* as the vCPU sees it that was set up last */
};

/*
 * cpu_setup_apic_map() - let KVM find every vCPU by its APIC ID. KVM makes that map while it
 * creates a vCPU, before the vCPU is in the VM's list, and makes it again only when a local APIC
 * changes: an INIT that a guest sends before it enables its APIC would be lost. Any one vCPU does,
 * once all exist. Returns 0 or -errno, logged.
 */
int cpu_setup_apic_map(const struct kvm_vm *vm, int vcpu_fd, const struct logger *logger);

/* CPUID and MSRs of one vCPU. Returns 0 or -errno, logged. */
int cpu_setup_vcpu(const struct kvm_vm *vm, int vcpu_fd, const struct cpu_cpuid *cpuid,
		   const struct logger *logger);

/* Registers of the boot vCPU as @kernel's protocol wants them; the others wait for INIT and SIPI.
 */
int cpu_setup_boot(const struct kvm_vm *vm, int vcpu_fd, const struct boot_kernel *kernel,
		   const struct logger *logger);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The CPU model of arch/arch.h: CPUID, read from the host once and made that of each vCPU. */
#include <errno.h>
#include <stdlib.h>

#include "arch/arch.h"
#include "arch/x86_64/cpu.h"

int arch_check_features(const char *features, char *bad)
{
	struct cpu_feature_change changes[CPU_MAX_FEATURE_CHANGES];
	int count = cpu_features_parse(features, changes, bad);

	return count < 0 ? count : 0;
}

static int parse_features(struct arch_cpus *cpus, const char *features)
{
	char bad[ARCH_FEATURE_NAME];
	int count = cpu_features_parse(features, cpus->changes, bad);

	if (count < 0) {
		log_error(cpus->logger, "cpus",
			  "features=%s: '%s' is not a CPU feature that cxvm knows; use +name or "
			  "-name with the names of /proc/cpuinfo",
			  features, bad);
		return count;
	}
	cpus->options.changes = cpus->changes;
	cpus->options.change_count = (uint32_t)count;
	return 0;
}

int arch_cpus_create(struct arch_cpus **result, const struct kvm_vm *vm,
		     const struct arch_cpus_options *options, const struct logger *logger)
{
	struct arch_cpus *cpus = calloc(1, sizeof(*cpus));
	uint32_t refused;
	int error;

	if (!cpus)
		return -ENOMEM;
	cpus->vm = vm;
	cpus->logger = logger;
	cpus->options.topology = options->topology;
	cpus->options.max_phys_bits = options->max_phys_bits;
	cpus->options.cache_span = cpu_cache_span(&options->topology, options->nodes);
	cpus->options.tsc_deadline = kvm_vm_check_extension(vm, KVM_CAP_TSC_DEADLINE_TIMER) > 0;
	error = parse_features(cpus, options->features);
	if (!error)
		error = cpu_cpuid_supported(vm, &cpus->cpuid);
	if (!error) {
		/* All vCPUs have the same features and address width: the first one tells. */
		error = cpu_cpuid_build(&cpus->cpuid, &cpus->options, 0, &refused);
		if (error)
			log_error(logger, "cpus",
				  "features=%s: number %u in the list is not offered by this host",
				  options->features, refused + 1);
	}
	if (error) {
		arch_cpus_destroy(cpus);
		return error;
	}
	*result = cpus;
	return 0;
}

void arch_cpus_destroy(struct arch_cpus *cpus)
{
	free(cpus);
}

uint32_t arch_cpus_phys_bits(const struct arch_cpus *cpus)
{
	return cpu_cpuid_phys_bits(&cpus->cpuid);
}

int arch_cpus_set_up(struct arch_cpus *cpus, uint32_t index, int vcpu_fd)
{
	uint32_t refused;
	int error = cpu_cpuid_build(&cpus->cpuid, &cpus->options, index, &refused);

	if (!error)
		error = cpu_setup_vcpu(cpus->vm, vcpu_fd, &cpus->cpuid, cpus->logger);
	/* One vCPU has nobody to send to. */
	if (error || !index || index + 1 != cpus->options.topology.vcpus)
		return error;
	return cpu_setup_apic_map(cpus->vm, vcpu_fd, cpus->logger);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "arch/x86_64/cpu.h"

#include <errno.h>
#include <string.h>

#define LEAF1_ECX_TSC_DEADLINE (1u << 24)
#define LEAF1_ECX_X2APIC       (1u << 21)
#define LEAF1_ECX_HYPERVISOR   (1u << 31)
#define LEAF1_ECX_MONITOR      (1u << 3)
#define LEAF1_EDX_HTT          (1u << 28)
#define LEAF1_ECX_VMX          (1u << 5)
#define LEAF_AMD_ECX_SVM       (1u << 2)
#define REG_ECX                2u /* struct cpu_feature_change */

static uint32_t bits_for(uint32_t count)
{
	uint32_t bits = 0;

	while ((1u << bits) < count)
		bits++;
	return bits;
}

uint32_t cpu_apic_id(const struct cpu_topology *topology, uint32_t index)
{
	uint32_t thread_bits = bits_for(topology->threads);
	uint32_t core_bits = bits_for(topology->cores);
	uint32_t thread = index % topology->threads;
	uint32_t core = index / topology->threads % topology->cores;
	uint32_t socket = index / topology->threads / topology->cores;

	return socket << (thread_bits + core_bits) | core << thread_bits | thread;
}

static bool crosses_nodes(const struct cpu_topology *topology, const uint32_t *nodes, uint32_t span)
{
	for (uint32_t i = 0; i < topology->vcpus; i++)
		for (uint32_t j = 0; j < i; j++)
			if (nodes[i] != nodes[j] &&
			    cpu_apic_id(topology, i) / span == cpu_apic_id(topology, j) / span)
				return true;
	return false;
}

uint32_t cpu_cache_span(const struct cpu_topology *topology, const uint32_t *nodes)
{
	uint32_t least = 1u << bits_for(topology->threads);
	uint32_t span = least << bits_for(topology->cores);

	while (nodes && span > least && crosses_nodes(topology, nodes, span))
		span /= 2;
	return span;
}

static struct kvm_cpuid_entry2 *find(struct cpu_cpuid *cpuid, uint32_t function, uint32_t index)
{
	for (uint32_t i = 0; i < cpuid->count; i++)
		if (cpuid->entries[i].function == function && cpuid->entries[i].index == index)
			return &cpuid->entries[i];
	return NULL;
}

static struct kvm_cpuid_entry2 *find_or_add(struct cpu_cpuid *cpuid, uint32_t function,
					    uint32_t index)
{
	struct kvm_cpuid_entry2 *entry = find(cpuid, function, index);

	if (entry || cpuid->count == CPU_MAX_CPUID_ENTRIES)
		return entry;
	entry = &cpuid->entries[cpuid->count++];
	memset(entry, 0, sizeof(*entry));
	entry->function = function;
	entry->index = index;
	entry->flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
	return entry;
}

static uint32_t *reg_of(struct kvm_cpuid_entry2 *entry, uint8_t reg)
{
	uint32_t *regs[] = {&entry->eax, &entry->ebx, &entry->ecx, &entry->edx};

	return regs[reg & 3];
}

/* Leaf 0xB and 0x1F: extended topology (SDM vol. 2A); one sub-leaf per level, then an empty one. */
static void set_extended_topology(struct cpu_cpuid *cpuid, uint32_t function,
				  const struct cpu_topology *topology, uint32_t apic_id)
{
	const uint32_t shift[3] = {bits_for(topology->threads),
				   bits_for(topology->threads) + bits_for(topology->cores), 0};
	const uint32_t count[3] = {topology->threads, topology->threads * topology->cores, 0};
	const uint32_t type[3] = {1, 2, 0};

	for (uint32_t level = 0; level < 3; level++) {
		struct kvm_cpuid_entry2 *entry = find_or_add(cpuid, function, level);

		if (!entry)
			return;
		entry->eax = shift[level];
		entry->ebx = count[level];
		entry->ecx = level | type[level] << 8;
		entry->edx = apic_id;
	}
}

/* Cache leaves (4 on Intel, 0x8000001D on AMD) say how many CPUs share each cache: L1 and L2 a
 * core, L3 a socket or what of it is in one NUMA node. */
static void set_cache_sharing(struct kvm_cpuid_entry2 *entry,
			      const struct cpu_cpuid_options *options, bool intel)
{
	const struct cpu_topology *topology = &options->topology;
	uint32_t level = entry->eax >> 5 & 7;
	uint32_t thread_span = 1u << bits_for(topology->threads);
	uint32_t l3_span = options->cache_span ? options->cache_span
					       : thread_span << bits_for(topology->cores);
	uint32_t sharing = level >= 3 ? l3_span : thread_span;

	if (!(entry->eax & 0x1f))
		return; /* no more caches */
	entry->eax &= intel ? 0x3fffu : ~0x3ffc000u;
	entry->eax |= (sharing - 1) << 14 & 0x3ffc000u;
	if (intel)
		entry->eax |= ((1u << bits_for(topology->cores)) - 1) << 26;
}

static void set_vcpu_fields(struct cpu_cpuid *cpuid, const struct cpu_cpuid_options *options,
			    uint32_t apic_id, bool amd)
{
	const struct cpu_topology *topology = &options->topology;
	uint32_t per_socket = topology->threads * topology->cores;
	uint32_t socket_bits = bits_for(topology->threads) + bits_for(topology->cores);

	for (uint32_t i = 0; i < cpuid->count; i++) {
		struct kvm_cpuid_entry2 *entry = &cpuid->entries[i];

		switch (entry->function) {
		case 1:
			entry->ebx = (entry->ebx & 0x0000ffffu) | apic_id << 24 |
				     (1u << socket_bits & 0xff) << 16;
			entry->edx = per_socket > 1 ? entry->edx | LEAF1_EDX_HTT
						    : entry->edx & ~LEAF1_EDX_HTT;
			break;
		case 4:
			set_cache_sharing(entry, options, true);
			break;
		case 0x80000001:
			/* CmpLegacy: more than one core per socket and AMD's legacy count below
			 * (APM, Fn8000_0001). */
			if (amd)
				entry->ecx = per_socket > 1 ? entry->ecx | 2u : entry->ecx & ~2u;
			break;
		case 0x80000008:
			if (amd)
				entry->ecx = (entry->ecx & ~0xf0ffu) | socket_bits << 12 |
					     (per_socket - 1);
			break;
		case 0x8000001d:
			set_cache_sharing(entry, options, false);
			break;
		case 0x8000001e:
			/* APIC ID; core ID and threads per core; one node per socket (APM,
			 * Fn8000_001E). */
			entry->eax = apic_id;
			entry->ebx = (apic_id >> bits_for(topology->threads) & 0xff) |
				     (topology->threads - 1) << 8;
			entry->ecx = (apic_id >> socket_bits) & 0xff;
			break;
		default:
			break;
		}
	}
}

static bool asked_for(const struct cpu_cpuid_options *options, uint32_t function, uint32_t bit)
{
	for (uint32_t i = 0; i < options->change_count; i++) {
		const struct cpu_feature_change *change = &options->changes[i];

		if (change->on && change->function == function && change->reg == REG_ECX &&
		    1u << change->bit == bit)
			return true;
	}
	return false;
}

/* Nested virtualization is a large attack surface of the host's KVM: off unless it is asked for. */
static void hide_virtualization(struct cpu_cpuid *cpuid, const struct cpu_cpuid_options *options)
{
	struct kvm_cpuid_entry2 *entry = find(cpuid, 1, 0);

	if (entry && !asked_for(options, 1, LEAF1_ECX_VMX))
		entry->ecx &= ~LEAF1_ECX_VMX;
	if (asked_for(options, 0x80000001, LEAF_AMD_ECX_SVM))
		return;
	entry = find(cpuid, 0x80000001, 0);
	if (entry)
		entry->ecx &= ~LEAF_AMD_ECX_SVM;
	entry = find(cpuid, 0x8000000a, 0); /* what SVM can do (APM, Fn8000_000A) */
	if (entry)
		entry->eax = entry->ebx = entry->ecx = entry->edx = 0;
}

int cpu_cpuid_build(struct cpu_cpuid *cpuid, const struct cpu_cpuid_options *options, uint32_t vcpu,
		    uint32_t *change)
{
	uint32_t apic_id = cpu_apic_id(&options->topology, vcpu);
	struct kvm_cpuid_entry2 *leaf0 = find(cpuid, 0, 0);
	bool amd = leaf0 &&
		   (leaf0->ebx == 0x68747541 || leaf0->ebx == 0x6f677948); /* "Auth", "Hygo" */
	struct kvm_cpuid_entry2 *entry = find(cpuid, 1, 0);

	if (entry) {
		entry->ecx |= LEAF1_ECX_HYPERVISOR | LEAF1_ECX_X2APIC;
		entry->ecx &= ~LEAF1_ECX_MONITOR;
		if (options->tsc_deadline)
			entry->ecx |= LEAF1_ECX_TSC_DEADLINE;
	}
	hide_virtualization(cpuid, options);
	entry = find(cpuid, 0xa, 0); /* no virtual PMU: nothing would own its interrupts */
	if (entry)
		entry->eax = entry->ebx = entry->ecx = entry->edx = 0;
	entry = find(cpuid, 6, 0); /* thermal and power: only ARAT (the APIC timer never stops) */
	if (entry) {
		entry->eax = 4;
		entry->ebx = entry->ecx = entry->edx = 0;
	}
	entry = find(cpuid, 0x80000008, 0);
	if (entry && options->max_phys_bits && options->max_phys_bits < (entry->eax & 0xff))
		entry->eax = (entry->eax & ~0xffu) | options->max_phys_bits;

	set_vcpu_fields(cpuid, options, apic_id, amd);
	if (leaf0 && leaf0->eax >= 0xb)
		set_extended_topology(cpuid, 0xb, &options->topology, apic_id);
	if (leaf0 && leaf0->eax >= 0x1f)
		set_extended_topology(cpuid, 0x1f, &options->topology, apic_id);

	for (uint32_t i = 0; i < options->change_count; i++) {
		const struct cpu_feature_change *wanted = &options->changes[i];
		uint32_t *reg;

		entry = find(cpuid, wanted->function, wanted->index);
		reg = entry ? reg_of(entry, wanted->reg) : NULL;
		if (wanted->on && (!reg || !(*reg & 1u << wanted->bit))) {
			*change = i;
			return -ENOTSUP;
		}
		if (!wanted->on && reg)
			*reg &= ~(1u << wanted->bit);
	}
	return 0;
}

uint32_t cpu_cpuid_phys_bits(const struct cpu_cpuid *cpuid)
{
	for (uint32_t i = 0; i < cpuid->count; i++)
		if (cpuid->entries[i].function == 0x80000008)
			return cpuid->entries[i].eax & 0xff;
	return 36;
}

bool cpu_cpuid_has_hypervisor(const struct cpu_cpuid *cpuid)
{
	for (uint32_t i = 0; i < cpuid->count; i++)
		if (cpuid->entries[i].function == 1)
			return cpuid->entries[i].ecx & LEAF1_ECX_HYPERVISOR;
	return false;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arch/x86_64/cpu.h"

static struct cpu_cpuid *supported(bool amd)
{
	struct cpu_cpuid *cpuid = calloc(1, sizeof(*cpuid));
	struct kvm_cpuid_entry2 entries[] = {
		{.function = 0, .eax = 0x1f, .ebx = amd ? 0x68747541 : 0x756e6547},
		{.function = 1,
		 .ebx = 0x0800,
		 .ecx = 1u << 13 | 1u << 26 | 1u << 3,
		 .edx = 0x178bfbff},
		{.function = 4, .index = 0, .eax = 0x1c004121},
		{.function = 4, .index = 3, .eax = 0x1c03c163},
		{.function = 6, .eax = 0x77},
		{.function = 0xa, .eax = 0x7300404},
		{.function = 0x80000001, .ecx = 1},
		{.function = 0x80000008, .eax = 0x3034},
		{.function = 0x8000001d, .index = 3, .eax = 0x3c163},
		{.function = 0x8000001e},
	};

	memcpy(cpuid->entries, entries, sizeof(entries));
	cpuid->count = sizeof(entries) / sizeof(entries[0]);
	return cpuid;
}

static struct kvm_cpuid_entry2 *entry(struct cpu_cpuid *cpuid, uint32_t function, uint32_t index)
{
	for (uint32_t i = 0; i < cpuid->count; i++)
		if (cpuid->entries[i].function == function && cpuid->entries[i].index == index)
			return &cpuid->entries[i];
	cr_assert_fail("no leaf %x.%u", function, index);
	return NULL;
}

Test(cpu, apic_ids_are_packed_by_powers_of_two)
{
	const struct cpu_topology flat = {.vcpus = 4, .sockets = 1, .cores = 4, .threads = 1};
	const struct cpu_topology odd = {.vcpus = 12, .sockets = 2, .cores = 3, .threads = 2};
	static const uint32_t expected[] = {0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13};

	for (uint32_t i = 0; i < 4; i++)
		cr_expect_eq(cpu_apic_id(&flat, i), i);
	for (uint32_t i = 0; i < 12; i++)
		cr_expect_eq(cpu_apic_id(&odd, i), expected[i], "vCPU %u", i);
}

Test(cpu, cpuid_shows_the_topology)
{
	const struct cpu_cpuid_options options = {
		.topology = {.vcpus = 8, .sockets = 2, .cores = 2, .threads = 2},
		.tsc_deadline = true,
	};
	uint32_t change;

	for (int amd = 0; amd < 2; amd++) {
		struct cpu_cpuid *cpuid = supported(amd);

		cr_assert_eq(cpu_cpuid_build(cpuid, &options, 5, &change), 0);
		/* vCPU 5: socket 1, core 0, thread 1 -> APIC ID 4 | 0 | 1 */
		cr_expect_eq(entry(cpuid, 1, 0)->ebx >> 24, 5);
		cr_expect_eq(entry(cpuid, 1, 0)->ebx >> 16 & 0xff, 4);
		cr_expect(entry(cpuid, 1, 0)->edx & 1u << 28, "HTT");
		cr_expect(entry(cpuid, 1, 0)->ecx & 1u << 24, "TSC deadline");
		cr_expect(entry(cpuid, 1, 0)->ecx & 1u << 31, "hypervisor");
		cr_expect_not(entry(cpuid, 1, 0)->ecx & 1u << 3, "no MONITOR");
		cr_expect_eq(entry(cpuid, 0xb, 0)->eax, 1);
		cr_expect_eq(entry(cpuid, 0xb, 0)->ebx, 2);
		cr_expect_eq(entry(cpuid, 0xb, 1)->eax, 2);
		cr_expect_eq(entry(cpuid, 0xb, 1)->ebx, 4);
		cr_expect_eq(entry(cpuid, 0xb, 1)->ecx, 0x201);
		cr_expect_eq(entry(cpuid, 0xb, 2)->ecx, 2);
		cr_expect_eq(entry(cpuid, 0x1f, 1)->edx, 5);
		cr_expect_eq(entry(cpuid, 4, 3)->eax >> 14 & 0xfff, 3, "L3 is shared by a socket");
		cr_expect_eq(entry(cpuid, 4, 0)->eax >> 14 & 0xfff, 1, "L1 is shared by a core");
		cr_expect_eq(entry(cpuid, 4, 0)->eax >> 26, 1, "core ids per package");
		cr_expect_eq(entry(cpuid, 6, 0)->eax, 4);
		cr_expect_eq(entry(cpuid, 0xa, 0)->eax, 0);
		if (amd) {
			cr_expect(entry(cpuid, 0x80000001, 0)->ecx & 2, "CmpLegacy");
			cr_expect_eq(entry(cpuid, 0x80000008, 0)->ecx & 0xff, 3);
			cr_expect_eq(entry(cpuid, 0x80000008, 0)->ecx >> 12, 2);
			cr_expect_eq(entry(cpuid, 0x8000001e, 0)->eax, 5);
			cr_expect_eq(entry(cpuid, 0x8000001e, 0)->ebx, 0x102);
		}
		free(cpuid);
	}
}

/* Linux warns of a last-level cache that two nodes share, and builds its scheduling domains wrong.
 */
Test(cpu, no_cache_crosses_a_node)
{
	static const struct {
		struct cpu_topology topology;
		uint32_t nodes[12];
		uint32_t span;
	} cases[] = {
		{{.vcpus = 4, .sockets = 1, .cores = 4, .threads = 1}, {0, 0, 0, 0}, 4},
		{{.vcpus = 4, .sockets = 1, .cores = 4, .threads = 1}, {0, 0, 1, 1}, 2},
		{{.vcpus = 4, .sockets = 1, .cores = 4, .threads = 1}, {0, 1, 0, 1}, 1},
		{{.vcpus = 4, .sockets = 1, .cores = 4, .threads = 1}, {0, 1, 1, 1}, 1},
		{{.vcpus = 4, .sockets = 2, .cores = 2, .threads = 1}, {0, 0, 1, 1}, 2},
		{{.vcpus = 4, .sockets = 2, .cores = 2, .threads = 1}, {3, 3, 3, 3}, 2},
		{{.vcpus = 8, .sockets = 1, .cores = 4, .threads = 2}, {0, 0, 0, 0, 1, 1, 1, 1}, 4},
		/* Threads of a core in two nodes: nothing here can mend that. */
		{{.vcpus = 2, .sockets = 1, .cores = 1, .threads = 2}, {0, 1}, 2},
		/* Three cores: the fourth place is nobody's. */
		{{.vcpus = 6, .sockets = 2, .cores = 3, .threads = 1}, {0, 0, 0, 1, 1, 1}, 4},
	};
	struct cpu_cpuid_options options;
	uint32_t change;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_expect_eq(cpu_cache_span(&cases[i].topology, cases[i].nodes), cases[i].span,
			     "case %zu", i);
	cr_expect_eq(cpu_cache_span(&cases[0].topology, NULL), 4);
	options = (struct cpu_cpuid_options){.topology = cases[1].topology, .cache_span = 2};
	for (int amd = 0; amd < 2; amd++) {
		struct cpu_cpuid *cpuid = supported(amd);

		cr_assert_eq(cpu_cpuid_build(cpuid, &options, 0, &change), 0);
		cr_expect_eq(entry(cpuid, 4, 3)->eax >> 14 & 0xfff, 1, "L3 is shared by two");
		cr_expect_eq(entry(cpuid, 0xb, 1)->ebx, 4, "the socket is as it was");
		free(cpuid);
	}
}

Test(cpu, building_twice_changes_nothing)
{
	const struct cpu_cpuid_options options = {
		.topology = {.vcpus = 4, .sockets = 1, .cores = 2, .threads = 2}};
	struct cpu_cpuid *once = supported(true), *twice = supported(true);
	uint32_t change;

	cr_assert_eq(cpu_cpuid_build(once, &options, 2, &change), 0);
	cr_assert_eq(cpu_cpuid_build(twice, &options, 3, &change), 0);
	cr_assert_eq(cpu_cpuid_build(twice, &options, 2, &change), 0);
	cr_assert_eq(memcmp(once, twice, sizeof(*once)), 0);
	free(once);
	free(twice);
}

Test(cpu, features_are_switched_by_name)
{
	struct cpu_feature_change changes[CPU_MAX_FEATURE_CHANGES];
	struct cpu_cpuid_options options = {.topology = {1, 1, 1, 1}, .changes = changes};
	struct cpu_cpuid *cpuid = supported(true);
	uint32_t change = 99;
	char bad[64];

	cr_assert_eq(cpu_features_parse("-cx16,-xsave,-hypervisor", changes, bad), 3);
	options.change_count = 3;
	cr_assert(!cpu_cpuid_build(cpuid, &options, 0, &change));
	cr_expect_eq(entry(cpuid, 1, 0)->ecx & (1u << 13 | 1u << 26 | 1u << 31), 0);
	cr_expect_not(cpu_cpuid_has_hypervisor(cpuid));

	cr_assert_eq(cpu_features_parse("+avx512f", changes, bad), 1);
	options.change_count = 1;
	cr_expect_eq(cpu_cpuid_build(cpuid, &options, 0, &change), -ENOTSUP);
	cr_expect_eq(change, 0);

	cr_expect_eq(cpu_features_parse("-cx16,+flubber", changes, bad), -EINVAL);
	cr_expect_str_eq(bad, "flubber");
	cr_expect_eq(cpu_features_parse("-", changes, bad), -EINVAL);
	cr_expect_eq(cpu_features_parse("", changes, bad), 0);
	cr_expect_eq(cpu_features_parse(NULL, changes, bad), 0);
	free(cpuid);
}

Test(cpu, phys_bits_are_capped_and_never_raised)
{
	struct cpu_cpuid_options options = {.topology = {1, 1, 1, 1}, .max_phys_bits = 40};
	struct cpu_cpuid *cpuid = supported(true);
	uint32_t change;

	cr_assert_eq(cpu_cpuid_phys_bits(cpuid), 52);
	cr_assert_eq(cpu_cpuid_build(cpuid, &options, 0, &change), 0);
	cr_assert_eq(cpu_cpuid_phys_bits(cpuid), 40);
	options.max_phys_bits = 48;
	cr_assert_eq(cpu_cpuid_build(cpuid, &options, 0, &change), 0);
	cr_assert_eq(cpu_cpuid_phys_bits(cpuid), 40);
	free(cpuid);
}

Test(cpu, virtualization_is_hidden_unless_asked_for)
{
	struct cpu_feature_change changes[CPU_MAX_FEATURE_CHANGES];
	struct cpu_cpuid_options options = {.topology = {1, 1, 1, 1}, .changes = changes};
	char bad[64];
	uint32_t change;

	for (int asked = 0; asked < 2; asked++) {
		struct cpu_cpuid *cpuid = supported(true);

		entry(cpuid, 1, 0)->ecx |= 1u << 5;
		entry(cpuid, 0x80000001, 0)->ecx |= 1u << 2;
		cpuid->entries[cpuid->count++] =
			(struct kvm_cpuid_entry2){.function = 0x8000000a, .eax = 1, .ebx = 16};
		if (asked)
			options.change_count =
				(uint32_t)cpu_features_parse("+vmx,+svm", changes, bad);
		/* Twice, as for a second vCPU. */
		cr_assert_eq(cpu_cpuid_build(cpuid, &options, 0, &change), 0);
		cr_assert_eq(cpu_cpuid_build(cpuid, &options, 0, &change), 0);
		cr_expect_eq(entry(cpuid, 1, 0)->ecx >> 5 & 1, asked);
		cr_expect_eq(entry(cpuid, 0x80000001, 0)->ecx >> 2 & 1, asked);
		cr_expect_eq(entry(cpuid, 0x80000001, 0)->ecx & 1, 1, "others stay");
		cr_expect_eq(entry(cpuid, 0x8000000a, 0)->ebx, asked ? 16 : 0);
		free(cpuid);
	}
}

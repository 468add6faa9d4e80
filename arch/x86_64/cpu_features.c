/* SPDX-License-Identifier: Apache-2.0 */
#include "arch/x86_64/cpu.h"

#include <asm/kvm_para.h>
#include <errno.h>
#include <string.h>

enum { EAX, EBX, ECX, EDX };

struct feature {
	const char *name; /* as Linux spells it in /proc/cpuinfo */
	uint32_t function;
	uint32_t index;
	uint8_t reg;
	uint8_t bit;
};

/* Intel SDM vol. 2A, CPUID; AMD APM vol. 3, appendix E. */
static const struct feature features[] = {
	{"tsc", 1, 0, EDX, 4},
	{"pae", 1, 0, EDX, 6},
	{"mce", 1, 0, EDX, 7},
	{"sep", 1, 0, EDX, 11},
	{"mtrr", 1, 0, EDX, 12},
	{"mca", 1, 0, EDX, 14},
	{"pat", 1, 0, EDX, 16},
	{"clflush", 1, 0, EDX, 19},
	{"ht", 1, 0, EDX, 28},
	{"pclmulqdq", 1, 0, ECX, 1},
	{"ssse3", 1, 0, ECX, 9},
	{"fma", 1, 0, ECX, 12},
	{"cx16", 1, 0, ECX, 13},
	{"pcid", 1, 0, ECX, 17},
	{"sse4_1", 1, 0, ECX, 19},
	{"sse4_2", 1, 0, ECX, 20},
	{"x2apic", 1, 0, ECX, 21},
	{"movbe", 1, 0, ECX, 22},
	{"popcnt", 1, 0, ECX, 23},
	{"tsc_deadline_timer", 1, 0, ECX, 24},
	{"aes", 1, 0, ECX, 25},
	{"xsave", 1, 0, ECX, 26},
	{"avx", 1, 0, ECX, 28},
	{"f16c", 1, 0, ECX, 29},
	{"rdrand", 1, 0, ECX, 30},
	{"vmx", 1, 0, ECX, 5},
	{"hypervisor", 1, 0, ECX, 31},
	{"fsgsbase", 7, 0, EBX, 0},
	{"tsc_adjust", 7, 0, EBX, 1},
	{"bmi1", 7, 0, EBX, 3},
	{"hle", 7, 0, EBX, 4},
	{"avx2", 7, 0, EBX, 5},
	{"smep", 7, 0, EBX, 7},
	{"bmi2", 7, 0, EBX, 8},
	{"erms", 7, 0, EBX, 9},
	{"invpcid", 7, 0, EBX, 10},
	{"rtm", 7, 0, EBX, 11},
	{"mpx", 7, 0, EBX, 14},
	{"avx512f", 7, 0, EBX, 16},
	{"avx512dq", 7, 0, EBX, 17},
	{"rdseed", 7, 0, EBX, 18},
	{"adx", 7, 0, EBX, 19},
	{"smap", 7, 0, EBX, 20},
	{"clflushopt", 7, 0, EBX, 23},
	{"clwb", 7, 0, EBX, 24},
	{"avx512cd", 7, 0, EBX, 28},
	{"sha_ni", 7, 0, EBX, 29},
	{"avx512bw", 7, 0, EBX, 30},
	{"avx512vl", 7, 0, EBX, 31},
	{"umip", 7, 0, ECX, 2},
	{"pku", 7, 0, ECX, 3},
	{"waitpkg", 7, 0, ECX, 5},
	{"vaes", 7, 0, ECX, 9},
	{"vpclmulqdq", 7, 0, ECX, 10},
	{"la57", 7, 0, ECX, 16},
	{"rdpid", 7, 0, ECX, 22},
	{"movdiri", 7, 0, ECX, 27},
	{"movdir64b", 7, 0, ECX, 28},
	{"fsrm", 7, 0, EDX, 4},
	{"md_clear", 7, 0, EDX, 10},
	{"serialize", 7, 0, EDX, 14},
	{"amx_tile", 7, 0, EDX, 24},
	{"spec_ctrl", 7, 0, EDX, 26},
	{"arch_capabilities", 7, 0, EDX, 29},
	{"ssbd", 7, 0, EDX, 31},
	{"xsaveopt", 0xd, 1, EAX, 0},
	{"xsavec", 0xd, 1, EAX, 1},
	{"xsaves", 0xd, 1, EAX, 3},
	{"lahf_lm", 0x80000001, 0, ECX, 0},
	{"svm", 0x80000001, 0, ECX, 2},
	{"abm", 0x80000001, 0, ECX, 5},
	{"sse4a", 0x80000001, 0, ECX, 6},
	{"topoext", 0x80000001, 0, ECX, 22},
	{"nx", 0x80000001, 0, EDX, 20},
	{"pdpe1gb", 0x80000001, 0, EDX, 26},
	{"rdtscp", 0x80000001, 0, EDX, 27},
	{"constant_tsc", 0x80000007, 0, EDX, 8},
	{"clzero", 0x80000008, 0, EBX, 0},
	{"ibpb", 0x80000008, 0, EBX, 12},
	{"kvmclock", KVM_CPUID_FEATURES, 0, EAX, KVM_FEATURE_CLOCKSOURCE2},
	{"kvm_pv_eoi", KVM_CPUID_FEATURES, 0, EAX, KVM_FEATURE_PV_EOI},
	{"kvm_steal_time", KVM_CPUID_FEATURES, 0, EAX, KVM_FEATURE_STEAL_TIME},
	{"kvm_async_pf", KVM_CPUID_FEATURES, 0, EAX, KVM_FEATURE_ASYNC_PF},
};

static const struct feature *find_feature(const char *name, size_t length)
{
	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++)
		if (strlen(features[i].name) == length && !memcmp(features[i].name, name, length))
			return &features[i];
	return NULL;
}

int cpu_features_parse(const char *text, struct cpu_feature_change *changes, char *bad)
{
	int count = 0;

	while (text && *text) {
		size_t length = strcspn(text, ",");
		const char *name = text;
		const struct feature *feature;
		bool on = true;

		text += length;
		if (*text == ',')
			text++;
		if (length && (*name == '+' || *name == '-')) {
			on = *name == '+';
			name++;
			length--;
		}
		feature = find_feature(name, length);
		if (!feature || count == CPU_MAX_FEATURE_CHANGES) {
			size_t shown = length < 63 ? length : 63;

			memcpy(bad, name, shown);
			bad[shown] = 0;
			return -EINVAL;
		}
		changes[count++] = (struct cpu_feature_change){
			.function = feature->function,
			.index = feature->index,
			.reg = feature->reg,
			.bit = feature->bit,
			.on = on,
		};
	}
	return count;
}

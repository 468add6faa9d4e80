/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/config/specify.h"

#include <inttypes.h>
#include <string.h>

#include "core/units.h"
#include "vmm/config/text.h"
#include "vmm/machine/layout.h"

/* KVM counts the pages of a slot in 31 bits: 4 KiB less than this, and RAM below 4 GiB is another.
 */
#define MEMORY_MAX (8192 * GIB)

#define DEFAULT_MEMORY_BYTES (512 * MIB)

static uint32_t or_one(uint32_t value)
{
	return value ? value : 1;
}

/* Three of these multiplied stay small, and what was too large still is. */
static uint32_t bounded(uint32_t value)
{
	return value > MACHINE_MAX_VCPUS ? MACHINE_MAX_VCPUS + 1 : value;
}

static void specify_topology(const struct cxvm_cpus *cpus, struct cpu_topology *topology,
			     struct problems *problems)
{
	uint32_t sockets = bounded(or_one(cpus->sockets)), threads = bounded(or_one(cpus->threads)),
		 cores = bounded(or_one(cpus->cores)), product = sockets * threads * cores,
		 vcpus = cpus->boot_vcpus ? cpus->boot_vcpus : product;

	*topology = (struct cpu_topology){
		.vcpus = vcpus,
		.sockets = sockets,
		.cores = cpus->cores ? cores : vcpus / (sockets * threads),
		.threads = threads,
	};
	if (vcpus > MACHINE_MAX_VCPUS)
		problem_add(problems, "cpus: %u vCPUs; use 1 to %u", vcpus, MACHINE_MAX_VCPUS);
	if (threads > 2)
		problem_add(problems, "cpus: %u threads per core; use 1 or 2", cpus->threads);
	if (product > MACHINE_MAX_VCPUS || (cpus->cores ? product != vcpus : vcpus % product))
		problem_add(problems,
			    "cpus: sockets * cores * threads must be the number of vCPUs (%u)",
			    vcpus);
}

static void specify_affinity(const char *text, struct specification_cpus *cpus,
			     struct problems *problems)
{
	const char *why;

	if (!text)
		return;
	if (text_affinity(text, cpus, &why)) {
		problem_add(problems, "cpus: affinity=%.100s: %s; use [0@[0,2-3],1@[4]]", text,
			    why);
		return;
	}
	for (uint32_t i = cpus->topology.vcpus; i < MACHINE_MAX_VCPUS; i++)
		if (cpus->pinned >> i & 1)
			problem_add(problems, "cpus: affinity names vCPU %u, but there are %u", i,
				    cpus->topology.vcpus);
}

static void specify_cpus(const struct cxvm_cpus *from, struct specification_cpus *cpus,
			 struct problems *problems)
{
	char bad[ARCH_FEATURE_NAME];

	specify_topology(from, &cpus->topology, problems);
	cpus->features = from->features;
	cpus->max_phys_bits = from->max_phys_bits;
	if (arch_check_features(from->features, bad) < 0)
		problem_add(
			problems,
			"cpus: features: '%s' is not known; use +name or -name as in /proc/cpuinfo",
			bad);
	if (cpus->max_phys_bits && (cpus->max_phys_bits < 36 || cpus->max_phys_bits > 52))
		problem_add(problems, "cpus: max_phys_bits=%u; use 36 to 52", cpus->max_phys_bits);
	specify_affinity(from->affinity, cpus, problems);
}

/* The same plan as the machine's, without the devices: they only need more room. */
static void check_room(const struct machine_specification *specification, struct problems *problems)
{
	struct layout_input input = {
		.map = arch_map(),
		.ram_bytes = specification->memory.bytes,
		.phys_bits = specification->cpus.max_phys_bits,
	};
	char reason[LAYOUT_REASON];
	struct layout layout;

	if (input.phys_bits < 36 || input.phys_bits > 52)
		return;
	if (layout_plan(&input, &layout, reason))
		problem_add(problems, "memory: %s", reason);
}

/* What RAM and its nodes are a multiple of. */
static uint64_t memory_unit(const struct specification_memory *memory)
{
	return memory->page_size ? memory->page_size : 2 * MIB;
}

static void specify_memory(const struct cxvm_memory *from, struct specification_memory *memory,
			   struct problems *problems)
{
	uint64_t page = from->hugepage_size ? from->hugepage_size : 2 * MIB, unit;

	*memory = (struct specification_memory){
		.bytes = from->bytes ? from->bytes : DEFAULT_MEMORY_BYTES,
		.shared = from->shared,
		.thp = toggle_on(from->thp, true),
		.prefault = toggle_on(from->prefault, false),
		.prefault_threads = from->prefault_threads,
	};
	if (page != 2 * MIB && page != GIB) {
		problem_add(problems, "memory: hugepage_size must be 2M or 1G");
		return;
	}
	if (toggle_on(from->hugepages, false))
		memory->page_size = page;
	unit = memory_unit(memory);
	if (memory->bytes > MEMORY_MAX)
		problem_add(problems,
			    "memory: size is %" PRIu64 " GiB; one slot of KVM has %" PRIu64
			    " GiB at most",
			    memory->bytes / GIB, MEMORY_MAX / GIB);
	if (memory->bytes % unit)
		problem_add(problems, "memory: size must be a multiple of %" PRIu64 " MiB",
			    unit / MIB);
}

/* The vCPUs of one node; @taken are those of the nodes before it. */
static uint64_t specify_node_cpus(const char *text, size_t index, uint32_t vcpus, uint64_t taken,
				  struct problems *problems)
{
	cpu_set_t numbers;
	uint64_t cpus = 0;
	const char *why;

	if (text_list(text, strlen(text), &numbers, &why)) {
		problem_add(problems, "numa[%zu]: cpus=%.100s: %s; use [0-1,4]", index, text, why);
		return 0;
	}
	for (uint32_t i = 0; i < CPU_SETSIZE; i++) {
		if (!CPU_ISSET(i, &numbers))
			continue;
		if (i >= vcpus || i >= MACHINE_MAX_VCPUS)
			problem_add(problems, "numa[%zu]: cpus: vCPU %u of %u does not exist",
				    index, i, vcpus);
		else if (taken >> i & 1)
			problem_add(problems, "numa[%zu]: cpus: vCPU %u is in an earlier node",
				    index, i);
		else
			cpus |= UINT64_C(1) << i;
	}
	return cpus;
}

static void specify_node(const struct cxvm_numa_node *from, size_t index, uint64_t unit,
			 struct specification_node *node, struct problems *problems)
{
	node->bytes = from->bytes;
	node->host_node = from->bind ? (int)from->host_node : -1;
	if (from->id != index)
		problem_add(problems,
			    "numa[%zu]: guest_numa_id is %u; number the nodes 0, 1, ... in order",
			    index, from->id);
	if (!from->bytes || from->bytes % unit)
		problem_add(problems, "numa[%zu]: size must be a multiple of %" PRIu64 " MiB",
			    index, unit / MIB);
	if (from->bind && from->host_node > INT32_MAX)
		problem_add(problems, "numa[%zu]: host_numa_node=%u does not exist", index,
			    from->host_node);
}

static void specify_numa(const struct machine_config *config,
			 struct machine_specification *specification, struct problems *problems)
{
	uint32_t vcpus = specification->cpus.topology.vcpus;
	uint32_t threads = specification->cpus.topology.threads;
	uint64_t unit = memory_unit(&specification->memory), sum = 0, placed = 0;
	bool any = false, overflow = false;
	int before = problems->count;

	for (size_t i = 0; i < config->node_count; i++) {
		struct specification_node *node = &specification->nodes[i];

		specify_node(&config->nodes[i], i, unit, node, problems);
		if (config->nodes[i].cpus) {
			node->cpus = specify_node_cpus(config->nodes[i].cpus, i, vcpus, placed,
						       problems);
			placed |= node->cpus;
			any = true;
		}
		overflow |= __builtin_add_overflow(sum, node->bytes, &sum);
	}
	specification->node_count = config->node_count;
	if (config->node_count && (overflow || sum != specification->memory.bytes))
		problem_add(
			problems,
			"numa: the nodes have %" PRIu64 " MiB together, memory has %" PRIu64 " MiB",
			overflow ? UINT64_MAX / MIB : sum / MIB, specification->memory.bytes / MIB);
	for (uint32_t i = 1; problems->count == before && i < vcpus && i < MACHINE_MAX_VCPUS; i++)
		if (threads > 1 && i % threads &&
		    specification_node_of(specification, i) !=
			    specification_node_of(specification, i - 1))
			problem_add(problems,
				    "numa: vCPUs %u and %u are threads of one core; put them into "
				    "one node, or give cpus threads=1",
				    i - 1, i);
	/* A list that cannot be read has been told; its vCPUs are not missing too. */
	for (uint32_t i = 0; any && problems->count == before && i < vcpus && i < MACHINE_MAX_VCPUS;
	     i++)
		if (!(placed >> i & 1))
			problem_add(problems,
				    "numa: vCPU %u is in no node; name it in cpus= of one", i);
}

static void specify_payload(const struct cxvm_payload *from, struct specification_payload *payload,
			    struct problems *problems)
{
	payload->kernel = from->kernel;
	payload->initramfs = from->initramfs;
	payload->cmdline = from->cmdline;
	if (!payload->kernel)
		problem_add(problems, "payload: no kernel is given; set payload.kernel (--kernel)");
}

static void specify_platform(const struct cxvm_platform *from,
			     struct specification_platform *platform)
{
	*platform = (struct specification_platform){
		.seccomp = from->seccomp == CXVM_SECCOMP_DEFAULT ? CXVM_SECCOMP_ON : from->seccomp,
		.boot_timer = toggle_on(from->boot_timer, false),
		.debug_exit = toggle_on(from->debug_exit, false),
		.pvpanic = toggle_on(from->pvpanic, true),
		.power_off_grace_ms = from->power_off_grace_ms,
	};
}

void config_specify(const struct machine_config *config,
		    struct machine_specification *specification, struct problems *problems)
{
	memset(specification, 0, sizeof(*specification));
	specify_payload(&config->payload, &specification->payload, problems);
	specify_cpus(&config->cpus, &specification->cpus, problems);
	specify_memory(&config->memory, &specification->memory, problems);
	check_room(specification, problems);
	specify_numa(config, specification, problems);
	specify_devices(config, specification, problems);
	specify_platform(&config->platform, &specification->platform);
}

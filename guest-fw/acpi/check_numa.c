/* SPDX-License-Identifier: Apache-2.0 */
/* Validation of struct acpi_machine: SRAT, SLIT and HMAT. */
#include "guest-fw/acpi/internal.h"

#include <inttypes.h>
#include <string.h>

enum domain_kind {
	DOMAIN_INITIATOR = 1, /* processors and generic initiators */
	DOMAIN_MEMORY = 2,
	DOMAIN_PORT = 4,
};

struct domain_set {
	uint8_t kinds[ACPI_PROXIMITY_MAX];
};

static int check_domain(const struct acpi_checker *checker, const char *name, size_t index,
			uint32_t domain)
{
	if (domain >= ACPI_PROXIMITY_MAX)
		return acpi_reject(checker, "%s[%zu].proximity_domain: %u is above %u", name, index,
				   domain, ACPI_PROXIMITY_MAX - 1u);
	return 0;
}

static int check_memory(const struct acpi_checker *checker, struct domain_set *set)
{
	const struct acpi_machine *machine = checker->machine;
	int result = acpi_check_list(checker, "memory", machine->memory, machine->memory_count, 0,
				     ACPI_MEMORY_AFFINITY_MAX);

	for (size_t i = 0; !result && i < machine->memory_count; i++) {
		const struct acpi_memory_affinity *memory = &machine->memory[i];
		uint64_t last;

		if (!memory->size || __builtin_add_overflow(memory->base, memory->size - 1, &last))
			return acpi_reject(checker, "memory[%zu].size: 0x%" PRIx64 " is 0 or wraps",
					   i, memory->size);
		for (size_t j = 0; j < i; j++) {
			const struct acpi_memory_affinity *other = &machine->memory[j];

			if (memory->base <= other->base + (other->size - 1) && other->base <= last)
				return acpi_reject(checker, "memory[%zu]: overlaps memory[%zu]", i,
						   j);
		}
		result = check_domain(checker, "memory", i, memory->proximity_domain);
		if (!result)
			set->kinds[memory->proximity_domain] |= DOMAIN_MEMORY;
	}
	return result;
}

static bool is_hid(const char hid[9])
{
	for (size_t i = 0; i < 8; i++)
		if (!((hid[i] >= 'A' && hid[i] <= 'Z') || (hid[i] >= '0' && hid[i] <= '9')))
			return false;
	return hid[8] == '\0';
}

static int check_generic(const struct acpi_checker *checker, struct domain_set *set)
{
	const struct acpi_machine *machine = checker->machine;
	int result = acpi_check_list(checker, "generic", machine->generic, machine->generic_count,
				     0, ACPI_GENERIC_AFFINITY_MAX);

	for (size_t i = 0; !result && i < machine->generic_count; i++) {
		const struct acpi_generic_affinity *generic = &machine->generic[i];

		if (generic->kind != ACPI_GENERIC_INITIATOR && generic->kind != ACPI_GENERIC_PORT)
			return acpi_reject(checker, "generic[%zu].kind: %d is unknown", i,
					   (int)generic->kind);
		if (generic->handle != ACPI_HANDLE_ACPI && generic->handle != ACPI_HANDLE_PCI)
			return acpi_reject(checker, "generic[%zu].handle: %d is unknown", i,
					   (int)generic->handle);
		if (generic->handle == ACPI_HANDLE_ACPI && !is_hid(generic->hid))
			return acpi_reject(checker,
					   "generic[%zu].hid: must be 8 letters or digits, such as "
					   "ACPI0016",
					   i);
		result = check_domain(checker, "generic", i, generic->proximity_domain);
		if (!result)
			set->kinds[generic->proximity_domain] |=
				generic->kind == ACPI_GENERIC_PORT ? DOMAIN_PORT : DOMAIN_INITIATOR;
	}
	return result;
}

static int check_processors(const struct acpi_checker *checker, struct domain_set *set)
{
	const struct acpi_machine *machine = checker->machine;
	int result = 0;

	for (size_t i = 0; !result && i < machine->cpu_count; i++) {
		result = check_domain(checker, "cpus", i, machine->cpus[i].proximity_domain);
		if (!result)
			set->kinds[machine->cpus[i].proximity_domain] |= DOMAIN_INITIATOR;
	}
	for (size_t i = 0; !result && i < machine->bridge_count; i++) {
		const struct acpi_bridge *bridge = &machine->bridges[i];

		if (!bridge->has_proximity_domain)
			continue;
		result = check_domain(checker, "bridges", i, bridge->proximity_domain);
		if (!result && !set->kinds[bridge->proximity_domain])
			return acpi_reject(checker,
					   "bridges[%zu].proximity_domain: %u is in no SRAT entry",
					   i, bridge->proximity_domain);
	}
	return result;
}

/* Linux discards a table with other values (5.2.17: 10 is local, 0 to 9 are reserved). */
static int check_distances(const struct acpi_checker *checker, const struct domain_set *set)
{
	const struct acpi_machine *machine = checker->machine;
	size_t count = machine->distance_count;
	int result = acpi_check_list(checker, "distances", machine->distances, count, 0,
				     ACPI_PROXIMITY_MAX);

	if (result || !count)
		return result;
	for (size_t i = 0; i < count * count; i++) {
		uint8_t distance = machine->distances[i];
		bool local = i / count == i % count;

		if (local ? distance != ACPI_DISTANCE_LOCAL : distance <= ACPI_DISTANCE_LOCAL)
			return acpi_reject(
				checker,
				"distances[%zu]: %u from domain %zu to %zu; 10 is local, "
				"all else is more",
				i, distance, i / count, i % count);
	}
	for (size_t i = count; i < ACPI_PROXIMITY_MAX; i++)
		if (set->kinds[i])
			return acpi_reject(checker, "distance_count: %zu leaves out domain %zu",
					   count, i);
	return 0;
}

static bool domain_is(const struct domain_set *set, uint32_t domain, unsigned int kinds)
{
	return domain < ACPI_PROXIMITY_MAX && (set->kinds[domain] & kinds);
}

static int check_attachments(const struct acpi_checker *checker, const struct domain_set *set)
{
	const struct acpi_machine *machine = checker->machine;
	int result = acpi_check_list(checker, "attachments", machine->attachments,
				     machine->attachment_count, 0, ACPI_PROXIMITY_MAX);

	for (size_t i = 0; !result && i < machine->attachment_count; i++) {
		const struct acpi_memory_attachment *attachment = &machine->attachments[i];

		if (!domain_is(set, attachment->initiator_domain, DOMAIN_INITIATOR) ||
		    !domain_is(set, attachment->memory_domain, DOMAIN_MEMORY))
			return acpi_reject(
				checker,
				"attachments[%zu]: %u is no initiator or %u no memory of "
				"the SRAT",
				i, attachment->initiator_domain, attachment->memory_domain);
	}
	return result;
}

static int check_locality_domains(const struct acpi_checker *checker, const struct domain_set *set,
				  size_t index, const char *name, const uint32_t *domains,
				  size_t count, unsigned int kinds)
{
	int result = acpi_check_list(checker, name, domains, count, 1, ACPI_PROXIMITY_MAX);

	for (size_t i = 0; !result && i < count; i++)
		if (!domain_is(set, domains[i], kinds))
			return acpi_reject(checker, "localities[%zu]: %s %u is not in the SRAT",
					   index, name, domains[i]);
	return result;
}

static int check_localities(const struct acpi_checker *checker, const struct domain_set *set)
{
	const struct acpi_machine *machine = checker->machine;
	int result = acpi_check_list(checker, "localities", machine->localities,
				     machine->locality_count, 0, ACPI_LOCALITY_MAX);

	for (size_t i = 0; !result && i < machine->locality_count; i++) {
		const struct acpi_locality *locality = &machine->localities[i];

		if ((unsigned int)locality->data > ACPI_LOCALITY_WRITE_BANDWIDTH ||
		    !locality->base_unit || !locality->entries)
			return acpi_reject(checker,
					   "localities[%zu]: unknown data type, base unit 0 or no "
					   "entries",
					   i);
		/* A generic port stands for the far side of a host bridge (5.2.16.7). */
		result = check_locality_domains(checker, set, i, "initiator", locality->initiators,
						locality->initiator_count,
						DOMAIN_INITIATOR | DOMAIN_PORT);
		if (!result)
			result = check_locality_domains(checker, set, i, "target",
							locality->targets, locality->target_count,
							DOMAIN_MEMORY | DOMAIN_PORT);
	}
	return result;
}

int acpi_check_numa(const struct acpi_checker *checker)
{
	const struct acpi_machine *machine = checker->machine;
	struct domain_set set;
	int result;

	memset(&set, 0, sizeof(set));
	if (!machine->memory_count) {
		bool bridge = false;

		for (size_t i = 0; i < machine->bridge_count; i++)
			bridge |= machine->bridges[i].has_proximity_domain;
		if (bridge || machine->generic_count || machine->distance_count ||
		    machine->attachment_count || machine->locality_count)
			return acpi_reject(
				checker, "memory: proximity domains need the affinity of the RAM");
		return 0;
	}
	result = check_memory(checker, &set);
	if (!result)
		result = check_generic(checker, &set);
	if (!result)
		result = check_processors(checker, &set);
	if (!result)
		result = check_distances(checker, &set);
	if (!result)
		result = check_attachments(checker, &set);
	if (!result)
		result = check_localities(checker, &set);
	return result;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Validation of struct acpi_machine: ECAM, bridges, windows, CXL, and that nothing overlaps. */

#include <inttypes.h>

#include "core/units.h"
#include "guest-fw/acpi/internal.h"

#define IO_SPACE_LAST UINT64_C(0xffff)
#define FOUR_GIB      (4 * GIB)

static int check_ecams(const struct acpi_checker *checker)
{
	const struct acpi_machine *machine = checker->machine;
	int result = acpi_check_list(checker, "ecams", machine->ecams, machine->ecam_count, 0,
				     ACPI_ECAM_MAX);

	for (size_t i = 0; !result && i < machine->ecam_count; i++) {
		const struct acpi_ecam *ecam = &machine->ecams[i];

		if (!ecam->base || ecam->base % MIB || ecam->base > UINT64_MAX - 256 * MIB)
			return acpi_reject(checker,
					   "ecams[%zu].base: 0x%" PRIx64
					   " is not 1 MiB aligned or wraps",
					   i, ecam->base);
		if (ecam->last_bus < ecam->first_bus)
			return acpi_reject(checker, "ecams[%zu].last_bus: %u is below first_bus %u",
					   i, ecam->last_bus, ecam->first_bus);
		for (size_t j = 0; j < i; j++) {
			const struct acpi_ecam *other = &machine->ecams[j];

			if (other->segment == ecam->segment && ecam->first_bus <= other->last_bus &&
			    other->first_bus <= ecam->last_bus)
				return acpi_reject(checker,
						   "ecams[%zu]: buses of segment %u are also in "
						   "ecams[%zu]",
						   i, ecam->segment, j);
		}
	}
	return result;
}

static int check_window(const struct acpi_checker *checker, size_t bridge, size_t index,
			bool config_ports)
{
	const struct acpi_bridge_window *window = &checker->machine->bridges[bridge].windows[index];
	uint64_t last;

	if (!window->size || __builtin_add_overflow(window->base, window->size - 1, &last))
		return acpi_reject(checker,
				   "bridges[%zu].windows[%zu].size: 0x%" PRIx64 " is 0 or wraps",
				   bridge, index, window->size);
	if (window->kind == ACPI_WINDOW_IO) {
		if (window->prefetchable || last > IO_SPACE_LAST)
			return acpi_reject(checker,
					   "bridges[%zu].windows[%zu]: 0x%" PRIx64 " to 0x%" PRIx64
					   " is no I/O "
					   "window, or prefetchable",
					   bridge, index, window->base, last);
		if (config_ports && window->base < ACPI_CONFIG_PORT + ACPI_CONFIG_PORT_SIZE &&
		    last >= ACPI_CONFIG_PORT)
			return acpi_reject(
				checker,
				"bridges[%zu].windows[%zu]: holds the configuration ports "
				"0xcf8 to 0xcff",
				bridge, index);
		return 0;
	}
	if (window->kind != ACPI_WINDOW_MEMORY)
		return acpi_reject(checker, "bridges[%zu].windows[%zu].kind: %d is unknown", bridge,
				   index, (int)window->kind);
	if (!window->base || (window->base < FOUR_GIB && last >= FOUR_GIB))
		return acpi_reject(checker,
				   "bridges[%zu].windows[%zu]: 0x%" PRIx64 " to 0x%" PRIx64
				   " starts at 0 or "
				   "crosses 4 GiB",
				   bridge, index, window->base, last);
	return 0;
}

static bool bridge_has_ecam(const struct acpi_machine *machine, const struct acpi_bridge *bridge)
{
	for (size_t i = 0; i < machine->ecam_count; i++)
		if (machine->ecams[i].segment == bridge->segment &&
		    machine->ecams[i].first_bus <= bridge->first_bus &&
		    machine->ecams[i].last_bus >= bridge->last_bus)
			return true;
	/* Configuration ports alone are enough for segment 0 of a machine without ECAM. */
	return !machine->ecam_count && !bridge->segment && bridge->kind == ACPI_BRIDGE_PCIE;
}

static int check_bridge_numbers(const struct acpi_checker *checker, size_t index)
{
	const struct acpi_machine *machine = checker->machine;
	const struct acpi_bridge *bridge = &machine->bridges[index];

	if (bridge->kind != ACPI_BRIDGE_PCIE && bridge->kind != ACPI_BRIDGE_CXL)
		return acpi_reject(checker, "bridges[%zu].kind: %d is unknown", index,
				   (int)bridge->kind);
	if (bridge->last_bus < bridge->first_bus)
		return acpi_reject(checker, "bridges[%zu].last_bus: %u is below first_bus %u",
				   index, bridge->last_bus, bridge->first_bus);
	if (!bridge_has_ecam(machine, bridge))
		return acpi_reject(checker,
				   "bridges[%zu]: no ECAM covers buses %u to %u of segment %u",
				   index, bridge->first_bus, bridge->last_bus, bridge->segment);
	for (size_t i = 0; i < index; i++) {
		const struct acpi_bridge *other = &machine->bridges[i];

		if (other->kind == bridge->kind && other->uid == bridge->uid)
			return acpi_reject(checker, "bridges[%zu].uid: %u is that of bridges[%zu]",
					   index, bridge->uid, i);
		if (other->segment == bridge->segment && other->first_bus <= bridge->last_bus &&
		    bridge->first_bus <= other->last_bus)
			return acpi_reject(checker,
					   "bridges[%zu]: buses %u to %u are also in bridges[%zu]",
					   index, bridge->first_bus, bridge->last_bus, i);
		if (other->config_ports && bridge->config_ports)
			return acpi_reject(
				checker, "bridges[%zu].config_ports: bridges[%zu] has them already",
				index, i);
	}
	return 0;
}

static int check_bridge(const struct acpi_checker *checker, size_t index, bool config_ports)
{
	const struct acpi_bridge *bridge = &checker->machine->bridges[index];
	int result = check_bridge_numbers(checker, index);

	if (!result)
		result = acpi_check_list(checker, "bridges[].windows", bridge->windows,
					 bridge->window_count, 0, ACPI_BRIDGE_WINDOW_MAX);
	for (size_t i = 0; !result && i < bridge->window_count; i++)
		result = check_window(checker, index, i, config_ports);
	if (!result && bridge->gsi_count > ACPI_BRIDGE_SLOTS * ACPI_BRIDGE_PINS)
		return acpi_reject(checker, "bridges[%zu].gsi_count: %u is more than 128 pins",
				   index, bridge->gsi_count);
	for (uint32_t i = 0; !result && i < bridge->gsi_count; i++)
		result = acpi_check_gsi(checker, "bridges", index, bridge->gsi_base + i);
	if (result)
		return result;
	if (bridge->kind == ACPI_BRIDGE_PCIE && bridge->component_base)
		return acpi_reject(checker,
				   "bridges[%zu].component_base: only CXL bridges have component "
				   "registers",
				   index);
	if (bridge->kind == ACPI_BRIDGE_CXL &&
	    (!bridge->component_base || bridge->component_base % ACPI_CHBS_LENGTH ||
	     bridge->component_base > UINT64_MAX - ACPI_CHBS_LENGTH))
		return acpi_reject(checker,
				   "bridges[%zu].component_base: 0x%" PRIx64
				   " is 0, not 64 KiB aligned or "
				   "wraps",
				   index, bridge->component_base);
	return 0;
}

int acpi_check_bridges(const struct acpi_checker *checker)
{
	const struct acpi_machine *machine = checker->machine;
	bool config_ports = false;
	int result = check_ecams(checker);

	if (!result)
		result = acpi_check_list(checker, "bridges", machine->bridges,
					 machine->bridge_count, 0, ACPI_BRIDGE_MAX);
	for (size_t i = 0; !result && i < machine->bridge_count; i++)
		config_ports |= machine->bridges[i].config_ports;
	for (size_t i = 0; !result && i < machine->bridge_count; i++)
		result = check_bridge(checker, i, config_ports);
	return result;
}

static bool is_cxl_uid(const struct acpi_machine *machine, uint32_t uid)
{
	for (size_t i = 0; i < machine->bridge_count; i++)
		if (machine->bridges[i].kind == ACPI_BRIDGE_CXL && machine->bridges[i].uid == uid)
			return true;
	return false;
}

/* The rules by which Linux and CXL 9.18.1.3 judge a window. */
static int check_cfmws(const struct acpi_checker *checker, size_t index)
{
	const struct acpi_cfmws *window = &checker->machine->cfmws[index];
	uint64_t last;

	if (acpi_ways_code(window->target_count) < 0)
		return acpi_reject(checker,
				   "cfmws[%zu].target_count: %u is not 1, 2, 3, 4, 6, 8, 12 or 16",
				   index, window->target_count);
	if (!window->base || window->base % ACPI_CFMWS_ALIGNMENT)
		return acpi_reject(checker, "cfmws[%zu].base: 0x%" PRIx64 " is not 256 MiB aligned",
				   index, window->base);
	if (!window->size || window->size % (ACPI_CFMWS_ALIGNMENT * window->target_count) ||
	    __builtin_add_overflow(window->base, window->size - 1, &last))
		return acpi_reject(checker,
				   "cfmws[%zu].size: 0x%" PRIx64
				   " is 0, wraps, or is no multiple of 256 MiB "
				   "times %u targets",
				   index, window->size, window->target_count);
	if (window->encoded_granularity > 6)
		return acpi_reject(checker,
				   "cfmws[%zu].encoded_granularity: %u is above 6 (16 KiB)", index,
				   window->encoded_granularity);
	if (!window->restrictions || window->restrictions & ~ACPI_CFMWS_RESTRICTION_MASK)
		return acpi_reject(checker,
				   "cfmws[%zu].restrictions: 0x%x allows nothing or is unknown",
				   index, window->restrictions);
	for (unsigned int i = 0; i < window->target_count; i++)
		if (!is_cxl_uid(checker->machine, window->targets[i]))
			return acpi_reject(
				checker,
				"cfmws[%zu].targets[%u]: %u is not the uid of a CXL bridge", index,
				i, window->targets[i]);
	return 0;
}

int acpi_check_cfmws(const struct acpi_checker *checker)
{
	const struct acpi_machine *machine = checker->machine;
	int result = acpi_check_list(checker, "cfmws", machine->cfmws, machine->cfmws_count, 0,
				     ACPI_CFMWS_MAX);

	for (size_t i = 0; !result && i < machine->cfmws_count; i++)
		result = check_cfmws(checker, i);
	return result;
}

enum address_kind {
	ADDRESS_DEVICE,
	ADDRESS_PORT,
	ADDRESS_CXL,
	ADDRESS_RAM,
	ADDRESS_HOTPLUG, /* memory that may appear, also inside a fixed window */
};

struct address_range {
	const char *name;
	size_t index;
	uint64_t first;
	uint64_t last;
	enum address_kind kind;
};

#define ADDRESS_RANGE_MAX                                                                          \
	(ACPI_ECAM_MAX + ACPI_BRIDGE_MAX * (ACPI_BRIDGE_WINDOW_MAX + 1) + ACPI_CFMWS_MAX +         \
	 ACPI_MEMORY_AFFINITY_MAX)

struct address_map {
	struct address_range ranges[ADDRESS_RANGE_MAX];
	size_t count;
};

/* Everything passed its own check: sizes are not 0 and nothing wraps. */
static void map_add(struct address_map *map, const char *name, size_t index, uint64_t base,
		    uint64_t size, enum address_kind kind)
{
	map->ranges[map->count++] =
		(struct address_range){name, index, base, base + (size - 1), kind};
}

static void map_bridge(struct address_map *map, const struct acpi_bridge *bridge, size_t index)
{
	for (size_t i = 0; i < bridge->window_count; i++) {
		const struct acpi_bridge_window *window = &bridge->windows[i];

		map_add(map, "a window of bridges", index, window->base, window->size,
			window->kind == ACPI_WINDOW_IO ? ADDRESS_PORT : ADDRESS_DEVICE);
	}
	if (bridge->kind == ACPI_BRIDGE_CXL)
		map_add(map, "component_base of bridges", index, bridge->component_base,
			ACPI_CHBS_LENGTH, ADDRESS_DEVICE);
}

static void map_collect(struct address_map *map, const struct acpi_machine *machine)
{
	for (size_t i = 0; i < machine->ecam_count; i++) {
		const struct acpi_ecam *ecam = &machine->ecams[i];

		map_add(map, "ecams", i, ecam->base + ecam->first_bus * MIB,
			(ecam->last_bus - ecam->first_bus + 1u) * MIB, ADDRESS_DEVICE);
	}
	for (size_t i = 0; i < machine->bridge_count; i++)
		map_bridge(map, &machine->bridges[i], i);
	for (size_t i = 0; i < machine->cfmws_count; i++)
		map_add(map, "cfmws", i, machine->cfmws[i].base, machine->cfmws[i].size,
			ADDRESS_CXL);
	for (size_t i = 0; i < machine->memory_count; i++)
		map_add(map, "memory", i, machine->memory[i].base, machine->memory[i].size,
			machine->memory[i].hot_pluggable ? ADDRESS_HOTPLUG : ADDRESS_RAM);
}

static bool may_overlap(enum address_kind a, enum address_kind b)
{
	if ((a == ADDRESS_PORT) != (b == ADDRESS_PORT))
		return true;
	return (a == ADDRESS_HOTPLUG && b == ADDRESS_CXL) ||
	       (a == ADDRESS_CXL && b == ADDRESS_HOTPLUG);
}

/* Runs after acpi_check_numa(), so that memory ranges are known to be sound. */
int acpi_check_address_map(const struct acpi_checker *checker)
{
	struct address_map map = {.count = 0};

	map_collect(&map, checker->machine);
	for (size_t i = 0; i < map.count; i++) {
		const struct address_range *a = &map.ranges[i];

		for (size_t j = 0; j < i; j++) {
			const struct address_range *b = &map.ranges[j];

			if (a->first > b->last || b->first > a->last ||
			    may_overlap(a->kind, b->kind))
				continue;
			return acpi_reject(
				checker, "%s[%zu]: 0x%" PRIx64 " to 0x%" PRIx64 " overlaps %s[%zu]",
				a->name, a->index, a->first, a->last, b->name, b->index);
		}
	}
	return 0;
}

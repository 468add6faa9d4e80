/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/pci/assign.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "core/bytes.h"
#include "core/ranges.h"
#include "devices/pci/bus.h"

#define PCI_BRIDGE_IO_GRANULARITY     0x1000u
#define PCI_BRIDGE_MEMORY_GRANULARITY 0x100000u
/* BARs do not share a page: each may become a memory slot or a trapped range of its own. */
#define PCI_BAR_MEMORY_ALIGNMENT 0x1000u

enum pci_space {
	PCI_SPACE_IO,
	PCI_SPACE_MEMORY_32,
	PCI_SPACE_MEMORY_64,
	PCI_SPACE_COUNT,
};

static const char *const pci_space_names[PCI_SPACE_COUNT] = {
	[PCI_SPACE_IO] = "I/O",
	[PCI_SPACE_MEMORY_32] = "32-bit memory",
	[PCI_SPACE_MEMORY_64] = "64-bit memory",
};

/* Descending alignment, then size: powers of two leave no holes this way. */
static int pci_request_compare(const void *left, const void *right)
{
	const struct pci_request *a = left;
	const struct pci_request *b = right;

	if (a->alignment != b->alignment)
		return a->alignment < b->alignment ? 1 : -1;
	if (a->size != b->size)
		return a->size < b->size ? 1 : -1;
	return a->tag < b->tag ? -1 : a->tag > b->tag;
}

int pci_plan_extent(struct pci_request *requests, size_t count, uint64_t granularity,
		    uint64_t *size, uint64_t *alignment)
{
	uint64_t end = 0;

	*size = 0;
	*alignment = 0;
	if (!count)
		return 0;
	qsort(requests, count, sizeof(*requests), pci_request_compare);
	for (size_t i = 0; i < count; i++)
		if (!align_up(end, requests[i].alignment, &end) ||
		    __builtin_add_overflow(end, requests[i].size, &end))
			return -EOVERFLOW;
	if (!align_up(end, granularity, &end))
		return -EOVERFLOW;
	*size = end;
	*alignment = requests[0].alignment > granularity ? requests[0].alignment : granularity;
	return 0;
}

int pci_plan_place(struct pci_request *requests, size_t count, const struct pci_window *window,
		   size_t *failed)
{
	uint64_t next = window->base;
	uint64_t end;

	if (!count)
		return 0;
	qsort(requests, count, sizeof(*requests), pci_request_compare);
	*failed = requests[0].tag;
	if (__builtin_add_overflow(window->base, window->size, &end))
		return -ENOSPC;
	for (size_t i = 0; i < count; i++) {
		*failed = requests[i].tag;
		if (!align_up(next, requests[i].alignment, &next) || next > end ||
		    requests[i].size > end - next)
			return -ENOSPC;
		requests[i].address = next;
		next += requests[i].size;
	}
	return 0;
}

static struct pci_window *pci_space_window(struct pci_host_windows *windows, enum pci_space space)
{
	return space == PCI_SPACE_IO          ? &windows->io
	       : space == PCI_SPACE_MEMORY_32 ? &windows->memory_32
					      : &windows->memory_64;
}

/*
 * Which space a BAR takes its address from. Behind a bridge only prefetchable BARs fit the 64-bit
 * window (PCIe 7.5.1.3.9); on a root bus every 64-bit BAR does.
 */
static enum pci_space pci_bar_space(const struct pci_bus *bus, const struct pci_bar *bar)
{
	if (bar->kind == PCI_BAR_IO)
		return PCI_SPACE_IO;
	if (bar->kind == PCI_BAR_MEMORY_64 && (!bus->bridge || bar->prefetchable))
		return PCI_SPACE_MEMORY_64;
	return PCI_SPACE_MEMORY_32;
}

#define PCI_TAG_BRIDGE        (PCI_ROM_BAR + 1)
#define PCI_TAG(devfn, index) ((size_t)(devfn)*8 + (index))

/* What one walk of a bus finds in one space. */
struct pci_request_list {
	struct pci_request *requests;
	size_t count;
};

static int pci_bus_extent(struct pci_bus *bus, enum pci_space space, unsigned int depth,
			  uint64_t *size, uint64_t *alignment);

/* All requests of @space on @bus: its BARs, and one window for each bridge that needs one. */
static int pci_collect(struct pci_bus *bus, enum pci_space space, unsigned int depth,
		       struct pci_request_list *list)
{
	size_t devices = 0;

	for (unsigned int devfn = 0; devfn < 256; devfn++)
		devices += bus->devices[devfn] != NULL;
	list->count = 0;
	list->requests = calloc(devices * (PCI_TAG_BRIDGE + 1) + 1, sizeof(*list->requests));
	if (!list->requests)
		return -ENOMEM;
	for (unsigned int devfn = 0; devfn < 256; devfn++) {
		struct pci_device *device = bus->devices[devfn];
		struct pci_bus *below = device ? pci_bridge_secondary(device) : NULL;
		struct pci_request request = {.tag = PCI_TAG(devfn, PCI_TAG_BRIDGE)};
		int result;

		for (unsigned int i = 0; device && i <= PCI_ROM_BAR; i++) {
			const struct pci_bar *bar = &device->bars[i];

			if (bar->kind == PCI_BAR_NONE || pci_bar_space(bus, bar) != space)
				continue;
			list->requests[list->count++] = (struct pci_request){
				.size = bar->size,
				.alignment = bar->size < PCI_BAR_MEMORY_ALIGNMENT &&
							     space != PCI_SPACE_IO
						     ? PCI_BAR_MEMORY_ALIGNMENT
						     : bar->size,
				.tag = PCI_TAG(devfn, i),
			};
		}
		if (!below || depth + 1 >= PCI_MAX_DEPTH)
			continue;
		result = pci_bus_extent(below, space, depth + 1, &request.size, &request.alignment);
		if (result) {
			free(list->requests);
			return result;
		}
		if (request.size)
			list->requests[list->count++] = request;
	}
	return 0;
}

static int pci_bus_extent(struct pci_bus *bus, enum pci_space space, unsigned int depth,
			  uint64_t *size, uint64_t *alignment)
{
	uint64_t granularity = 1;
	struct pci_request_list list;
	int result;

	if (bus->bridge)
		granularity = space == PCI_SPACE_IO ? PCI_BRIDGE_IO_GRANULARITY
						    : PCI_BRIDGE_MEMORY_GRANULARITY;
	result = pci_collect(bus, space, depth, &list);
	if (result)
		return result;
	result = pci_plan_extent(list.requests, list.count, granularity, size, alignment);
	free(list.requests);
	return result;
}

int pci_bus_required(struct pci_bus *bus, struct pci_host_windows *required)
{
	int result = 0;

	*required = (struct pci_host_windows){0};
	pci_root_lock(bus->root);
	for (enum pci_space space = 0; space < PCI_SPACE_COUNT && !result; space++) {
		struct pci_window *window = pci_space_window(required, space);

		result = pci_bus_extent(bus, space, 0, &window->size, &window->base);
	}
	pci_root_unlock(bus->root);
	return result;
}

static void pci_bridge_set_window(struct pci_device *bridge, enum pci_space space,
				  const struct pci_window *window)
{
	uint8_t *config = bridge->config;
	/* Closed: base above limit. */
	uint64_t base = window->size ? window->base : 0xfff00000;
	uint64_t limit = window->size ? window->base + window->size - 1 : 0;

	switch (space) {
	case PCI_SPACE_IO:
		config[PCI_IO_BASE] = (uint8_t)(base >> 8 & 0xf0);
		config[PCI_IO_LIMIT] = (uint8_t)(limit >> 8 & 0xf0);
		if (!window->size)
			config[PCI_IO_BASE] = 0xf0;
		break;
	case PCI_SPACE_MEMORY_32:
		bytes_put_le16(config + PCI_MEMORY_BASE, (uint16_t)(base >> 16 & 0xfff0));
		bytes_put_le16(config + PCI_MEMORY_LIMIT, (uint16_t)(limit >> 16 & 0xfff0));
		break;
	default:
		bytes_put_le16(config + PCI_PREF_MEMORY_BASE,
			       (uint16_t)((base >> 16 & 0xfff0) | PCI_PREF_RANGE_TYPE_64));
		bytes_put_le16(config + PCI_PREF_MEMORY_LIMIT,
			       (uint16_t)((limit >> 16 & 0xfff0) | PCI_PREF_RANGE_TYPE_64));
		bytes_put_le32(config + PCI_PREF_BASE_UPPER32, (uint32_t)(base >> 32));
		bytes_put_le32(config + PCI_PREF_LIMIT_UPPER32, (uint32_t)(limit >> 32));
		break;
	}
}

static void pci_set_bar(struct pci_device *device, unsigned int index, uint64_t address)
{
	uint32_t offset = pci_bar_offset(device, index);
	uint32_t flags = bytes_get_le32(device->config + offset) & 0xf;

	if (device->bars[index].kind == PCI_BAR_ROM)
		flags = 0;
	bytes_put_le32(device->config + offset, (uint32_t)address | flags);
	if (device->bars[index].kind == PCI_BAR_MEMORY_64)
		bytes_put_le32(device->config + offset + 4, (uint32_t)(address >> 32));
}

/*
 * Place everything of @space on @bus inside @window and go down into the bridges. @end: where the
 * unused rest of the window begins.
 */
static int pci_assign_space(struct pci_bus *bus, enum pci_space space, unsigned int depth,
			    const struct pci_window *window, uint64_t *end)
{
	const struct pci_root_options *options = &bus->root->options;
	struct pci_request_list list;
	size_t failed = 0;
	uint64_t end_below;
	int result = pci_collect(bus, space, depth, &list);

	*end = window->base;
	if (result)
		return result;
	result = pci_plan_place(list.requests, list.count, window, &failed);
	if (result) {
		log_message(options->logger,
			    space == PCI_SPACE_IO ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR,
			    bus->devices[failed / 8]->name,
			    "%s %zu does not fit the %s window of 0x%" PRIx64 " bytes at 0x%" PRIx64
			    ": make the "
			    "window larger or attach fewer devices",
			    failed % 8 == PCI_TAG_BRIDGE ? "bridge window" : "BAR", failed % 8,
			    pci_space_names[space], window->size, window->base);
		goto free_list;
	}
	/* A bridge with nothing behind it in this space is not in the list: close it first. */
	for (unsigned int devfn = 0; devfn < 256; devfn++)
		if (bus->devices[devfn] && pci_bridge_secondary(bus->devices[devfn]))
			pci_bridge_set_window(bus->devices[devfn], space, &(struct pci_window){0});
	for (size_t i = 0; i < list.count && !result; i++) {
		const struct pci_request *request = &list.requests[i];
		struct pci_device *device = bus->devices[request->tag / 8];
		struct pci_window below = {.base = request->address, .size = request->size};

		if (*end < below.base + below.size)
			*end = below.base + below.size;
		if (request->tag % 8 != PCI_TAG_BRIDGE) {
			pci_set_bar(device, (unsigned int)(request->tag % 8), request->address);
			continue;
		}
		pci_bridge_set_window(device, space, &below);
		result = pci_assign_space(pci_bridge_secondary(device), space, depth + 1, &below,
					  &end_below);
	}
free_list:
	free(list.requests);
	return result;
}

/* Depth first, as Linux numbers them. @last: highest number used so far. */
static int pci_number_buses(struct pci_bus *bus, unsigned int depth, uint8_t limit, uint8_t *last)
{
	uint8_t number = pci_bus_number(bus);

	for (unsigned int devfn = 0; devfn < 256; devfn++) {
		struct pci_device *device = bus->devices[devfn];
		struct pci_bus *below = device ? pci_bridge_secondary(device) : NULL;
		int result;

		if (!below || depth + 1 >= PCI_MAX_DEPTH)
			continue;
		if (*last >= limit) {
			log_error(
				bus->root->options.logger, device->name,
				"no bus number is left below the host bridge (%u to %u): give it a "
				"larger range or use fewer ports",
				number, limit);
			return -ENOSPC;
		}
		(*last)++;
		device->config[PCI_PRIMARY_BUS] = number;
		device->config[PCI_SECONDARY_BUS] = *last;
		device->config[PCI_SUBORDINATE_BUS] = limit;
		result = pci_number_buses(below, depth + 1, limit, last);
		if (result)
			return result;
		device->config[PCI_SUBORDINATE_BUS] = *last;
	}
	return 0;
}

/* PCIe 1.3.2.2: functions must work without their I/O BARs, so a lack of ports is no failure. */
static void pci_give_up_io(struct pci_bus *bus)
{
	log_warning(bus->root->options.logger, "pci",
		    "I/O BARs behind bus %u stay without ports: the window is too small",
		    pci_bus_number(bus));
	for (unsigned int devfn = 0; devfn < 256; devfn++)
		if (bus->devices[devfn] && pci_bridge_secondary(bus->devices[devfn]))
			pci_bridge_set_window(bus->devices[devfn], PCI_SPACE_IO,
					      &(struct pci_window){0});
}

int pci_assign_resources(struct pci_bus *bus, const struct pci_host_windows *windows)
{
	struct pci_host_windows given = *windows;
	uint8_t last = bus->first_bus;
	uint64_t end = 0;
	int result;

	pci_root_lock(bus->root);
	result = pci_number_buses(bus, 0, bus->last_bus, &last);
	for (enum pci_space space = 0; space < PCI_SPACE_COUNT && !result; space++) {
		struct pci_window window = *pci_space_window(&given, space);

		/* Without a 64-bit window the rest of the 32-bit one serves. */
		if (space == PCI_SPACE_MEMORY_64 && !window.size)
			window = (struct pci_window){
				.base = end,
				.size = given.memory_32.base + given.memory_32.size - end,
			};
		result = pci_assign_space(bus, space, 0, &window, &end);
		if (result == -ENOSPC && space == PCI_SPACE_IO) {
			pci_give_up_io(bus);
			result = 0;
		}
	}
	if (!result) {
		bus->windows = given;
		bus->has_windows = true;
		pci_unmap_stale(bus->root);
		pci_map_wanted(bus->root);
	}
	pci_root_unlock(bus->root);
	return result;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/ranges.h"
#include "core/units.h"
#include "devices/pci/msix.h"
#include "passthrough/device/internal.h"

/* PCIe 6.2.3: the smallest expansion ROM decoder; and what no real image reaches. */
#define ROM_SIZE_MIN 2048u
#define ROM_SIZE_MAX (16 * MIB)

#define MEMORY_BAR_SIZE_MIN 16u /* PCIe 7.5.1.2.1 */

/* The holes that the VMM serves inside BAR @index. */
static void bar_holes(const struct passthrough_device *device, unsigned int index,
		      struct region_plan_input *input)
{
	const struct config_msix *msix = &device->config_facts.msix;

	if (device->record.contract != CXL_CONTRACT_NONE && device->record.bar == index) {
		input->component.offset = device->record.block_offset;
		input->component.size = device->record.block_size;
	}
	if (!msix->offset)
		return;
	if (msix->table_bar == index) {
		input->msix_table.offset = msix->table_offset;
		input->msix_table.size = (uint64_t)msix->vectors * PCI_MSIX_ENTRY_SIZE;
	}
	if (msix->pba_bar == index) {
		input->msix_pba.offset = msix->pba_offset;
		input->msix_pba.size = (msix->vectors + 63u) / 64u * 8u;
	}
}

static int plan_bar(struct passthrough_device *device, unsigned int index, struct region_plan *plan)
{
	struct region_plan_input input = {.region = &device->regions[index],
					  .page_size = device->page_size};
	const char *why;

	bar_holes(device, index, &input);
	if (region_plan(plan, &input, &why)) {
		log_error(device->environment.logger, device->id, "BAR %u: %s", index, why);
		return -EPROTO;
	}
	if (plan->ignored_areas)
		log_warning(device->environment.logger, device->id,
			    "BAR %u: %u areas are trapped instead of mapped; the last one: %s",
			    index, plan->ignored_areas, plan->ignored_reason);
	device->bar_size[index] = plan->bar_size;
	return 0;
}

/* The plans of all BARs as one array, and room for their windows. */
static int keep_plans(struct passthrough_device *device, const struct region_plan *plans)
{
	uint32_t count = 0, direct = 0;

	for (unsigned int i = 0; i < PCI_BAR_COUNT; i++)
		count += plans[i].count;
	device->segments = calloc(count ? count : 1, sizeof(*device->segments));
	if (!device->segments)
		return -ENOMEM;
	for (unsigned int i = 0; i < PCI_BAR_COUNT; i++) {
		for (uint32_t j = 0; j < plans[i].count; j++) {
			const struct region_segment *planned = &plans[i].segments[j];

			device->segments[device->segment_count++] = (struct bar_segment){
				.device = device,
				.bar = i,
				.kind = planned->kind,
				.offset = planned->offset,
				.size = planned->size,
			};
			direct += planned->kind == REGION_SEGMENT_DIRECT;
		}
	}
	return windows_create(device, direct + (device->facts.cxl ? PASSTHROUGH_CXL_WINDOWS : 0));
}

int passthrough_plan_bars(struct passthrough_device *device)
{
	struct region_plan *plans = calloc(PCI_BAR_COUNT, sizeof(*plans));
	uint64_t start = clock_now_ns();
	int result = plans ? 0 : -ENOMEM;

	for (unsigned int i = 0; i < PCI_BAR_COUNT && !result; i++) {
		result = plan_bar(device, i, &plans[i]);
		/* The upper half of a 64-bit BAR is no BAR of its own. */
		if (device->config_facts.bars[i].wide)
			i++;
	}
	if (!result)
		result = keep_plans(device, plans);
	free(plans);
	device->timeline.plan = clock_now_ns() - start;
	return result;
}

/* A window that cannot be mapped is forwarded: slower, but it works. */
static void map_segment(struct passthrough_device *device, struct bar_segment *segment)
{
	struct window *window = window_add(device, GUEST_WINDOW_REGISTERS, segment->bar,
					   segment->offset, segment->size);
	int result = window ? window_map(device, window) : -ENOMEM;

	if (!result) {
		snprintf(window->name, sizeof(window->name), "%.24s BAR %u", device->id,
			 segment->bar);
		segment->window = window;
		return;
	}
	segment->kind = REGION_SEGMENT_FORWARD;
	log_warning(device->environment.logger, device->id,
		    "BAR %u: 0x%" PRIx64 " bytes at 0x%" PRIx64
		    " cannot be mapped (%s): each access will be "
		    "trapped",
		    segment->bar, segment->size, segment->offset, strerror(-result));
}

void passthrough_map_bars(struct passthrough_device *device)
{
	for (uint32_t i = 0; i < device->segment_count; i++)
		if (device->segments[i].kind == REGION_SEGMENT_DIRECT)
			map_segment(device, &device->segments[i]);
}

/* The expansion ROM is read through the device's side; few bytes, and only by firmware. */
static int register_rom(struct passthrough_device *device)
{
	uint64_t size = region_bar_size(device->regions[VFIO_PCI_ROM_REGION_INDEX].size);

	if (size < ROM_SIZE_MIN || size > ROM_SIZE_MAX)
		return 0;
	device->rom = (struct bar_segment){
		.device = device,
		.bar = VFIO_PCI_ROM_REGION_INDEX,
		.kind = REGION_SEGMENT_FORWARD,
		.size = size,
	};
	return pci_register_bar(&device->pci, PCI_ROM_BAR, PCI_BAR_ROM, false, size, &trap_rom_ops,
				&device->rom);
}

static struct bar_segment *first_segment(struct passthrough_device *device, unsigned int bar)
{
	for (uint32_t i = 0; i < device->segment_count; i++)
		if (device->segments[i].bar == bar)
			return &device->segments[i];
	return NULL;
}

static int register_bar(struct passthrough_device *device, unsigned int index)
{
	const struct config_bar *config = &device->config_facts.bars[index];
	struct bar_segment *first = first_segment(device, index);
	uint64_t size = device->bar_size[index];
	enum pci_bar_kind kind = config->io     ? PCI_BAR_IO
				 : config->wide ? PCI_BAR_MEMORY_64
						: PCI_BAR_MEMORY_32;
	int result;

	if (!first)
		return 0;
	/* An I/O BAR may be smaller than any memory BAR. It is one forwarded segment, which PCI
	 * puts on the port bus itself. */
	if (config->io && device->regions[index].size < MEMORY_BAR_SIZE_MIN)
		size = device->regions[index].size;
	result = pci_register_bar(&device->pci, index, kind, config->prefetchable, size,
				  config->io ? &trap_forward_ops : NULL, config->io ? first : NULL);
	if (result)
		log_error(device->environment.logger, device->id,
			  "BAR %u of 0x%" PRIx64 " bytes cannot be offered to the guest", index,
			  device->bar_size[index]);
	return result;
}

int passthrough_register_bars(struct passthrough_device *device)
{
	int result = 0;

	for (unsigned int i = 0; i < PCI_BAR_COUNT && !result; i++)
		result = register_bar(device, i);
	return result ? result : register_rom(device);
}

/* Under device->lock. */
static void take_segment(struct bar_segment *segment)
{
	segment->placed = false;
	if (segment->window)
		window_take(segment->device, segment->window);
	trap_take(segment);
}

/* Under device->lock. */
static int give_segment(struct bar_segment *segment, uint64_t address)
{
	struct passthrough_device *device = segment->device;
	int result;

	segment->gpa = address + segment->offset;
	segment->placed = true;
	/* A BAR below the page size may be anywhere; pages of the host must fit. */
	if (!segment->window || passthrough_life_is_lost(&device->life) ||
	    !is_aligned(segment->gpa, device->page_size))
		return trap_give(segment);
	result = window_give(device, segment->window, segment->gpa);
	if (result != -ENOSPC)
		return result;
	log_limited(device->environment.logger, &device->limit, LOG_LEVEL_WARNING, device->id,
		    "no memory slot left: 0x%" PRIx64 " bytes of BAR %u will be trapped",
		    segment->size, segment->bar);
	return trap_give(segment);
}

static bool is_memory_bar(const struct passthrough_device *device, unsigned int index)
{
	return index < PCI_BAR_COUNT && !device->config_facts.bars[index].io;
}

/* Under device->lock. */
static void take_bar(struct passthrough_device *device, unsigned int index)
{
	for (uint32_t i = 0; i < device->segment_count; i++)
		if (device->segments[i].bar == index)
			take_segment(&device->segments[i]);
}

int passthrough_bar_mapped(struct pci_device *pci, unsigned int index, uint64_t address)
{
	struct passthrough_device *device = (struct passthrough_device *)pci;
	int result = 0;

	if (!is_memory_bar(device, index))
		return 0;
	pthread_mutex_lock(&device->lock);
	for (uint32_t i = 0; i < device->segment_count && !result; i++)
		if (device->segments[i].bar == index)
			result = give_segment(&device->segments[i], address);
	if (result)
		take_bar(device, index);
	pthread_mutex_unlock(&device->lock);
	return result;
}

void passthrough_bar_unmapped(struct pci_device *pci, unsigned int index)
{
	struct passthrough_device *device = (struct passthrough_device *)pci;

	if (!is_memory_bar(device, index))
		return;
	pthread_mutex_lock(&device->lock);
	take_bar(device, index);
	pthread_mutex_unlock(&device->lock);
}

void passthrough_wait_quiet(struct pci_device *pci)
{
	struct passthrough_device *device = (struct passthrough_device *)pci;

	for (uint32_t i = 0; i < device->segment_count; i++)
		trap_wait_quiet(&device->segments[i]);
}

void passthrough_renew_bars(struct passthrough_device *device)
{
	if (!passthrough_dma_ends_with_reset(device))
		return;
	pthread_mutex_lock(&device->lock);
	for (uint32_t i = 0; i < device->segment_count; i++)
		if (device->segments[i].window)
			window_renew(device, device->segments[i].window);
	pthread_mutex_unlock(&device->lock);
}

void passthrough_restore_bars(struct passthrough_device *device)
{
	pthread_mutex_lock(&device->lock);
	for (uint32_t i = 0; i < device->segment_count; i++) {
		struct bar_segment *segment = &device->segments[i];

		if (!segment->placed || !segment->window || segment->window->in_guest ||
		    segment->on_bus)
			continue;
		if (give_segment(segment, segment->gpa - segment->offset))
			log_limited(device->environment.logger, &device->limit, LOG_LEVEL_WARNING,
				    device->id, "BAR %u: its window does not come back",
				    segment->bar);
	}
	pthread_mutex_unlock(&device->lock);
}

void passthrough_release_bars(struct passthrough_device *device)
{
	free(device->segments);
	device->segments = NULL;
	device->segment_count = 0;
}

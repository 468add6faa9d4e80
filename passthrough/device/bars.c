/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "devices/pci/msix.h"
#include "passthrough/device/internal.h"

static uint64_t all_ones(unsigned int size)
{
	return size >= 8 ? UINT64_MAX : (1ull << (8 * size)) - 1;
}

/* Trapped access to the device itself. Any vCPU thread, without locks. */
static uint64_t forward_read(void *opaque, uint64_t offset, unsigned int size)
{
	struct passthrough_part *part = opaque;
	struct passthrough_device *device = part->device;
	uint64_t value = 0;
	int result;

	passthrough_count(device->counters.forwarded_reads);
	if (passthrough_is_lost(device))
		return all_ones(size);
	result = device->transport->ops->region_read(device->transport, part->bar,
						     part->segment.offset + offset, &value, size);
	if (result) {
		log_limited(device->environment.logger, &device->limit, LOG_LEVEL_WARNING,
			    device->id, "reading %u bytes at %#llx of BAR %u failed: %s", size,
			    (unsigned long long)(part->segment.offset + offset), part->bar,
			    strerror(-result));
		return all_ones(size);
	}
	return value;
}

static void forward_write(void *opaque, uint64_t offset, uint64_t value, unsigned int size)
{
	struct passthrough_part *part = opaque;
	struct passthrough_device *device = part->device;
	int result;

	passthrough_count(device->counters.forwarded_writes);
	if (passthrough_is_lost(device))
		return;
	result = device->transport->ops->region_write(
		device->transport, part->bar, part->segment.offset + offset, &value, size, true);
	if (result)
		log_limited(device->environment.logger, &device->limit, LOG_LEVEL_WARNING,
			    device->id, "writing %u bytes at %#llx of BAR %u failed: %s", size,
			    (unsigned long long)(part->segment.offset + offset), part->bar,
			    strerror(-result));
}

static uint64_t table_read(void *opaque, uint64_t offset, unsigned int size)
{
	struct passthrough_part *part = opaque;

	if (passthrough_is_lost(part->device))
		return all_ones(size);
	return pci_msix_table_read(&part->device->pci, offset, size);
}

static void table_write(void *opaque, uint64_t offset, uint64_t value, unsigned int size)
{
	struct passthrough_part *part = opaque;

	pci_msix_table_write(&part->device->pci, offset, value, size);
}

static uint64_t pba_read(void *opaque, uint64_t offset, unsigned int size)
{
	struct passthrough_part *part = opaque;

	return pci_msix_pba_read(&part->device->pci, offset, size);
}

static void ignore_write(void *opaque, uint64_t offset, uint64_t value, unsigned int size)
{
	(void)opaque;
	(void)offset;
	(void)value;
	(void)size;
}

static const struct bus_ops rom_ops = {.read = forward_read, .write = ignore_write};
static const struct bus_ops forward_ops = {.read = forward_read, .write = forward_write};
static const struct bus_ops table_ops = {.read = table_read, .write = table_write};
static const struct bus_ops pba_ops = {.read = pba_read, .write = NULL};

static const struct bus_ops *part_ops(const struct passthrough_part *part, void **opaque)
{
	*opaque = (void *)(uintptr_t)part;
	switch (part->segment.kind) {
	case REGION_SEGMENT_DIRECT:
	case REGION_SEGMENT_FORWARD:
		return &forward_ops;
	case REGION_SEGMENT_COMPONENT:
		*opaque = &part->device->component;
		return &cxl_component_bus_ops;
	case REGION_SEGMENT_MSIX_TABLE:
		return &table_ops;
	case REGION_SEGMENT_MSIX_PBA:
		return &pba_ops;
	case REGION_SEGMENT_EMPTY:
	default:
		return NULL;
	}
}

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

static int bar_plan(struct passthrough_device *device, unsigned int index)
{
	struct passthrough_bar *bar = &device->bars[index];
	struct region_plan_input input = {.region = &device->regions[index],
					  .page_size = device->page_size};
	const char *why;
	int result;

	bar_holes(device, index, &input);
	result = region_plan(&bar->plan, &input, &why);
	if (result) {
		log_error(device->environment.logger, device->id, "BAR %u: %s", index, why);
		return -EPROTO;
	}
	if (bar->plan.ignored_areas)
		log_warning(device->environment.logger, device->id,
			    "BAR %u: %u areas are trapped instead of mapped; the last one: %s",
			    index, bar->plan.ignored_areas, bar->plan.ignored_reason);
	if (!bar->plan.count)
		return 0;
	bar->parts = calloc(bar->plan.count, sizeof(*bar->parts));
	if (!bar->parts)
		return -ENOMEM;
	bar->part_count = bar->plan.count;
	for (uint32_t i = 0; i < bar->part_count; i++) {
		struct passthrough_part *part = &bar->parts[i];

		part->device = device;
		part->bar = index;
		part->segment = bar->plan.segments[i];
		part->fd = -1;
		snprintf(part->name, sizeof(part->name), "%.24s BAR %u", device->id, index);
	}
	return 0;
}

/* A window that cannot be mapped is forwarded: slower, but it works. */
static void part_map(struct passthrough_part *part)
{
	struct passthrough_device *device = part->device;
	int result;

	if (part->segment.kind != REGION_SEGMENT_DIRECT)
		return;
	result = device->transport->ops->map(device->transport, part->bar, part->segment.offset,
					     part->segment.size, &part->host, &part->fd,
					     &part->fd_offset);
	if (!result)
		return;
	part->host = NULL;
	part->segment.kind = REGION_SEGMENT_FORWARD;
	log_warning(device->environment.logger, device->id,
		    "BAR %u: %#llx bytes at %#llx cannot be mapped (%s): each access will be "
		    "trapped",
		    part->bar, (unsigned long long)part->segment.size,
		    (unsigned long long)part->segment.offset, strerror(-result));
}

int passthrough_prepare_bars(struct passthrough_device *device)
{
	uint64_t start = passthrough_now(), planned;
	int result = 0;

	for (unsigned int i = 0; i < PCI_BAR_COUNT && !result; i++) {
		result = bar_plan(device, i);
		/* The upper half of a 64-bit BAR is no BAR of its own. */
		if (device->config_facts.bars[i].wide && i + 1 < PCI_BAR_COUNT)
			i++;
	}
	planned = passthrough_now();
	device->timeline.plan = planned - start;
	for (unsigned int i = 0; i < PCI_BAR_COUNT && !result; i++)
		for (uint32_t j = 0; j < device->bars[i].part_count; j++)
			part_map(&device->bars[i].parts[j]);
	if (!result && device->facts.cxl)
		result = passthrough_map_dpa(device);
	device->timeline.map = passthrough_now() - planned;
	return result;
}

/* The expansion ROM is read through the device's side; few bytes, and only by firmware. */
static int register_rom(struct passthrough_device *device)
{
	uint64_t size = region_bar_size(device->regions[VFIO_PCI_ROM_REGION_INDEX].size);

	if (size < 2048 || size > 1ull << 24)
		return 0;
	device->rom.device = device;
	device->rom.bar = VFIO_PCI_ROM_REGION_INDEX;
	device->rom.segment.kind = REGION_SEGMENT_FORWARD;
	device->rom.segment.size = size;
	device->rom.fd = -1;
	return pci_register_bar(&device->pci, PCI_ROM_BAR, PCI_BAR_ROM, false, size, &rom_ops,
				&device->rom);
}

int passthrough_register_bars(struct passthrough_device *device)
{
	for (unsigned int i = 0; i < PCI_BAR_COUNT; i++) {
		const struct config_bar *config = &device->config_facts.bars[i];
		struct passthrough_bar *bar = &device->bars[i];
		enum pci_bar_kind kind = config->io     ? PCI_BAR_IO
					 : config->wide ? PCI_BAR_MEMORY_64
							: PCI_BAR_MEMORY_32;
		int result;

		if (!bar->part_count)
			continue;
		/* An I/O BAR is one forwarded part; PCI puts it on the port bus itself. */
		result = pci_register_bar(
			&device->pci, i, kind, config->prefetchable,
			config->io && device->regions[i].size < 16 ? device->regions[i].size
								   : bar->plan.bar_size,
			config->io ? &forward_ops : NULL, config->io ? &bar->parts[0] : NULL);
		if (result) {
			log_error(device->environment.logger, device->id,
				  "BAR %u of %#llx bytes cannot be offered to the guest", i,
				  (unsigned long long)bar->plan.bar_size);
			return result;
		}
	}
	return register_rom(device);
}

/* Under device->lock. */
static void part_take_away(struct passthrough_part *part)
{
	struct passthrough_device *device = part->device;

	if (part->window_mapped) {
		guest_memory_unmap_window(device->environment.memory, part->window);
		part->window_mapped = false;
	}
	if (part->dma_mapped) {
		passthrough_dma_unmap_memory(device, part->gpa, part->segment.size);
		part->dma_mapped = false;
	}
	if (part->on_bus) {
		bus_remove(device->environment.mmio, &part->region);
		part->on_bus = false;
	}
}

/* Under device->lock. */
static int part_trap(struct passthrough_part *part)
{
	void *opaque;
	const struct bus_ops *ops = part_ops(part, &opaque);
	int result;

	if (!ops)
		return 0;
	part->region = (struct bus_region){
		.name = part->device->id,
		.base = part->gpa,
		.size = part->segment.size,
		.ops = ops,
		.opaque = opaque,
	};
	result = bus_add(part->device->environment.mmio, &part->region);
	part->on_bus = !result;
	return result;
}

/* Under device->lock. */
static void part_map_dma(struct passthrough_part *part)
{
	part->dma_mapped =
		passthrough_dma_map_memory(part->device, part->gpa, part->segment.size, part->host,
					   part->fd, part->fd_offset, "window");
}

/* Under device->lock. */
static int part_give(struct passthrough_part *part, uint64_t address)
{
	struct passthrough_device *device = part->device;
	struct guest_window window = {
		.name = part->name,
		.kind = GUEST_WINDOW_REGISTERS,
		.gpa = address + part->segment.offset,
		.size = part->segment.size,
		.host = part->host,
	};
	int result;

	part->gpa = window.gpa;
	if (part->segment.kind != REGION_SEGMENT_DIRECT || passthrough_is_lost(device))
		return part_trap(part);
	/* A BAR below the page size may be anywhere; pages of the host must fit. */
	if (window.gpa % device->page_size)
		return part_trap(part);
	result = guest_memory_map_window(device->environment.memory, &window, &part->window);
	if (result == -ENOSPC) {
		log_limited(device->environment.logger, &device->limit, LOG_LEVEL_WARNING,
			    device->id,
			    "no memory slot left: %#llx bytes of BAR %u will be trapped",
			    (unsigned long long)window.size, part->bar);
		return part_trap(part);
	}
	if (result)
		return result;
	part->window_mapped = true;
	if (device->options.dma_windows == PASSTHROUGH_DMA_TRY)
		part_map_dma(part);
	return 0;
}

int passthrough_bar_mapped(struct pci_device *pci, unsigned int index, uint64_t address)
{
	struct passthrough_device *device = (struct passthrough_device *)pci;
	struct passthrough_bar *bar;
	int result = 0;

	if (index >= PCI_BAR_COUNT || device->config_facts.bars[index].io)
		return 0;
	bar = &device->bars[index];
	pthread_mutex_lock(&device->lock);
	for (uint32_t i = 0; i < bar->part_count && !result; i++)
		result = part_give(&bar->parts[i], address);
	for (uint32_t i = 0; i < bar->part_count && result; i++)
		part_take_away(&bar->parts[i]);
	pthread_mutex_unlock(&device->lock);
	return result;
}

void passthrough_bar_unmapped(struct pci_device *pci, unsigned int index)
{
	struct passthrough_device *device = (struct passthrough_device *)pci;

	if (index >= PCI_BAR_COUNT || device->config_facts.bars[index].io)
		return;
	pthread_mutex_lock(&device->lock);
	for (uint32_t i = 0; i < device->bars[index].part_count; i++)
		part_take_away(&device->bars[index].parts[i]);
	pthread_mutex_unlock(&device->lock);
}

void passthrough_remove_windows(struct passthrough_device *device)
{
	for (unsigned int i = 0; i < PCI_BAR_COUNT; i++)
		for (uint32_t j = 0; j < device->bars[i].part_count; j++)
			if (device->bars[i].parts[j].window_mapped)
				part_take_away(&device->bars[i].parts[j]);
}

void passthrough_renew_windows_dma(struct passthrough_device *device)
{
	if (!passthrough_dma_ends_with_reset(device))
		return;
	pthread_mutex_lock(&device->lock);
	for (unsigned int i = 0; i < PCI_BAR_COUNT; i++) {
		for (uint32_t j = 0; j < device->bars[i].part_count; j++) {
			struct passthrough_part *part = &device->bars[i].parts[j];

			if (!part->dma_mapped)
				continue;
			passthrough_dma_unmap_memory(device, part->gpa, part->segment.size);
			part_map_dma(part);
		}
	}
	pthread_mutex_unlock(&device->lock);
}

void passthrough_unmap_windows(struct passthrough_device *device)
{
	for (unsigned int i = 0; i < PCI_BAR_COUNT; i++) {
		for (uint32_t j = 0; j < device->bars[i].part_count; j++) {
			struct passthrough_part *part = &device->bars[i].parts[j];

			if (part->host)
				munmap(part->host, part->segment.size);
			part->host = NULL;
		}
	}
}

void passthrough_release_bars(struct passthrough_device *device)
{
	passthrough_unmap_windows(device);
	for (unsigned int i = 0; i < PCI_BAR_COUNT; i++) {
		struct passthrough_bar *bar = &device->bars[i];

		free(bar->parts);
		bar->parts = NULL;
		bar->part_count = 0;
	}
}

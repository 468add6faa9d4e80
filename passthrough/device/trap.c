/* SPDX-License-Identifier: Apache-2.0 */
#include "passthrough/device/trap.h"

#include <inttypes.h>
#include <string.h>

#include "core/bytes.h"
#include "devices/pci/msix.h"
#include "passthrough/device/internal.h"

static uint64_t forward_read(void *opaque, uint64_t offset, unsigned int size)
{
	const struct bar_segment *segment = opaque;
	struct passthrough_device *device = segment->device;
	uint64_t value = 0;
	int result;

	passthrough_count(device->counts.forwarded_reads);
	if (passthrough_life_is_lost(&device->life))
		return bytes_all_ones(size);
	result = device->transport->ops->region_read(device->transport, segment->bar,
						     segment->offset + offset, &value, size);
	if (result) {
		log_limited(device->environment.logger, &device->limit, LOG_LEVEL_WARNING,
			    device->id, "reading %u bytes at 0x%" PRIx64 " of BAR %u failed: %s",
			    size, segment->offset + offset, segment->bar, strerror(-result));
		return bytes_all_ones(size);
	}
	return value;
}

static void forward_write(void *opaque, uint64_t offset, uint64_t value, unsigned int size)
{
	const struct bar_segment *segment = opaque;
	struct passthrough_device *device = segment->device;
	int result;

	passthrough_count(device->counts.forwarded_writes);
	if (passthrough_life_is_lost(&device->life))
		return;
	result = device->transport->ops->region_write(device->transport, segment->bar,
						      segment->offset + offset, &value, size, true);
	if (result)
		log_limited(device->environment.logger, &device->limit, LOG_LEVEL_WARNING,
			    device->id, "writing %u bytes at 0x%" PRIx64 " of BAR %u failed: %s",
			    size, segment->offset + offset, segment->bar, strerror(-result));
}

static uint64_t table_read(void *opaque, uint64_t offset, unsigned int size)
{
	const struct bar_segment *segment = opaque;

	if (passthrough_life_is_lost(&segment->device->life))
		return bytes_all_ones(size);
	return pci_msix_table_read(&segment->device->pci, offset, size);
}

static void table_write(void *opaque, uint64_t offset, uint64_t value, unsigned int size)
{
	const struct bar_segment *segment = opaque;

	pci_msix_table_write(&segment->device->pci, offset, value, size);
}

static uint64_t pba_read(void *opaque, uint64_t offset, unsigned int size)
{
	const struct bar_segment *segment = opaque;

	return pci_msix_pba_read(&segment->device->pci, offset, size);
}

static void ignore_write(void *opaque, uint64_t offset, uint64_t value, unsigned int size)
{
	(void)opaque;
	(void)offset;
	(void)value;
	(void)size;
}

const struct bus_ops trap_rom_ops = {.read = forward_read, .write = ignore_write};
const struct bus_ops trap_forward_ops = {.read = forward_read, .write = forward_write};
static const struct bus_ops table_ops = {.read = table_read, .write = table_write};
static const struct bus_ops pba_ops = {.read = pba_read, .write = NULL};

static const struct bus_ops *segment_ops(struct bar_segment *segment, void **opaque)
{
	*opaque = segment;
	switch (segment->kind) {
	case REGION_SEGMENT_DIRECT:
	case REGION_SEGMENT_FORWARD:
		return &trap_forward_ops;
	case REGION_SEGMENT_COMPONENT:
		*opaque = &segment->device->cxl->component;
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

int trap_give(struct bar_segment *segment)
{
	void *opaque;
	const struct bus_ops *ops = segment_ops(segment, &opaque);
	int result;

	if (!ops)
		return 0;
	segment->trap = (struct bus_region){
		.name = segment->device->id,
		.base = segment->gpa,
		.size = segment->size,
		.ops = ops,
		.opaque = opaque,
	};
	result = bus_add(segment->device->environment.mmio, &segment->trap);
	segment->on_bus = !result;
	return result;
}

void trap_take(struct bar_segment *segment)
{
	if (segment->on_bus)
		bus_withdraw(segment->device->environment.mmio, &segment->trap);
	segment->on_bus = false;
}

void trap_wait_quiet(struct bar_segment *segment)
{
	bus_remove(segment->device->environment.mmio, &segment->trap);
}

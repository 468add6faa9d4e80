/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/machine/layout.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/ranges.h"
#include "core/units.h"
#include "passthrough/discover/window_placement.h"

#define CHBS_BYTES          0x10000ull
#define PCI_32_ALIGN        MIB /* bridge window granularity, PCIe 7.5.1.3.8 */
#define PCI_64_ALIGN_MAX    (TIB)
#define PCI_64_BRIDGE_0_MIN (64 * GIB) /* room for the guest to move BARs and for rescans */

static uint64_t power_of_two_up(uint64_t value)
{
	uint64_t power = 1;

	while (power < value && power < 1ull << 63)
		power <<= 1;
	return power;
}

static int out_of_space(char *reason, const struct layout *layout, const char *what, uint64_t bytes)
{
	if (layout->limit_of)
		snprintf(reason, LAYOUT_REASON,
			 "%s (%" PRIu64 " MiB) does not fit below %" PRIu64
			 " GiB, where the addresses end that the IOMMU of %s translates; use a "
			 "smaller size, fewer devices, or an IOMMU with a wider address",
			 what, bytes / MIB, layout->limit / GIB, layout->limit_of);
	else
		snprintf(reason, LAYOUT_REASON,
			 "%s (%" PRIu64
			 " MiB) does not fit below the guest's physical address limit of %" PRIu64
			 " GiB; use a smaller size, fewer devices, or a host (max_phys_bits) with "
			 "a wider "
			 "address",
			 what, bytes / MIB, layout->limit / GIB);
	return -ENOSPC;
}

int layout_plan(const struct layout_input *input, struct layout *layout, char *reason)
{
	const struct arch_map *map = input->map;
	uint64_t low_room = map->low_ram_end - map->low_ram_start;
	uint64_t cursor;
	char what[96];

	memset(layout, 0, sizeof(*layout));
	layout->map = map;
	layout->accelerator_count = input->accelerator_count;
	layout->limit = 1ull << (input->phys_bits < 52 ? input->phys_bits : 52);
	if (input->dma_limit && input->dma_limit < layout->limit) {
		layout->limit = input->dma_limit;
		layout->limit_of = input->dma_limit_of;
	}
	layout->low_ram = input->ram_bytes < low_room ? input->ram_bytes : low_room;
	layout->high_ram = input->ram_bytes - layout->low_ram;
	if (__builtin_add_overflow(map->high_ram_start, layout->high_ram, &cursor) ||
	    cursor > layout->limit)
		return out_of_space(reason, layout, "RAM", input->ram_bytes);

	if (input->accelerator_count > MACHINE_MAX_DEVICES) {
		snprintf(reason, LAYOUT_REASON,
			 "%zu accelerators, but at most %u have room for their host bridges",
			 input->accelerator_count, MACHINE_MAX_DEVICES);
		return -ENOSPC;
	}
	for (size_t i = 0; i < input->accelerator_count; i++) {
		const struct layout_accelerator *accelerator = &input->accelerators[i];
		const struct window_request request = {
			.size = accelerator->window_size,
			.alignment = accelerator->window_align < WINDOW_GRANULARITY
					     ? WINDOW_GRANULARITY
					     : accelerator->window_align,
		};

		layout->chbs[i] = map->chbs_end - (i + 1) * CHBS_BYTES;
		snprintf(what, sizeof(what), "the CXL window of %s", accelerator->name);
		if (window_place(&request, cursor, layout->limit, &layout->window[i]))
			return out_of_space(reason, layout, what, accelerator->window_size);
		cursor = layout->window[i] + window_round_size(accelerator->window_size);
	}
	layout->window_end = cursor;
	return 0;
}

static int place_32(const struct layout *layout, const struct pci_host_windows *required,
		    size_t count, struct pci_host_windows *placed, char *reason)
{
	/* From the top down, so that bridge 0 gets one piece of all that is left. */
	const uint64_t bottom = layout->map->pci_32_start;
	uint64_t top = layout->map->pci_32_end;

	for (size_t i = count; i-- > 0;) {
		uint64_t size = required[i].memory_32.size;

		if (!size && i)
			continue;
		if (size > top - bottom) {
			snprintf(reason, LAYOUT_REASON,
				 "the 32-bit BARs behind host bridge %zu need %" PRIu64
				 " MiB, but only %" PRIu64 " MiB of 32-bit PCI space is left; use "
				 "fewer devices with 32-bit BARs",
				 i, size / MIB, (top - bottom) / MIB);
			return -ENOSPC;
		}
		if (!i) {
			placed[0].memory_32.base = bottom;
			placed[0].memory_32.size = top - bottom;
			break;
		}
		/* A power of two is aligned to the largest BAR in it, and so is every boundary
		 * below it. */
		size = power_of_two_up(size < PCI_32_ALIGN ? PCI_32_ALIGN : size);
		if (size > top - bottom)
			size = top - bottom;
		top = (top - size) & ~(size - 1);
		if (top < bottom)
			return out_of_space(reason, layout, "a 32-bit PCI window", size);
		placed[i].memory_32.base = top;
		placed[i].memory_32.size = size;
	}
	return 0;
}

int layout_place_pci(const struct layout *layout, const struct pci_host_windows *required,
		     size_t count, struct pci_host_windows *placed, char *reason)
{
	uint64_t cursor = layout->window_end;
	int result;

	memset(placed, 0, count * sizeof(*placed));
	if (!count || count > LAYOUT_MAX_BRIDGES)
		return -ENOSPC;
	placed[0].io.base = layout->map->pci_io_start;
	placed[0].io.size = layout->map->pci_io_end - layout->map->pci_io_start;
	result = place_32(layout, required, count, placed, reason);
	if (result)
		return result;
	for (size_t i = 0; i < count; i++) {
		uint64_t size = required[i].memory_64.size;
		uint64_t align;

		if (!i && size < PCI_64_BRIDGE_0_MIN &&
		    layout->limit - cursor > 4 * PCI_64_BRIDGE_0_MIN)
			size = PCI_64_BRIDGE_0_MIN;
		if (!size)
			continue;
		align = power_of_two_up(size);
		if (align > PCI_64_ALIGN_MAX)
			align = PCI_64_ALIGN_MAX;
		if (align < PCI_32_ALIGN)
			align = PCI_32_ALIGN;
		if (!align_up(size, PCI_32_ALIGN, &size) || !align_up(cursor, align, &cursor) ||
		    cursor > layout->limit || size > layout->limit - cursor)
			return out_of_space(reason, layout,
					    "the 64-bit BARs of one PCI host bridge", size);
		placed[i].memory_64.base = cursor;
		placed[i].memory_64.size = size;
		cursor += size;
	}
	return 0;
}

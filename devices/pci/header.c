/* SPDX-License-Identifier: Apache-2.0 */
/* Where BARs and bridge windows stand in a header (PCIe 7.5.1), and what they say. */
#include <errno.h>

#include "core/bytes.h"
#include "devices/pci/bus.h"

uint32_t pci_bar_offset(const struct pci_device *device, unsigned int index)
{
	bool bridge = pci_is_bridge(device);

	if (index == PCI_ROM_BAR)
		return bridge ? PCI_ROM_ADDRESS1 : PCI_ROM_ADDRESS;
	if (index >= (bridge ? 2 : PCI_BAR_COUNT))
		return 0;
	return PCI_BASE_ADDRESS_0 + 4 * index;
}

int pci_register_bar(struct pci_device *device, unsigned int index, enum pci_bar_kind kind,
		     bool prefetchable, uint64_t size, const struct bus_ops *ops, void *opaque)
{
	uint32_t offset = pci_bar_offset(device, index);
	uint64_t least = kind == PCI_BAR_IO ? 4 : kind == PCI_BAR_ROM ? 2048 : 16;
	uint64_t most = kind == PCI_BAR_IO          ? 0x10000
			: kind == PCI_BAR_MEMORY_64 ? 1ull << 63
						    : 1ull << 31;
	uint32_t flags = 0;
	uint32_t fixed = 0xfu;
	struct pci_bar *bar;

	if (!offset || kind == PCI_BAR_NONE || (index == PCI_ROM_BAR) != (kind == PCI_BAR_ROM))
		return -EINVAL;
	bar = &device->bars[index];
	if (bar->kind != PCI_BAR_NONE || size < least || size > most || (size & (size - 1)))
		return -EINVAL;
	/* The upper half of a 64-bit BAR is taken too. */
	if (index > 0 && index < PCI_BAR_COUNT && device->bars[index - 1].kind == PCI_BAR_MEMORY_64)
		return -EINVAL;
	if (kind == PCI_BAR_MEMORY_64 &&
	    (!pci_bar_offset(device, index + 1) || index + 1 >= PCI_BAR_COUNT ||
	     device->bars[index + 1].kind != PCI_BAR_NONE))
		return -EINVAL;

	*bar = (struct pci_bar){
		.kind = kind,
		.prefetchable = prefetchable,
		.size = size,
		.ops = ops,
		.opaque = opaque,
	};
	if (kind == PCI_BAR_IO) {
		flags = PCI_BASE_ADDRESS_SPACE_IO;
		fixed = 0x3;
	} else if (kind == PCI_BAR_ROM) {
		fixed = 0x7ff;
	} else {
		flags = (kind == PCI_BAR_MEMORY_64 ? PCI_BASE_ADDRESS_MEM_TYPE_64 : 0u) |
			(prefetchable ? PCI_BASE_ADDRESS_MEM_PREFETCH : 0u);
	}
	bytes_put_le32(device->config + offset, flags);
	bytes_put_le32(device->writable + offset,
		       ((uint32_t) ~(size - 1) & ~fixed) |
			       (kind == PCI_BAR_ROM ? PCI_ROM_ADDRESS_ENABLE : 0));
	if (kind == PCI_BAR_MEMORY_64)
		bytes_put_le32(device->writable + offset + 4, (uint32_t)(~(size - 1) >> 32));
	return 0;
}

bool pci_bridge_window(const struct pci_device *bridge, enum pci_bar_kind kind, bool prefetchable,
		       struct pci_window *window)
{
	const uint8_t *config = bridge->config;
	uint64_t limit;

	if (kind == PCI_BAR_IO) {
		window->base = (uint64_t)(config[PCI_IO_BASE] & 0xf0) << 8;
		limit = (uint64_t)(config[PCI_IO_LIMIT] & 0xf0) << 8 | 0xfff;
	} else if (!prefetchable) {
		window->base = (uint64_t)(bytes_get_le16(config + PCI_MEMORY_BASE) & 0xfff0) << 16;
		limit = (uint64_t)(bytes_get_le16(config + PCI_MEMORY_LIMIT) & 0xfff0) << 16 |
			0xfffff;
	} else {
		window->base = (uint64_t)(bytes_get_le16(config + PCI_PREF_MEMORY_BASE) & 0xfff0)
				       << 16 |
			       (uint64_t)bytes_get_le32(config + PCI_PREF_BASE_UPPER32) << 32;
		limit = (uint64_t)(bytes_get_le16(config + PCI_PREF_MEMORY_LIMIT) & 0xfff0) << 16 |
			0xfffff | (uint64_t)bytes_get_le32(config + PCI_PREF_LIMIT_UPPER32) << 32;
	}
	if (window->base > limit)
		return false;
	window->size = limit - window->base + 1;
	return window->size != 0;
}

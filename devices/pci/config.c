/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/bytes.h"
#include "devices/pci/bus.h"
#include "devices/pci/msi.h"
#include "devices/pci/msix.h"

static bool pci_config_access_is_valid(uint32_t offset, unsigned int size)
{
	return (size == 1 || size == 2 || size == 4) && offset < PCI_CONFIG_SIZE &&
	       (offset & 3) + size <= 4;
}

/* Does [offset, offset + size) touch [start, start + length)? */
static bool pci_config_touches(uint32_t offset, unsigned int size, uint32_t start, uint32_t length)
{
	return offset < start + length && start < offset + size;
}

uint32_t pci_config_read_generic(struct pci_device *device, uint32_t offset, unsigned int size)
{
	uint32_t value = 0;

	if (!pci_config_access_is_valid(offset, size))
		return UINT32_MAX;
	if (device->msi && pci_msi_read(device, offset, size, &value))
		return value;
	for (unsigned int i = 0; i < size; i++) {
		uint32_t byte = device->config[offset + i];

		/* PCIe 7.5.1.1.4: Interrupt Status follows the level, not the disable bit. */
		if (offset + i == PCI_STATUS &&
		    atomic_load_explicit(&device->intx_level, memory_order_relaxed))
			byte |= PCI_STATUS_INTERRUPT;
		value |= byte << (8 * i);
	}
	return value;
}

uint32_t pci_config_read(struct pci_device *device, uint32_t offset, unsigned int size)
{
	uint32_t value = 0;

	if (!pci_config_access_is_valid(offset, size))
		return UINT32_MAX;
	if (device->ops && device->ops->config_read &&
	    device->ops->config_read(device, offset, size, &value))
		return value;
	return pci_config_read_generic(device, offset, size);
}

/* Registers whose change may move what is decoded where. */
static bool pci_config_moves_bars(const struct pci_device *device, uint32_t offset,
				  unsigned int size)
{
	uint32_t power = device->power_management;

	if (pci_config_touches(offset, size, PCI_COMMAND, 2) ||
	    (power && pci_config_touches(offset, size, power + PCI_PM_CTRL, 2)))
		return true;
	if (pci_is_bridge(device))
		return pci_config_touches(offset, size, PCI_BASE_ADDRESS_0, 8) ||
		       pci_config_touches(offset, size, PCI_IO_BASE,
					  PCI_CAPABILITY_LIST - PCI_IO_BASE) ||
		       pci_config_touches(offset, size, PCI_ROM_ADDRESS1, 4);
	return pci_config_touches(offset, size, PCI_BASE_ADDRESS_0, 4 * PCI_BAR_COUNT) ||
	       pci_config_touches(offset, size, PCI_ROM_ADDRESS, 4);
}

static void pci_command_changed(struct pci_device *device)
{
	uint16_t command = bytes_get_le16(device->config + PCI_COMMAND);

	atomic_store_explicit(&device->bus_master, (command & PCI_COMMAND_MASTER) != 0,
			      memory_order_relaxed);
	pci_update_intx(device, (command & PCI_COMMAND_INTX_DISABLE) != 0);
}

/* PCIe 7.5.3.4: writing 1 to Initiate Function Level Reset, when the capability offers it. */
static bool pci_write_starts_flr(const struct pci_device *device, uint32_t offset,
				 unsigned int size, uint32_t value)
{
	uint32_t byte = device->express + PCI_EXP_DEVCTL + 1u;

	return device->express && pci_config_touches(offset, size, byte, 1) &&
	       (bytes_get_le32(device->config + device->express + PCI_EXP_DEVCAP) &
		PCI_EXP_DEVCAP_FLR) &&
	       (value >> (8 * (byte - offset)) & (PCI_EXP_DEVCTL_BCR_FLR >> 8));
}

void pci_config_write_generic(struct pci_device *device, uint32_t offset, unsigned int size,
			      uint32_t value)
{
	uint32_t power = device->power_management;
	uint8_t state = 0;
	bool moves;

	if (!pci_config_access_is_valid(offset, size))
		return;
	if (pci_write_starts_flr(device, offset, size, value)) {
		pci_device_reset(device, PCI_RESET_FUNCTION);
		return;
	}
	if (power)
		state = device->config[power + PCI_PM_CTRL] & PCI_PM_CTRL_STATE_MASK;
	for (unsigned int i = 0; i < size; i++) {
		uint8_t byte = (uint8_t)(value >> (8 * i));
		uint8_t mask = device->writable[offset + i];
		uint8_t *stored = &device->config[offset + i];

		*stored = (uint8_t)((*stored & ~mask) | (byte & mask));
		*stored &= (uint8_t) ~(byte & device->write_1_to_clear[offset + i]);
	}
	if (power && pci_config_touches(offset, size, power + PCI_PM_CTRL, 1)) {
		uint8_t *control = &device->config[power + PCI_PM_CTRL];
		uint8_t wanted = *control & PCI_PM_CTRL_STATE_MASK;

		/* PCIe 7.5.2.2: a state that is not supported (D1, D2) is not taken. */
		if (wanted == 1 || wanted == 2)
			*control = (uint8_t)((*control & ~PCI_PM_CTRL_STATE_MASK) | state);
	}
	if (pci_config_touches(offset, size, PCI_COMMAND, 2))
		pci_command_changed(device);
	moves = device->root && pci_config_moves_bars(device, offset, size);
	if (moves)
		pci_unmap_stale(device->root);
	if (device->msix)
		pci_msix_config_written(device, offset, size);
	if (device->msi)
		pci_msi_config_written(device, offset, size);
	if (device->ops && device->ops->config_written)
		device->ops->config_written(device, offset, size);
	if (moves)
		pci_map_wanted(device->root);
}

void pci_config_write(struct pci_device *device, uint32_t offset, unsigned int size, uint32_t value)
{
	if (!pci_config_access_is_valid(offset, size))
		return;
	if (device->ops && device->ops->config_write &&
	    device->ops->config_write(device, offset, size, value))
		return;
	pci_config_write_generic(device, offset, size, value);
}

void pci_device_reset(struct pci_device *device, enum pci_reset_kind kind)
{
	pci_unmap_bars(device);
	memcpy(device->config, device->reset_config, sizeof(device->config));
	if (device->root)
		pci_unmap_stale(device->root); /* a bridge: what was behind its windows */
	if (device->msix)
		pci_msix_reset(device);
	if (device->msi)
		pci_msi_reset(device);
	pci_set_intx(device, false);
	pci_command_changed(device);
	if (device->ops && device->ops->reset)
		device->ops->reset(device, kind);
	/* What was refused because of this function may come now. */
	if (device->root)
		pci_map_wanted(device->root);
}

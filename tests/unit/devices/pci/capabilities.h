/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_DEVICES_PCI_CAPABILITIES_H
#define TESTS_UNIT_DEVICES_PCI_CAPABILITIES_H

#include <linux/pci_regs.h>

#include "core/bytes.h"
#include "devices/pci/device.h"

#define PCI_FIRST_CAPABILITY     0x40u
#define PCI_FIRST_EXT_CAPABILITY 0x100u

/* What a driver does with a configuration space: it looks for capabilities. And one that our own
 * devices do not have: those of passed-through functions come with it. */

/*
 * The power management capability (PCIe 7.5.2): D0 and D3hot without soft reset, no PME. BARs are
 * not decoded in D3hot. Returns the offset or -ENOSPC.
 */
static inline int pci_add_power_management(struct pci_device *device)
{
	int offset = pci_add_capability(device, PCI_CAP_ID_PM, PCI_PM_SIZEOF);

	if (offset < 0)
		return offset;
	device->power_management = (uint16_t)offset;
	bytes_put_le16(device->config + (uint32_t)offset + PCI_PM_PMC, 3);
	bytes_put_le16(device->config + (uint32_t)offset + PCI_PM_CTRL, PCI_PM_CTRL_NO_SOFT_RESET);
	bytes_put_le16(device->writable + (uint32_t)offset + PCI_PM_CTRL, PCI_PM_CTRL_STATE_MASK);
	return offset;
}

/* Walks are bounded. @id: PCI_CAP_ID_* / PCI_EXT_CAP_ID_*. Return the offset, or 0. */
static inline uint16_t pci_find_capability(const uint8_t *config, uint8_t id)
{
	uint32_t offset = config[PCI_CAPABILITY_LIST] & 0xfcu;

	if (!(bytes_get_le16(config + PCI_STATUS) & PCI_STATUS_CAP_LIST))
		return 0;
	for (unsigned int hops = 0; hops < 48 && offset >= PCI_FIRST_CAPABILITY; hops++) {
		if (config[offset] == id)
			return (uint16_t)offset;
		offset = config[offset + 1] & 0xfcu;
	}
	return 0;
}

/* The next capability at or after @offset with @id; @offset 0 ends the chain. */
static inline uint32_t pci_ext_capability_from(const uint8_t *config, uint32_t offset, uint16_t id,
					       unsigned int *hops)
{
	while (offset >= PCI_FIRST_EXT_CAPABILITY && offset <= PCI_CONFIG_SIZE - 4 &&
	       (*hops)++ < (PCI_CONFIG_SIZE - PCI_FIRST_EXT_CAPABILITY) / 8) {
		uint32_t header = bytes_get_le32(config + offset);

		if (!header || header == UINT32_MAX)
			return 0;
		if (PCI_EXT_CAP_ID(header) == id)
			return offset;
		offset = PCI_EXT_CAP_NEXT(header) & 0xffcu;
	}
	return 0;
}

static inline uint16_t pci_find_ext_capability(const uint8_t *config, uint16_t id)
{
	unsigned int hops = 0;

	return (uint16_t)pci_ext_capability_from(config, PCI_FIRST_EXT_CAPABILITY, id, &hops);
}

static inline uint16_t pci_find_dvsec(const uint8_t *config, uint16_t vendor, uint16_t dvsec_id)
{
	uint32_t offset = PCI_FIRST_EXT_CAPABILITY;
	unsigned int hops = 0;

	while ((offset = pci_ext_capability_from(config, offset, PCI_EXT_CAP_ID_DVSEC, &hops))) {
		if (offset <= PCI_CONFIG_SIZE - 10 &&
		    bytes_get_le16(config + offset + PCI_DVSEC_HEADER1) == vendor &&
		    bytes_get_le16(config + offset + PCI_DVSEC_HEADER2) == dvsec_id)
			return (uint16_t)offset;
		offset = PCI_EXT_CAP_NEXT(bytes_get_le32(config + offset)) & 0xffcu;
	}
	return 0;
}

#endif

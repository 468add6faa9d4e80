/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/cxl/dvsec.h"

#include <errno.h>

#include "core/bytes.h"

#define CXL_PORT_EXTENSIONS_LENGTH 0x28u
#define CXL_GPF_PORT_LENGTH        0x10u
#define CXL_FLEX_BUS_LENGTH        0x20u
#define CXL_FLEX_BUS_REVISION      2u
#define CXL_LOCATOR_GRANULARITY    0x10000u

/* Timeout base 3:0 and scale 11:8 (8.1.6.1); the reset value says 1 us. */
#define CXL_GPF_TIMEOUT_WRITABLE 0x0f0fu
#define CXL_GPF_TIMEOUT_1_US     0x0001u

int cxl_add_port_extensions(struct pci_device *device)
{
	int offset = pci_add_dvsec(device, CXL_DVSEC_VENDOR, 0, CXL_DVSEC_PORT_EXTENSIONS,
				   CXL_PORT_EXTENSIONS_LENGTH);
	uint32_t dvsec;

	if (offset < 0)
		return offset;
	dvsec = (uint32_t)offset;
	bytes_put_le16(device->config + dvsec + CXL_PORT_STATUS, CXL_PORT_STATUS_PM_INIT_COMPLETE);
	bytes_put_le16(device->write_1_to_clear + dvsec + CXL_PORT_STATUS, CXL_PORT_STATUS_VIRAL);
	bytes_put_le16(device->writable + dvsec + CXL_PORT_CONTROL,
		       CXL_PORT_CONTROL_UNMASK_SBR | CXL_PORT_CONTROL_UNMASK_LINK);
	return offset;
}

int cxl_add_gpf_port(struct pci_device *device)
{
	int offset =
		pci_add_dvsec(device, CXL_DVSEC_VENDOR, 0, CXL_DVSEC_GPF_PORT, CXL_GPF_PORT_LENGTH);

	if (offset < 0)
		return offset;
	for (uint32_t phase = CXL_GPF_PORT_PHASE_1; phase <= CXL_GPF_PORT_PHASE_2; phase += 2) {
		bytes_put_le16(device->config + (uint32_t)offset + phase, CXL_GPF_TIMEOUT_1_US);
		bytes_put_le16(device->writable + (uint32_t)offset + phase,
			       CXL_GPF_TIMEOUT_WRITABLE);
	}
	return offset;
}

int cxl_add_flex_bus(struct pci_device *device, bool cache)
{
	uint16_t protocols =
		(uint16_t)(CXL_FLEX_BUS_IO | CXL_FLEX_BUS_MEM | (cache ? CXL_FLEX_BUS_CACHE : 0u));
	int offset = pci_add_dvsec(device, CXL_DVSEC_VENDOR, CXL_FLEX_BUS_REVISION,
				   CXL_DVSEC_FLEX_BUS, CXL_FLEX_BUS_LENGTH);
	uint32_t dvsec;

	if (offset < 0)
		return offset;
	dvsec = (uint32_t)offset;
	/* The control register steers link training, which is over: read-only here. */
	bytes_put_le16(device->config + dvsec + CXL_FLEX_BUS_CAPABILITY,
		       (uint16_t)(protocols | CXL_FLEX_BUS_68B_VH));
	bytes_put_le16(device->config + dvsec + CXL_FLEX_BUS_CONTROL,
		       (uint16_t)(protocols | CXL_FLEX_BUS_68B_VH));
	bytes_put_le16(device->config + dvsec + CXL_FLEX_BUS_STATUS,
		       (uint16_t)(protocols | CXL_FLEX_BUS_68B_VH));
	return offset;
}

int cxl_add_register_locator(struct pci_device *device, const struct cxl_register_block *blocks,
			     size_t count)
{
	int offset;

	if (count < 1 || count > 16)
		return -EINVAL;
	for (size_t i = 0; i < count; i++)
		if (blocks[i].bar >= PCI_BAR_COUNT || blocks[i].offset % CXL_LOCATOR_GRANULARITY)
			return -EINVAL;
	offset = pci_add_dvsec(device, CXL_DVSEC_VENDOR, 0, CXL_DVSEC_REGISTER_LOCATOR,
			       (uint16_t)(CXL_LOCATOR_FIRST + CXL_LOCATOR_ENTRY * count));
	if (offset < 0)
		return offset;
	for (size_t i = 0; i < count; i++) {
		uint32_t entry =
			(uint32_t)offset + CXL_LOCATOR_FIRST + CXL_LOCATOR_ENTRY * (uint32_t)i;

		bytes_put_le32(device->config + entry,
			       CXL_LOCATOR_LOW(blocks[i].bar, blocks[i].id, blocks[i].offset));
		bytes_put_le32(device->config + entry + 4, (uint32_t)(blocks[i].offset >> 32));
	}
	return offset;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "passthrough/view/config_facts.h"

#include <errno.h>
#include <string.h>

#include "core/bytes.h"
#include "devices/cxl/dvsec.h"
#include "passthrough/view/dvsec_body.h"

#define CAPABILITY_NEXT_MASK 0xfcu  /* PCIe 7.5.1.1.11: the lower two bits are reserved */
#define EXTENDED_NEXT_MASK   0xffcu /* PCIe 7.6.3 */
/* The smallest capability has four bytes, the smallest extended one eight: a loop ends there. */
#define MAX_CAPABILITIES     ((PCI_CFG_SPACE_SIZE - PCI_STD_HEADER_SIZEOF) / 4)
#define EXTENDED_MIN         8u
#define MAX_EXTENDED         ((PCI_CONFIG_SIZE - PCI_CFG_SPACE_SIZE) / EXTENDED_MIN)
#define MSI_MAX_VECTORS_LOG2 5 /* PCIe 7.7.1.2: 32 vectors; more is reserved */
#define INTERRUPT_PINS       4u
#define DVSEC_READ           (PCI_DVSEC_HEADER2 + 4u) /* up to the end of the dword of its id */

static int config_refuse(const char **why, const char *text)
{
	*why = text;
	return -EPROTO;
}

uint32_t config_step(const uint8_t *config, uint32_t offset, unsigned int *hops)
{
	uint32_t next;

	if (offset == 0)
		next = bytes_get_le16(config + PCI_STATUS) & PCI_STATUS_CAP_LIST
			       ? config[PCI_CAPABILITY_LIST]
			       : 0u;
	else
		next = config[offset + 1];
	next &= CAPABILITY_NEXT_MASK;
	/* A header has two bytes, and the smallest capability four. */
	return next >= PCI_STD_HEADER_SIZEOF && (*hops)++ < MAX_CAPABILITIES ? next : 0;
}

uint32_t config_ext_step(const uint8_t *config, uint32_t length, uint32_t offset,
			 unsigned int *hops)
{
	uint32_t next = PCI_CFG_SPACE_SIZE;
	uint32_t header;

	if (offset)
		next = PCI_EXT_CAP_NEXT(bytes_get_le32(config + offset)) & EXTENDED_NEXT_MASK;
	if (next < PCI_CFG_SPACE_SIZE || next + EXTENDED_MIN > length || (*hops)++ >= MAX_EXTENDED)
		return 0;
	header = bytes_get_le32(config + next);
	return header == 0 || header == UINT32_MAX ? 0 : next;
}

static int config_parse_msix(struct config_facts *facts, const uint8_t *config, uint32_t offset,
			     const char **why)
{
	struct config_msix *msix = &facts->msix;
	uint32_t table, pba;

	if (msix->offset)
		return config_refuse(why, "two MSI-X capabilities");
	if (offset + PCI_CAP_MSIX_SIZEOF > PCI_CFG_SPACE_SIZE)
		return config_refuse(why, "the MSI-X capability leaves the configuration space");
	table = bytes_get_le32(config + offset + PCI_MSIX_TABLE);
	pba = bytes_get_le32(config + offset + PCI_MSIX_PBA);
	if ((table & PCI_MSIX_TABLE_BIR) >= PCI_BAR_COUNT ||
	    (pba & PCI_MSIX_PBA_BIR) >= PCI_BAR_COUNT)
		return config_refuse(why, "MSI-X table or pending bits in BAR 6 or 7");
	msix->offset = (uint8_t)offset;
	msix->vectors = (uint16_t)((bytes_get_le16(config + offset + PCI_MSIX_FLAGS) &
				    PCI_MSIX_FLAGS_QSIZE) +
				   1);
	msix->table_bar = table & PCI_MSIX_TABLE_BIR;
	msix->table_offset = table & ~(uint32_t)PCI_MSIX_TABLE_BIR;
	msix->pba_bar = pba & PCI_MSIX_PBA_BIR;
	msix->pba_offset = pba & ~(uint32_t)PCI_MSIX_PBA_BIR;
	return 0;
}

uint32_t config_msi_size(const struct config_msi *msi)
{
	return 10u + (msi->address_64 ? 4u : 0u) + (msi->maskable ? 10u : 0u);
}

static int config_parse_msi(struct config_facts *facts, const uint8_t *config, uint32_t offset,
			    const char **why)
{
	struct config_msi *msi = &facts->msi;
	uint16_t flags = bytes_get_le16(config + offset + PCI_MSI_FLAGS);

	if (msi->offset)
		return config_refuse(why, "two MSI capabilities");
	msi->address_64 = flags & PCI_MSI_FLAGS_64BIT;
	msi->maskable = flags & PCI_MSI_FLAGS_MASKBIT;
	if (offset + config_msi_size(msi) > PCI_CFG_SPACE_SIZE)
		return config_refuse(why, "the MSI capability leaves the configuration space");
	if ((flags & PCI_MSI_FLAGS_QMASK) >> 1 > MSI_MAX_VECTORS_LOG2)
		return config_refuse(why, "reserved number of MSI vectors");
	msi->offset = (uint8_t)offset;
	msi->vectors = (uint8_t)(1u << ((flags & PCI_MSI_FLAGS_QMASK) >> 1));
	return 0;
}

static int config_parse_capabilities(struct config_facts *facts, const uint8_t *config,
				     const char **why)
{
	unsigned int hops = 0;
	int result = 0;

	for (uint32_t at = config_step(config, 0, &hops); at && !result;
	     at = config_step(config, at, &hops)) {
		switch (config[at]) {
		case PCI_CAP_ID_MSIX:
			result = config_parse_msix(facts, config, at, why);
			break;
		case PCI_CAP_ID_MSI:
			result = config_parse_msi(facts, config, at, why);
			break;
		case PCI_CAP_ID_EXP:
			if (!facts->express &&
			    at + PCI_CAP_EXP_ENDPOINT_SIZEOF_V1 <= PCI_CFG_SPACE_SIZE)
				facts->express = (uint8_t)at;
			if (at + PCI_EXP_DEVCTL <= PCI_CFG_SPACE_SIZE &&
			    bytes_get_le32(config + at + PCI_EXP_DEVCAP) & PCI_EXP_DEVCAP_FLR)
				facts->function_reset = true;
			break;
		case PCI_CAP_ID_AF:
			if (at + PCI_AF_CAP < PCI_CFG_SPACE_SIZE &&
			    config[at + PCI_AF_CAP] & PCI_AF_CAP_FLR)
				facts->function_reset = true;
			break;
		case PCI_CAP_ID_PM:
			if (at + PCI_PM_SIZEOF > PCI_CFG_SPACE_SIZE)
				break;
			if (!facts->power_management)
				facts->power_management = (uint8_t)at;
			facts->power_reset = !(bytes_get_le16(config + at + PCI_PM_CTRL) &
					       PCI_PM_CTRL_NO_SOFT_RESET);
			break;
		default:
			break;
		}
	}
	return result;
}

uint32_t config_dvsec_length(const uint8_t *config, uint32_t length, uint32_t at)
{
	uint32_t size = PCI_DVSEC_HEADER1_LEN(bytes_get_le32(config + at + PCI_DVSEC_HEADER1));

	return at + DVSEC_READ <= length && size >= CXL_DVSEC_BODY_OFFSET && at + size <= length
		       ? size
		       : 0;
}

static void config_parse_bars(struct config_facts *facts, const uint8_t *config)
{
	for (unsigned int bar = 0; bar < PCI_BAR_COUNT; bar++) {
		uint32_t low = bytes_get_le32(config + PCI_BASE_ADDRESS_0 + 4 * bar);

		facts->bars[bar].io = low & PCI_BASE_ADDRESS_SPACE_IO;
		if (facts->bars[bar].io)
			continue;
		facts->bars[bar].prefetchable = low & PCI_BASE_ADDRESS_MEM_PREFETCH;
		facts->bars[bar].wide =
			(low & PCI_BASE_ADDRESS_MEM_TYPE_MASK) == PCI_BASE_ADDRESS_MEM_TYPE_64;
		if (facts->bars[bar].wide)
			bar++;
	}
}

static void config_parse_dvsecs(struct config_facts *facts, const uint8_t *config, uint32_t length)
{
	unsigned int hops = 0;

	for (uint32_t at = config_ext_step(config, length, 0, &hops); at;
	     at = config_ext_step(config, length, at, &hops)) {
		if (facts->cxl_dvsec ||
		    PCI_EXT_CAP_ID(bytes_get_le32(config + at)) != PCI_EXT_CAP_ID_DVSEC ||
		    !config_dvsec_length(config, length, at) ||
		    bytes_get_le16(config + at + PCI_DVSEC_HEADER1) != CXL_DVSEC_VENDOR ||
		    bytes_get_le16(config + at + PCI_DVSEC_HEADER2) != CXL_DVSEC_DEVICE)
			continue;
		facts->cxl_dvsec = (uint16_t)at;
		facts->cxl_dvsec_length = (uint16_t)config_dvsec_length(config, length, at);
	}
}

int config_space_parse(struct config_facts *facts, const uint8_t *config, uint32_t length,
		       const char **why)
{
	memset(facts, 0, sizeof(*facts));
	*why = NULL;
	if (length < PCI_CFG_SPACE_SIZE)
		return config_refuse(why, "no configuration space");
	facts->vendor = bytes_get_le16(config + PCI_VENDOR_ID);
	facts->device = bytes_get_le16(config + PCI_DEVICE_ID);
	if (facts->vendor == UINT16_MAX || facts->vendor == 0)
		return config_refuse(why, "the device does not answer in configuration space");
	if ((config[PCI_HEADER_TYPE] & PCI_HEADER_TYPE_MASK) != PCI_HEADER_TYPE_NORMAL)
		return config_refuse(why, "a bridge cannot be passed through");
	facts->revision = config[PCI_REVISION_ID];
	facts->class_code = bytes_get_le32(config + PCI_CLASS_REVISION) >> 8;
	facts->subsystem_vendor = bytes_get_le16(config + PCI_SUBSYSTEM_VENDOR_ID);
	facts->subsystem_device = bytes_get_le16(config + PCI_SUBSYSTEM_ID);
	facts->interrupt_pin =
		config[PCI_INTERRUPT_PIN] <= INTERRUPT_PINS ? config[PCI_INTERRUPT_PIN] : 0;
	config_parse_bars(facts, config);
	config_parse_dvsecs(facts, config, length);
	return config_parse_capabilities(facts, config, why);
}

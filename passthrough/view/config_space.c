/* SPDX-License-Identifier: Apache-2.0 */
#include "passthrough/view/config_space.h"

#include <string.h>

#include "core/bytes.h"
#include "devices/cxl/dvsec.h"
#include "passthrough/view/capability_policy.h"

#define EXPRESS_SIZE_V2       0x3cu /* PCIe 7.5.3: with the second half */
#define EXPRESS_DEVCAP2_SHOWN 0x1fu /* PCIe 7.5.3.15: completion timeouts */
#define POWER_VERSION         3u    /* PCIe 7.5.2.1 */
#define COPY_SIZE             8u    /* of those that do not say their size */
#define EXTENDED_MIN          8u

/* PCIe 7.6.3: the header of an extended capability */
#define EXTENDED_HEADER_SIZE    4u
#define EXTENDED_ID_AND_VERSION 0xfffffu
#define EXTENDED_NEXT_SHIFT     20

/*
 * Which capability owns each byte (its offset; 0: nobody), so that a list whose entries overlap
 * cannot make one capability overwrite another's registers.
 */
struct config_owners {
	uint16_t owner[PCI_CONFIG_SIZE];
};

static bool config_claim(struct config_owners *owners, uint32_t at, uint32_t size)
{
	for (uint32_t i = at; i < at + size; i++)
		if (owners->owner[i] && owners->owner[i] != at)
			return false;
	for (uint32_t i = at; i < at + size; i++)
		owners->owner[i] = (uint16_t)at;
	return true;
}

static uint32_t config_express_size(const uint8_t *config, uint32_t at)
{
	bool second = (bytes_get_le16(config + at + PCI_EXP_FLAGS) & PCI_EXP_FLAGS_VERS) >= 2;

	return second && at + EXPRESS_SIZE_V2 <= PCI_CFG_SPACE_SIZE
		       ? EXPRESS_SIZE_V2
		       : PCI_CAP_EXP_ENDPOINT_SIZEOF_V1;
}

/* PCIe 7.5.3: the device's capability with what the guest may set, and FLR. */
static void config_build_express(struct pci_device *device, const uint8_t *config, uint32_t at)
{
	uint32_t size = config_express_size(config, at);
	uint8_t *own = device->config;

	memcpy(own + at, config + at, size);
	device->express = (uint16_t)at;
	bytes_put_le32(own + at + PCI_EXP_DEVCAP,
		       bytes_get_le32(config + at + PCI_EXP_DEVCAP) | PCI_EXP_DEVCAP_FLR);
	bytes_put_le16(own + at + PCI_EXP_DEVCTL, bytes_get_le16(config + at + PCI_EXP_DEVCTL) &
							  (uint16_t)~PCI_EXP_DEVCTL_BCR_FLR);
	bytes_put_le16(device->writable + at + PCI_EXP_DEVCTL,
		       PCI_EXP_DEVCTL_CERE | PCI_EXP_DEVCTL_NFERE | PCI_EXP_DEVCTL_FERE |
			       PCI_EXP_DEVCTL_URRE | PCI_EXP_DEVCTL_RELAX_EN |
			       PCI_EXP_DEVCTL_PAYLOAD | PCI_EXP_DEVCTL_NOSNOOP_EN |
			       PCI_EXP_DEVCTL_READRQ);
	bytes_put_le16(own + at + PCI_EXP_DEVSTA, 0);
	/* Link control stays as the host has it: the link is not the guest's. */
	if (size == EXPRESS_SIZE_V2)
		/* PCIe 7.5.3.15: what needs the root complex's help is not offered. */
		bytes_put_le32(own + at + PCI_EXP_DEVCAP2,
			       bytes_get_le32(config + at + PCI_EXP_DEVCAP2) &
				       EXPRESS_DEVCAP2_SHOWN);
}

/* PCIe 7.5.2: D0 and D3hot, as devices/pci offers it; no wake-up events. */
static void config_build_power(struct pci_device *device, uint32_t at)
{
	device->config[at] = PCI_CAP_ID_PM;
	device->power_management = (uint16_t)at;
	bytes_put_le16(device->config + at + PCI_PM_PMC, POWER_VERSION);
	bytes_put_le16(device->config + at + PCI_PM_CTRL, PCI_PM_CTRL_NO_SOFT_RESET);
	bytes_put_le16(device->writable + at + PCI_PM_CTRL, PCI_PM_CTRL_STATE_MASK);
}

static uint32_t config_copy_size(const uint8_t *config, uint32_t at)
{
	uint32_t size = config[at] == PCI_CAP_ID_VNDR ? config[at + PCI_CAP_FLAGS] : COPY_SIZE;

	return size > PCI_CAP_FLAGS && at + size <= PCI_CFG_SPACE_SIZE ? size : 0;
}

/* The size of the capability at @at when it can be shown, else 0 and *@reason. */
static uint32_t config_size(const struct pci_device *device, const struct config_facts *facts,
			    const uint8_t *config, uint32_t at, const char **reason)
{
	const struct capability_policy *policy = capability_policy_find(false, config[at]);

	*reason = policy->reason;
	if (policy->show == CAPABILITY_HIDDEN)
		return 0;
	*reason = "it leaves the configuration space";
	if (policy->show == CAPABILITY_COPY)
		return config_copy_size(config, at);
	if (at == facts->express)
		return config_express_size(config, at);
	if (at == facts->power_management)
		return PCI_PM_SIZEOF;
	if (at == facts->msix.offset && device->msix)
		return PCI_CAP_MSIX_SIZEOF;
	if (at == facts->msi.offset && device->msi)
		return config_msi_size(&facts->msi);
	*reason = "the interrupts are not available";
	return 0;
}

static void config_build_one(struct pci_device *device, const struct config_facts *facts,
			     const uint8_t *config, uint32_t at, uint32_t size)
{
	if (at == facts->express)
		config_build_express(device, config, at);
	else if (at == facts->power_management)
		config_build_power(device, at);
	else if (capability_policy_find(false, config[at])->show == CAPABILITY_COPY)
		memcpy(device->config + at, config + at, size);
}

static void config_build_list(struct pci_device *device, const struct config_facts *facts,
			      const uint8_t *config, config_hidden hidden, void *opaque)
{
	struct config_owners owners = {.owner = {0}};
	bool seen[PCI_CFG_SPACE_SIZE] = {false}; /* lists may be loops */
	uint32_t link = PCI_CAPABILITY_LIST;
	unsigned int hops = 0;

	/* The interrupt capabilities exist already. */
	if (device->msix)
		config_claim(&owners, facts->msix.offset, PCI_CAP_MSIX_SIZEOF);
	if (device->msi)
		config_claim(&owners, facts->msi.offset, config_msi_size(&facts->msi));
	for (uint32_t at = config_step(config, 0, &hops); at; at = config_step(config, at, &hops)) {
		const char *reason;
		uint32_t size = config_size(device, facts, config, at, &reason);

		if (size && (seen[at] || !config_claim(&owners, at, size))) {
			reason = "it overlaps another capability";
			size = 0;
		}
		if (!size) {
			if (hidden)
				hidden(opaque, false, config[at], reason);
			continue;
		}
		seen[at] = true;
		config_build_one(device, facts, config, at, size);
		device->config[at] = config[at];
		device->config[at + 1] = 0;
		device->config[link] = (uint8_t)at;
		link = at + 1;
		bytes_put_le16(device->config + PCI_STATUS,
			       bytes_get_le16(device->config + PCI_STATUS) | PCI_STATUS_CAP_LIST);
	}
}

/* How many bytes of an extended capability are copied; 0: not shown. */
static uint32_t config_ext_size(const uint8_t *config, uint32_t length, uint32_t at, bool cxl,
				const char **reason)
{
	uint16_t id = (uint16_t)PCI_EXT_CAP_ID(bytes_get_le32(config + at));
	const struct capability_policy *policy = capability_policy_find(true, id);
	uint32_t size = 0;

	*reason = policy->reason;
	if (policy->show == CAPABILITY_HIDDEN)
		return 0;
	*reason = "it leaves the configuration space";
	if (id == PCI_EXT_CAP_ID_DSN)
		size = PCI_EXT_CAP_DSN_SIZEOF;
	else if (id == PCI_EXT_CAP_ID_PWR)
		size = PCI_EXT_CAP_PWR_SIZEOF;
	else if (id == PCI_EXT_CAP_ID_VNDR)
		size = PCI_VNDR_HEADER_LEN(bytes_get_le32(config + at + PCI_VNDR_HEADER));
	if (id != PCI_EXT_CAP_ID_DVSEC)
		return size >= EXTENDED_MIN && at + size <= length ? size : 0;
	size = config_dvsec_length(config, length, at);
	if (!size)
		return 0;
	*reason = "only the CXL ones are known to be safe";
	if (bytes_get_le16(config + at + PCI_DVSEC_HEADER1) != CXL_DVSEC_VENDOR)
		return 0;
	*reason = "CXL is not offered to the guest";
	if (!cxl)
		return 0;
	*reason = "a CXL DVSEC that an endpoint in a guest has no use for";
	switch (bytes_get_le16(config + at + PCI_DVSEC_HEADER2)) {
	case CXL_DVSEC_DEVICE:
	case CXL_DVSEC_GPF_DEVICE:
	case CXL_DVSEC_FLEX_BUS:
	case CXL_DVSEC_REGISTER_LOCATOR:
		return size;
	default:
		return 0;
	}
}

static void config_build_ext_list(struct pci_device *device, const uint8_t *config, uint32_t length,
				  bool cxl, config_hidden hidden, void *opaque)
{
	struct config_owners owners = {.owner = {0}};
	uint32_t last = 0;
	unsigned int hops = 0;

	for (uint32_t at = config_ext_step(config, length, 0, &hops); at;
	     at = config_ext_step(config, length, at, &hops)) {
		const char *reason;
		uint32_t header = bytes_get_le32(config + at);
		uint32_t size = config_ext_size(config, length, at, cxl, &reason);

		if (size && (owners.owner[at] || !config_claim(&owners, at, size))) {
			reason = "it overlaps another capability";
			size = 0;
		}
		if (!size) {
			if (hidden)
				hidden(opaque, true, (uint16_t)PCI_EXT_CAP_ID(header), reason);
			continue;
		}
		/* PCIe 7.6.1: the list begins where extended configuration space does. A null
		 * capability is there when the first one is hidden. */
		if (!last && at != PCI_CFG_SPACE_SIZE) {
			last = PCI_CFG_SPACE_SIZE;
			config_claim(&owners, last, EXTENDED_HEADER_SIZE);
		}
		memcpy(device->config + at, config + at, size);
		bytes_put_le32(device->config + at, header & EXTENDED_ID_AND_VERSION);
		if (last)
			bytes_put_le32(device->config + last,
				       bytes_get_le32(device->config + last) |
					       at << EXTENDED_NEXT_SHIFT);
		last = at;
	}
}

void config_space_build(struct pci_device *device, const struct config_facts *facts,
			const uint8_t *config, uint32_t length, bool cxl, config_hidden hidden,
			void *opaque)
{
	if (length > PCI_CONFIG_SIZE)
		length = PCI_CONFIG_SIZE;
	config_build_list(device, facts, config, hidden, opaque);
	config_build_ext_list(device, config, length, cxl, hidden, opaque);
}

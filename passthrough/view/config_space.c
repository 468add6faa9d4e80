/* SPDX-License-Identifier: Apache-2.0 */
#include "passthrough/view/config_space.h"

#include <errno.h>
#include <string.h>

#include "passthrough/view/capability_policy.h"

#define FIRST_CAPABILITY 0x40u
#define CXL_VENDOR       0x1e98u
#define CXL_DVSEC_DEVICE 0u

static int config_refuse(const char **why, const char *text)
{
	*why = text;
	return -EPROTO;
}

/* The next capability of the list at @offset, 0 at its end; @hops bounds loops. */
static uint32_t config_step(const uint8_t *config, uint32_t offset, unsigned int *hops)
{
	uint32_t next;

	if (offset == 0)
		next = pci_get_word(config, PCI_STATUS) & PCI_STATUS_CAP_LIST
			       ? config[PCI_CAPABILITY_LIST]
			       : 0u;
	else
		next = config[offset + 1];
	next &= ~3u;
	/* A header has two bytes, and the smallest capability four. */
	return next >= FIRST_CAPABILITY && (*hops)++ < 48 ? next : 0;
}

static uint32_t config_ext_step(const uint8_t *config, uint32_t length, uint32_t offset,
				unsigned int *hops)
{
	uint32_t next = PCI_CFG_SPACE_SIZE;
	uint32_t header;

	if (offset)
		next = PCI_EXT_CAP_NEXT(pci_get_long(config, offset)) & 0xffcu;
	if (next < PCI_CFG_SPACE_SIZE || next + 8 > length || (*hops)++ >= 480)
		return 0;
	header = pci_get_long(config, next);
	return header == 0 || header == UINT32_MAX ? 0 : next;
}

static int config_parse_msix(struct config_facts *facts, const uint8_t *config, uint32_t offset,
			     const char **why)
{
	struct config_msix *msix = &facts->msix;
	uint32_t table, pba;

	if (msix->offset)
		return config_refuse(why, "two MSI-X capabilities");
	if (offset + 12 > PCI_CFG_SPACE_SIZE)
		return config_refuse(why, "the MSI-X capability leaves the configuration space");
	table = pci_get_long(config, offset + PCI_MSIX_TABLE);
	pba = pci_get_long(config, offset + PCI_MSIX_PBA);
	if ((table & 7) >= PCI_BAR_COUNT || (pba & 7) >= PCI_BAR_COUNT)
		return config_refuse(why, "MSI-X table or pending bits in BAR 6 or 7");
	msix->offset = (uint8_t)offset;
	msix->vectors =
		(uint16_t)((pci_get_word(config, offset + PCI_MSIX_FLAGS) & PCI_MSIX_FLAGS_QSIZE) +
			   1);
	msix->table_bar = table & 7;
	msix->table_offset = table & ~7u;
	msix->pba_bar = pba & 7;
	msix->pba_offset = pba & ~7u;
	return 0;
}

static int config_parse_msi(struct config_facts *facts, const uint8_t *config, uint32_t offset,
			    const char **why)
{
	struct config_msi *msi = &facts->msi;
	uint16_t flags = pci_get_word(config, offset + PCI_MSI_FLAGS);
	uint32_t size = 10;

	if (msi->offset)
		return config_refuse(why, "two MSI capabilities");
	msi->address_64 = flags & PCI_MSI_FLAGS_64BIT;
	msi->maskable = flags & PCI_MSI_FLAGS_MASKBIT;
	size += (msi->address_64 ? 4u : 0u) + (msi->maskable ? 10u : 0u);
	if (offset + size > PCI_CFG_SPACE_SIZE)
		return config_refuse(why, "the MSI capability leaves the configuration space");
	if ((flags & PCI_MSI_FLAGS_QMASK) >> 1 > 5)
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
			if (!facts->express && at + 0x14 <= PCI_CFG_SPACE_SIZE)
				facts->express = (uint8_t)at;
			if (at + 8 <= PCI_CFG_SPACE_SIZE &&
			    pci_get_long(config, at + PCI_EXP_DEVCAP) & PCI_EXP_DEVCAP_FLR)
				facts->function_reset = true;
			break;
		case PCI_CAP_ID_AF:
			if (at + PCI_AF_CAP < PCI_CFG_SPACE_SIZE &&
			    config[at + PCI_AF_CAP] & PCI_AF_CAP_FLR)
				facts->function_reset = true;
			break;
		case PCI_CAP_ID_PM:
			if (at + 8 > PCI_CFG_SPACE_SIZE)
				break;
			if (!facts->power_management)
				facts->power_management = (uint8_t)at;
			facts->power_reset = !(pci_get_word(config, at + PCI_PM_CTRL) &
					       PCI_PM_CTRL_NO_SOFT_RESET);
			break;
		default:
			break;
		}
	}
	return result;
}

/* The length of a DVSEC that stays inside the space, 0 otherwise. */
static uint32_t config_dvsec_length(const uint8_t *config, uint32_t length, uint32_t at)
{
	uint32_t size = PCI_DVSEC_HEADER1_LEN(pci_get_long(config, at + PCI_DVSEC_HEADER1));

	return at + 12 <= length && size >= 10 && at + size <= length ? size : 0;
}

int config_space_parse(struct config_facts *facts, const uint8_t *config, uint32_t length,
		       const char **why)
{
	unsigned int hops = 0;

	memset(facts, 0, sizeof(*facts));
	*why = NULL;
	if (length < PCI_CFG_SPACE_SIZE)
		return config_refuse(why, "no configuration space");
	facts->vendor = pci_get_word(config, PCI_VENDOR_ID);
	facts->device = pci_get_word(config, PCI_DEVICE_ID);
	if (facts->vendor == 0xffff || facts->vendor == 0)
		return config_refuse(why, "the device does not answer in configuration space");
	if ((config[PCI_HEADER_TYPE] & PCI_HEADER_TYPE_MASK) != PCI_HEADER_TYPE_NORMAL)
		return config_refuse(why, "a bridge cannot be passed through");
	facts->revision = config[PCI_REVISION_ID];
	facts->class_code = pci_get_long(config, PCI_CLASS_REVISION) >> 8;
	facts->subsystem_vendor = pci_get_word(config, PCI_SUBSYSTEM_VENDOR_ID);
	facts->subsystem_device = pci_get_word(config, PCI_SUBSYSTEM_ID);
	facts->interrupt_pin = config[PCI_INTERRUPT_PIN] <= 4 ? config[PCI_INTERRUPT_PIN] : 0;
	for (unsigned int bar = 0; bar < PCI_BAR_COUNT; bar++) {
		uint32_t low = pci_get_long(config, PCI_BASE_ADDRESS_0 + 4 * bar);

		facts->bars[bar].io = low & PCI_BASE_ADDRESS_SPACE_IO;
		if (facts->bars[bar].io)
			continue;
		facts->bars[bar].prefetchable = low & PCI_BASE_ADDRESS_MEM_PREFETCH;
		facts->bars[bar].wide =
			(low & PCI_BASE_ADDRESS_MEM_TYPE_MASK) == PCI_BASE_ADDRESS_MEM_TYPE_64;
		if (facts->bars[bar].wide)
			bar++;
	}
	for (uint32_t at = config_ext_step(config, length, 0, &hops); at;
	     at = config_ext_step(config, length, at, &hops)) {
		if (facts->cxl_dvsec ||
		    PCI_EXT_CAP_ID(pci_get_long(config, at)) != PCI_EXT_CAP_ID_DVSEC ||
		    !config_dvsec_length(config, length, at) ||
		    pci_get_word(config, at + PCI_DVSEC_HEADER1) != CXL_VENDOR ||
		    pci_get_word(config, at + PCI_DVSEC_HEADER2) != CXL_DVSEC_DEVICE)
			continue;
		facts->cxl_dvsec = (uint16_t)at;
		facts->cxl_dvsec_length = (uint16_t)config_dvsec_length(config, length, at);
	}
	return config_parse_capabilities(facts, config, why);
}

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

static uint32_t config_msi_size(const struct config_msi *msi)
{
	return 10u + (msi->address_64 ? 4u : 0u) + (msi->maskable ? 10u : 0u);
}

static uint32_t config_express_size(const uint8_t *config, uint32_t at)
{
	bool second = (pci_get_word(config, at + PCI_EXP_FLAGS) & PCI_EXP_FLAGS_VERS) >= 2;

	return second && at + 0x3c <= PCI_CFG_SPACE_SIZE ? 0x3c : 0x14;
}

/* PCIe 7.5.3: the device's capability with what the guest may set, and FLR. */
static void config_build_express(struct pci_device *device, const uint8_t *config, uint32_t at)
{
	uint32_t size = config_express_size(config, at);
	uint8_t *own = device->config;

	memcpy(own + at, config + at, size);
	device->express = (uint16_t)at;
	pci_set_long(own, at + PCI_EXP_DEVCAP,
		     pci_get_long(config, at + PCI_EXP_DEVCAP) | PCI_EXP_DEVCAP_FLR);
	pci_set_word(own, at + PCI_EXP_DEVCTL,
		     pci_get_word(config, at + PCI_EXP_DEVCTL) & (uint16_t)~PCI_EXP_DEVCTL_BCR_FLR);
	pci_set_word(device->writable, at + PCI_EXP_DEVCTL,
		     PCI_EXP_DEVCTL_CERE | PCI_EXP_DEVCTL_NFERE | PCI_EXP_DEVCTL_FERE |
			     PCI_EXP_DEVCTL_URRE | PCI_EXP_DEVCTL_RELAX_EN |
			     PCI_EXP_DEVCTL_PAYLOAD | PCI_EXP_DEVCTL_NOSNOOP_EN |
			     PCI_EXP_DEVCTL_READRQ);
	pci_set_word(own, at + PCI_EXP_DEVSTA, 0);
	/* Link control stays as the host has it: the link is not the guest's. */
	if (size == 0x3c)
		/* PCIe 7.5.3.15: what needs the root complex's help is not offered. */
		pci_set_long(own, at + PCI_EXP_DEVCAP2,
			     pci_get_long(config, at + PCI_EXP_DEVCAP2) & 0x1fu);
}

/* PCIe 7.5.2: D0 and D3hot, as devices/pci offers it; no wake-up events. */
static void config_build_power(struct pci_device *device, uint32_t at)
{
	device->config[at] = PCI_CAP_ID_PM;
	device->power_management = (uint16_t)at;
	pci_set_word(device->config, at + PCI_PM_PMC, 3);
	pci_set_word(device->config, at + PCI_PM_CTRL, PCI_PM_CTRL_NO_SOFT_RESET);
	pci_set_word(device->writable, at + PCI_PM_CTRL, PCI_PM_CTRL_STATE_MASK);
}

static uint32_t config_copy_size(const uint8_t *config, uint32_t at)
{
	uint32_t size = config[at] == PCI_CAP_ID_VNDR ? config[at + 2] : 8;

	return size >= 3 && at + size <= PCI_CFG_SPACE_SIZE ? size : 0;
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
		return 12;
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
		config_claim(&owners, facts->msix.offset, 12);
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
		pci_set_word(device->config, PCI_STATUS,
			     pci_get_word(device->config, PCI_STATUS) | PCI_STATUS_CAP_LIST);
	}
}

/* How many bytes of an extended capability are copied; 0: not shown. */
static uint32_t config_ext_size(const uint8_t *config, uint32_t length, uint32_t at, bool cxl,
				const char **reason)
{
	uint16_t id = (uint16_t)PCI_EXT_CAP_ID(pci_get_long(config, at));
	const struct capability_policy *policy = capability_policy_find(true, id);
	uint32_t size = 0;
	uint16_t dvsec;

	*reason = policy->reason;
	if (policy->show == CAPABILITY_HIDDEN)
		return 0;
	*reason = "it leaves the configuration space";
	if (id == PCI_EXT_CAP_ID_DSN)
		size = PCI_EXT_CAP_DSN_SIZEOF;
	else if (id == PCI_EXT_CAP_ID_PWR)
		size = 16;
	else if (id == PCI_EXT_CAP_ID_VNDR)
		size = pci_get_long(config, at + PCI_VNDR_HEADER) >> 20;
	if (id != PCI_EXT_CAP_ID_DVSEC)
		return size >= 8 && at + size <= length ? size : 0;
	size = config_dvsec_length(config, length, at);
	if (!size)
		return 0;
	*reason = "only the CXL ones are known to be safe";
	if (pci_get_word(config, at + PCI_DVSEC_HEADER1) != CXL_VENDOR)
		return 0;
	*reason = "CXL is not offered to the guest";
	if (!cxl)
		return 0;
	/* CXL 8.1: device, GPF for device, flex bus port, register locator. */
	*reason = "a CXL DVSEC that an endpoint in a guest has no use for";
	dvsec = pci_get_word(config, at + PCI_DVSEC_HEADER2);
	return dvsec == 0 || dvsec == 5 || dvsec == 7 || dvsec == 8 ? size : 0;
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
		uint32_t header = pci_get_long(config, at);
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
		/* The list begins at 0x100 (PCIe 7.6.1): a null capability when that one is hidden.
		 */
		if (!last && at != PCI_CFG_SPACE_SIZE) {
			last = PCI_CFG_SPACE_SIZE;
			config_claim(&owners, last, 4);
		}
		memcpy(device->config + at, config + at, size);
		pci_set_long(device->config, at, header & 0xfffffu);
		if (last)
			pci_set_long(device->config, last,
				     pci_get_long(device->config, last) | at << 20);
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

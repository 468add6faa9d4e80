/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/pci/device.h"

#include <errno.h>
#include <string.h>

#include "core/bytes.h"
#include "devices/pci/bus.h"

#define PCI_FIRST_CAPABILITY     0x40u
#define PCI_FIRST_EXT_CAPABILITY 0x100u
#define PCI_EXPRESS_SIZE         0x3cu /* version 2 of the capability, with the slot registers */
#define PCI_EXPRESS_WIDTH_X16    (16u << 4)

void pci_header_init(struct pci_device *device, uint8_t header_type, uint16_t vendor,
		     uint16_t device_id, uint32_t class_code, uint8_t revision)
{
	const char *name = device->name;
	const struct pci_device_ops *ops = device->ops;
	uint8_t *config = device->config;
	uint8_t *writable = device->writable;

	memset(device, 0, sizeof(*device));
	device->name = name;
	device->ops = ops;
	device->limit = (struct log_ratelimit)LOG_RATELIMIT_DEFAULT;
	device->next_capability = PCI_FIRST_CAPABILITY;
	device->next_ext_capability = PCI_FIRST_EXT_CAPABILITY;

	bytes_put_le16(config + PCI_VENDOR_ID, vendor);
	bytes_put_le16(config + PCI_DEVICE_ID, device_id);
	config[PCI_REVISION_ID] = revision;
	config[PCI_CLASS_PROG] = (uint8_t)class_code;
	bytes_put_le16(config + PCI_CLASS_DEVICE, (uint16_t)(class_code >> 8));
	config[PCI_HEADER_TYPE] = header_type;

	/* PCIe 7.5.1.1.3: the other command bits are hardwired to 0. */
	bytes_put_le16(writable + PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MEMORY |
						       PCI_COMMAND_MASTER | PCI_COMMAND_PARITY |
						       PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE);
	/* PCIe 7.5.1.1.4 */
	bytes_put_le16(device->write_1_to_clear + PCI_STATUS,
		       PCI_STATUS_PARITY | PCI_STATUS_SIG_TARGET_ABORT |
			       PCI_STATUS_REC_TARGET_ABORT | PCI_STATUS_REC_MASTER_ABORT |
			       PCI_STATUS_SIG_SYSTEM_ERROR | PCI_STATUS_DETECTED_PARITY);
	writable[PCI_CACHE_LINE_SIZE] = 0xff;
	writable[PCI_INTERRUPT_LINE] = 0xff;
}

void pci_device_init(struct pci_device *device, uint16_t vendor, uint16_t device_id,
		     uint32_t class_code, uint8_t revision, uint16_t subsystem_vendor,
		     uint16_t subsystem_id)
{
	pci_header_init(device, PCI_HEADER_TYPE_NORMAL, vendor, device_id, class_code, revision);
	bytes_put_le16(device->config + PCI_SUBSYSTEM_VENDOR_ID, subsystem_vendor);
	bytes_put_le16(device->config + PCI_SUBSYSTEM_ID, subsystem_id);
}

static void pci_link_capability(struct pci_device *device, uint8_t id, uint16_t offset)
{
	uint8_t *config = device->config;

	config[offset] = id;
	config[offset + 1] = 0;
	config[device->last_capability ? device->last_capability + 1 : PCI_CAPABILITY_LIST] =
		(uint8_t)offset;
	device->last_capability = offset;
	bytes_put_le16(config + PCI_STATUS,
		       (uint16_t)(bytes_get_le16(config + PCI_STATUS) | PCI_STATUS_CAP_LIST));
}

int pci_add_capability(struct pci_device *device, uint8_t id, uint16_t size)
{
	uint16_t offset = device->next_capability;
	uint32_t end = (uint32_t)offset + size;

	if (size < 2 || end > PCI_FIRST_EXT_CAPABILITY)
		return -ENOSPC;
	device->next_capability = (uint16_t)((end + 3) & ~3u);
	pci_link_capability(device, id, offset);
	return offset;
}

static void pci_link_ext_capability(struct pci_device *device, uint16_t id, uint8_t version,
				    uint16_t offset)
{
	uint8_t *config = device->config;
	uint16_t last = device->last_ext_capability;

	/* PCIe 7.6.3: id 15:0, version 19:16, next 31:20. */
	bytes_put_le32(config + offset, id | (uint32_t)(version & 0xf) << 16);
	if (last)
		bytes_put_le32(config + last,
			       (bytes_get_le32(config + last) & 0xfffffu) | (uint32_t)offset << 20);
	device->last_ext_capability = offset;
}

int pci_add_ext_capability(struct pci_device *device, uint16_t id, uint8_t version, uint16_t size)
{
	uint16_t offset = device->next_ext_capability;
	uint32_t end = (uint32_t)offset + size;

	if (size < 4 || end > PCI_CONFIG_SIZE)
		return -ENOSPC;
	device->next_ext_capability = (uint16_t)((end + 3) & ~3u);
	pci_link_ext_capability(device, id, version, offset);
	return offset;
}

int pci_add_dvsec(struct pci_device *device, uint16_t vendor, uint8_t revision, uint16_t dvsec_id,
		  uint16_t length)
{
	int offset;

	if (length < 10 || length > 0xfff)
		return -ENOSPC;
	offset = pci_add_ext_capability(device, PCI_EXT_CAP_ID_DVSEC, 1, length);
	if (offset < 0)
		return offset;
	bytes_put_le32(device->config + (uint32_t)offset + PCI_DVSEC_HEADER1,
		       vendor | (uint32_t)(revision & 0xf) << 16 | (uint32_t)length << 20);
	bytes_put_le16(device->config + (uint32_t)offset + PCI_DVSEC_HEADER2, dvsec_id);
	return offset;
}

int pci_add_express(struct pci_device *device, uint8_t port_type)
{
	bool endpoint = port_type == PCI_EXP_TYPE_ENDPOINT || port_type == PCI_EXP_TYPE_LEG_END ||
			port_type == PCI_EXP_TYPE_RC_END;
	uint32_t capabilities = PCI_EXP_DEVCAP_RBER;
	uint8_t *config = device->config;
	int result = pci_add_capability(device, PCI_CAP_ID_EXP, PCI_EXPRESS_SIZE);
	uint32_t offset;

	if (result < 0)
		return result;
	offset = (uint32_t)result;
	device->express = (uint16_t)offset;
	if (endpoint && device->ops && device->ops->reset)
		capabilities |= PCI_EXP_DEVCAP_FLR;
	bytes_put_le16(config + offset + PCI_EXP_FLAGS, (uint16_t)(2 | port_type << 4));
	bytes_put_le32(config + offset + PCI_EXP_DEVCAP, capabilities);
	/* PCIe 7.5.3.4; bit 15 starts FLR and reads 0. */
	bytes_put_le16(device->writable + offset + PCI_EXP_DEVCTL,
		       PCI_EXP_DEVCTL_CERE | PCI_EXP_DEVCTL_NFERE | PCI_EXP_DEVCTL_FERE |
			       PCI_EXP_DEVCTL_URRE | PCI_EXP_DEVCTL_RELAX_EN |
			       PCI_EXP_DEVCTL_PAYLOAD | PCI_EXP_DEVCTL_NOSNOOP_EN |
			       PCI_EXP_DEVCTL_READRQ);
	bytes_put_le16(config + offset + PCI_EXP_DEVCTL, PCI_EXP_DEVCTL_RELAX_EN |
								 PCI_EXP_DEVCTL_NOSNOOP_EN |
								 PCI_EXP_DEVCTL_READRQ_512B);
	bytes_put_le16(device->write_1_to_clear + offset + PCI_EXP_DEVSTA,
		       PCI_EXP_DEVSTA_CED | PCI_EXP_DEVSTA_NFED | PCI_EXP_DEVSTA_FED |
			       PCI_EXP_DEVSTA_URD);
	if (port_type == PCI_EXP_TYPE_RC_END)
		return (int)offset; /* PCIe 7.5.3: no link */
	bytes_put_le32(config + offset + PCI_EXP_LNKCAP,
		       PCI_EXP_LNKCAP_SLS_32_0GB | PCI_EXPRESS_WIDTH_X16);
	bytes_put_le16(config + offset + PCI_EXP_LNKSTA,
		       PCI_EXP_LNKSTA_CLS_32_0GB | PCI_EXPRESS_WIDTH_X16);
	bytes_put_le32(config + offset + PCI_EXP_LNKCAP2,
		       PCI_EXP_LNKCAP2_SLS_2_5GB | PCI_EXP_LNKCAP2_SLS_5_0GB |
			       PCI_EXP_LNKCAP2_SLS_8_0GB | PCI_EXP_LNKCAP2_SLS_16_0GB |
			       PCI_EXP_LNKCAP2_SLS_32_0GB);
	bytes_put_le16(config + offset + PCI_EXP_LNKCTL2, PCI_EXP_LNKCTL2_TLS_32_0GT);
	return (int)offset;
}

bool pci_bus_master(const struct pci_device *device)
{
	return atomic_load_explicit(&device->bus_master, memory_order_relaxed);
}

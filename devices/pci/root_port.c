/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/pci/root_port.h"

#include <errno.h>

#include "core/bytes.h"
#include "devices/pci/bus.h"
#include "devices/pci/msi.h"

#define PCI_ROOT_PORT_VENDOR      0x1b36
#define PCI_ROOT_PORT_DEVICE      0x000c
#define PCI_ROOT_PORT_CLASS       0x060400
#define PCI_ROOT_PORT_AER_SIZE    0x38
#define PCI_ROOT_PORT_MAX_SLOT    0x1fff
#define PCI_SSVID_CAPABILITY_SIZE 8

static struct pci_root_port *pci_root_port_of(struct pci_device *device)
{
	return (struct pci_root_port *)((char *)device - offsetof(struct pci_root_port, device));
}

/* Link and slot status follow what is plugged in (PCIe 7.5.3.8, 7.5.3.11). */
static bool pci_root_port_config_read(struct pci_device *device, uint32_t offset, unsigned int size,
				      uint32_t *value)
{
	const struct pci_bus *secondary = pci_root_port_of(device)->secondary;
	uint32_t link = device->express + (uint32_t)PCI_EXP_LNKSTA;
	uint32_t slot = device->express + (uint32_t)PCI_EXP_SLTSTA;
	uint16_t link_status =
		bytes_get_le16(device->config + link) & (uint16_t)~PCI_EXP_LNKSTA_DLLLA;
	uint16_t slot_status =
		bytes_get_le16(device->config + slot) & (uint16_t)~PCI_EXP_SLTSTA_PDS;

	(void)offset;
	(void)size;
	(void)value;
	if (secondary->devices[0] && !pci_root_port_of(device)->surprise_removed) {
		slot_status |= PCI_EXP_SLTSTA_PDS;
		if (!secondary->in_reset)
			link_status |= PCI_EXP_LNKSTA_DLLLA;
	}
	bytes_put_le16(device->config + link, link_status);
	bytes_put_le16(device->config + slot, slot_status);
	return false;
}

static void pci_root_port_config_written(struct pci_device *device, uint32_t offset,
					 unsigned int size)
{
	struct pci_root_port *port = pci_root_port_of(device);
	struct pci_bus *secondary = port->secondary;
	bool reset = (device->config[PCI_BRIDGE_CONTROL] & PCI_BRIDGE_CTL_BUS_RESET) != 0;

	if (offset > PCI_BRIDGE_CONTROL || offset + size <= PCI_BRIDGE_CONTROL)
		return;
	if (reset && port->secondary_reset_masked && port->secondary_reset_masked(port))
		reset = false;
	if (reset && !secondary->in_reset)
		pci_bus_reset(secondary);
	secondary->in_reset = reset;
}

static void pci_root_port_reset(struct pci_device *device, enum pci_reset_kind kind)
{
	struct pci_root_port *port = pci_root_port_of(device);

	(void)kind; /* ports offer no FLR */
	port->secondary->in_reset = false;
	if (port->reset)
		port->reset(port);
}

static const struct pci_device_ops pci_root_port_ops = {
	.config_read = pci_root_port_config_read,
	.config_written = pci_root_port_config_written,
	.reset = pci_root_port_reset,
};

/* The registers of a type 1 header that a type 0 header does not have (PCIe 7.5.1.3). */
static void pci_root_port_header(struct pci_device *device)
{
	uint8_t *config = device->config;
	uint8_t *writable = device->writable;

	writable[PCI_PRIMARY_BUS] = 0xff;
	writable[PCI_SECONDARY_BUS] = 0xff;
	writable[PCI_SUBORDINATE_BUS] = 0xff;
	writable[PCI_IO_BASE] = 0xf0; /* 16-bit I/O decoding */
	writable[PCI_IO_LIMIT] = 0xf0;
	bytes_put_le16(device->write_1_to_clear + PCI_SEC_STATUS,
		       PCI_STATUS_PARITY | PCI_STATUS_SIG_TARGET_ABORT |
			       PCI_STATUS_REC_TARGET_ABORT | PCI_STATUS_REC_MASTER_ABORT |
			       PCI_STATUS_SIG_SYSTEM_ERROR | PCI_STATUS_DETECTED_PARITY);
	bytes_put_le16(writable + PCI_MEMORY_BASE, 0xfff0);
	bytes_put_le16(writable + PCI_MEMORY_LIMIT, 0xfff0);
	bytes_put_le16(writable + PCI_PREF_MEMORY_BASE, 0xfff0);
	bytes_put_le16(writable + PCI_PREF_MEMORY_LIMIT, 0xfff0);
	bytes_put_le16(config + PCI_PREF_MEMORY_BASE, PCI_PREF_RANGE_TYPE_64);
	bytes_put_le16(config + PCI_PREF_MEMORY_LIMIT, PCI_PREF_RANGE_TYPE_64);
	bytes_put_le32(writable + PCI_PREF_BASE_UPPER32, UINT32_MAX);
	bytes_put_le32(writable + PCI_PREF_LIMIT_UPPER32, UINT32_MAX);
	bytes_put_le16(writable + PCI_BRIDGE_CONTROL, PCI_BRIDGE_CTL_PARITY | PCI_BRIDGE_CTL_SERR |
							      PCI_BRIDGE_CTL_ISA |
							      PCI_BRIDGE_CTL_BUS_RESET);
	/* Closed windows: base above limit. */
	config[PCI_IO_BASE] = 0xf0;
	bytes_put_le16(config + PCI_MEMORY_BASE, 0xfff0);
	bytes_put_le16(config + PCI_PREF_MEMORY_BASE, 0xfff0 | PCI_PREF_RANGE_TYPE_64);
}

static void pci_root_port_express(struct pci_device *device, uint16_t slot)
{
	uint32_t express = device->express;
	uint8_t *config = device->config;

	bytes_put_le16(
		config + express + PCI_EXP_FLAGS,
		(uint16_t)(bytes_get_le16(config + express + PCI_EXP_FLAGS) | PCI_EXP_FLAGS_SLOT));
	bytes_put_le32(config + express + PCI_EXP_LNKCAP,
		       bytes_get_le32(config + express + PCI_EXP_LNKCAP) | PCI_EXP_LNKCAP_DLLLARC);
	bytes_put_le16(device->writable + express + PCI_EXP_LNKCTL,
		       PCI_EXP_LNKCTL_CCC | PCI_EXP_LNKCTL_ES);
	/* No hot-plug bits unless asked for: Linux then neither polls nor powers the slot. */
	bytes_put_le32(config + express + PCI_EXP_SLTCAP, (uint32_t)slot << 19);
	bytes_put_le16(device->writable + express + PCI_EXP_RTCTL,
		       PCI_EXP_RTCTL_SECEE | PCI_EXP_RTCTL_SENFEE | PCI_EXP_RTCTL_SEFEE |
			       PCI_EXP_RTCTL_PMEIE);
	bytes_put_le32(device->write_1_to_clear + express + PCI_EXP_RTSTA, PCI_EXP_RTSTA_PME);
}

/* PCIe 7.8.4: the registers are there and hold what software writes; nothing reports errors yet. */
static int pci_root_port_aer(struct pci_device *device)
{
	int result = pci_add_ext_capability(device, PCI_EXT_CAP_ID_ERR, 2, PCI_ROOT_PORT_AER_SIZE);
	uint32_t uncorrectable = PCI_ERR_UNC_DLP | PCI_ERR_UNC_SURPDN | PCI_ERR_UNC_POISON_TLP |
				 PCI_ERR_UNC_FCP | PCI_ERR_UNC_COMP_TIME | PCI_ERR_UNC_COMP_ABORT |
				 PCI_ERR_UNC_UNX_COMP | PCI_ERR_UNC_RX_OVER | PCI_ERR_UNC_MALF_TLP |
				 PCI_ERR_UNC_UNSUP | PCI_ERR_UNC_INTN;
	uint32_t correctable = PCI_ERR_COR_RCVR | PCI_ERR_COR_BAD_TLP | PCI_ERR_COR_BAD_DLLP |
			       PCI_ERR_COR_REP_ROLL | PCI_ERR_COR_REP_TIMER | PCI_ERR_COR_ADV_NFAT |
			       PCI_ERR_COR_INTERNAL;
	uint32_t aer;

	if (result < 0)
		return result;
	aer = (uint32_t)result;
	bytes_put_le32(device->write_1_to_clear + aer + PCI_ERR_UNCOR_STATUS, uncorrectable);
	bytes_put_le32(device->writable + aer + PCI_ERR_UNCOR_MASK, uncorrectable);
	bytes_put_le32(device->config + aer + PCI_ERR_UNCOR_MASK, PCI_ERR_UNC_INTN);
	bytes_put_le32(device->writable + aer + PCI_ERR_UNCOR_SEVER, uncorrectable);
	bytes_put_le32(device->config + aer + PCI_ERR_UNCOR_SEVER,
		       PCI_ERR_UNC_DLP | PCI_ERR_UNC_SURPDN | PCI_ERR_UNC_FCP |
			       PCI_ERR_UNC_RX_OVER | PCI_ERR_UNC_MALF_TLP | PCI_ERR_UNC_INTN);
	bytes_put_le32(device->write_1_to_clear + aer + PCI_ERR_COR_STATUS, correctable);
	bytes_put_le32(device->writable + aer + PCI_ERR_COR_MASK, correctable);
	bytes_put_le32(device->config + aer + PCI_ERR_COR_MASK,
		       PCI_ERR_COR_ADV_NFAT | PCI_ERR_COR_INTERNAL);
	bytes_put_le32(device->writable + aer + PCI_ERR_ROOT_COMMAND,
		       PCI_ERR_ROOT_CMD_COR_EN | PCI_ERR_ROOT_CMD_NONFATAL_EN |
			       PCI_ERR_ROOT_CMD_FATAL_EN);
	bytes_put_le32(device->write_1_to_clear + aer + PCI_ERR_ROOT_STATUS, 0x7f);
	return 0;
}

int pci_root_port_init(struct pci_root_port *port, struct pci_root *root, const char *name,
		       uint16_t slot)
{
	const struct pci_msi_options msi = {.vectors = 1, .address_64 = true};
	struct pci_device *device = &port->device;
	int result;

	if (slot < 1 || slot > PCI_ROOT_PORT_MAX_SLOT)
		return -EINVAL;
	*port = (struct pci_root_port){.device = {.name = name, .ops = &pci_root_port_ops}};
	pci_header_init(device, PCI_HEADER_TYPE_BRIDGE, PCI_ROOT_PORT_VENDOR, PCI_ROOT_PORT_DEVICE,
			PCI_ROOT_PORT_CLASS, 0);
	pci_root_port_header(device);

	result = pci_add_express(device, PCI_EXP_TYPE_ROOT_PORT);
	if (result < 0)
		return result;
	pci_root_port_express(device, slot);
	result = pci_add_capability(device, PCI_CAP_ID_SSVID, PCI_SSVID_CAPABILITY_SIZE);
	if (result < 0)
		return result;
	bytes_put_le16(device->config + (uint32_t)result + PCI_SSVID_VENDOR_ID,
		       PCI_ROOT_PORT_VENDOR);
	bytes_put_le16(device->config + (uint32_t)result + PCI_SSVID_DEVICE_ID,
		       PCI_ROOT_PORT_DEVICE);
	result = pci_root_port_aer(device);
	if (result)
		return result;
	/* For the port services (PME, AER) of the guest. */
	result = pci_msi_init(device, &msi);
	if (result)
		return result;
	port->secondary = pci_bus_create(root, device);
	if (!port->secondary) {
		pci_msi_destroy(device);
		return -ENOMEM;
	}
	return 0;
}

#define SLOT_EVENTS  ((uint32_t)(PCI_EXP_SLTSTA_PDC | PCI_EXP_SLTSTA_DLLSC))
#define SLOT_ENABLES ((uint32_t)(PCI_EXP_SLTCTL_PDCE | PCI_EXP_SLTCTL_DLLSCE))

void pci_root_port_allow_removal(struct pci_root_port *port)
{
	struct pci_device *device = &port->device;
	uint32_t express = device->express;

	bytes_put_le32(device->config + express + PCI_EXP_SLTCAP,
		       bytes_get_le32(device->config + express + PCI_EXP_SLTCAP) |
			       PCI_EXP_SLTCAP_HPC | PCI_EXP_SLTCAP_HPS | PCI_EXP_SLTCAP_NCCS);
	bytes_put_le16(device->writable + express + PCI_EXP_SLTCTL,
		       (uint16_t)(SLOT_ENABLES | PCI_EXP_SLTCTL_HPIE));
	bytes_put_le16(device->write_1_to_clear + express + PCI_EXP_SLTSTA, (uint16_t)SLOT_EVENTS);
}

void pci_root_port_surprise_removal(struct pci_root_port *port)
{
	struct pci_device *device = &port->device;
	struct pci_root *root = device->root;
	uint32_t status = device->express + (uint32_t)PCI_EXP_SLTSTA;
	uint16_t control;

	if (!root)
		return;
	pci_root_lock(root);
	port->surprise_removed = true;
	bytes_put_le16(device->config + status,
		       (uint16_t)(bytes_get_le16(device->config + status) | SLOT_EVENTS));
	control = bytes_get_le16(device->config + device->express + (uint32_t)PCI_EXP_SLTCTL);
	pci_root_unlock(root);
	/* Both events at once, one message (PCIe 6.7.3.4). */
	if ((control & PCI_EXP_SLTCTL_HPIE) && (control & SLOT_ENABLES))
		pci_msi_notify(device, 0);
}

int pci_root_port_add(struct pci_root_port *port, struct pci_bus *bus, int devfn)
{
	return pci_bus_add(bus, &port->device, devfn);
}

void pci_root_port_destroy(struct pci_root_port *port)
{
	pci_msi_destroy(&port->device);
	if (port->secondary && !port->device.bus)
		pci_bus_destroy(port->secondary);
	port->secondary = NULL;
}

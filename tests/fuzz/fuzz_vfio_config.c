/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "devices/pci/msi.h"
#include "devices/pci/msix.h"
#include "passthrough/view/config_space.h"
#include "passthrough/view/dvsec_body.h"

/*
 * A device's configuration space from any bytes becomes lists that end; then the device DVSEC's
 * body takes any accesses and keeps what it promises.
 */
static void check_lists(const struct pci_device *device)
{
	uint32_t at = device->config[PCI_CAPABILITY_LIST];
	unsigned int hops = 0;

	for (; at && hops < 64; hops++)
		at = device->config[at + 1];
	if (hops == 64)
		abort();
	hops = 0;
	for (at = 0x100; at && hops < 1024; hops++)
		at = bytes_get_le32(device->config + at) >> 20;
	if (hops == 1024)
		abort();
}

static void build(const uint8_t *config, uint32_t length)
{
	static struct pci_device device;
	struct config_facts facts;
	const char *why;

	if (config_space_parse(&facts, config, length, &why))
		return;
	device.name = "fuzz";
	device.ops = NULL;
	pci_device_init(&device, facts.vendor, facts.device, facts.class_code, facts.revision, 0,
			0);
	if (facts.msix.offset) {
		struct pci_msix_options options = {.vectors = facts.msix.vectors,
						   .table_bar = facts.msix.table_bar,
						   .table_offset = facts.msix.table_offset,
						   .pba_bar = facts.msix.pba_bar,
						   .pba_offset = facts.msix.pba_offset,
						   .capability_offset = facts.msix.offset};

		pci_msix_init(&device, &options);
	}
	if (facts.msi.offset) {
		struct pci_msi_options options = {.vectors = facts.msi.vectors,
						  .address_64 = facts.msi.address_64,
						  .maskable = facts.msi.maskable,
						  .capability_offset = facts.msi.offset};

		pci_msi_init(&device, &options);
	}
	config_space_build(&device, &facts, config, length, true, NULL, NULL);
	check_lists(&device);
	pci_msix_destroy(&device);
	pci_msi_destroy(&device);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t config[PCI_CONFIG_SIZE];
	struct cxl_dvsec_options options = {.committed = true,
					    .range_base = 0x4000000000,
					    .range_size = 0x10000000,
					    .reset_capable = true};
	struct cxl_dvsec_body body;

	memset(config, 0, sizeof(config));
	memcpy(config, data, size < sizeof(config) ? size : sizeof(config));
	build(config, size < 512 ? PCI_CFG_SPACE_SIZE : PCI_CONFIG_SIZE);
	/* The header as a device would have it, so that the lists are reached more often. */
	bytes_put_le16(config + PCI_VENDOR_ID, 0xcc58);
	config[PCI_HEADER_TYPE] = 0;
	config[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
	build(config, PCI_CONFIG_SIZE);
	if (size < 0x40 || cxl_dvsec_body_init(&body, data, 0x3c, &options))
		return 0;
	for (size_t at = 0x40; at + 6 <= size; at += 6) {
		uint32_t value;

		memcpy(&value, data + at + 2, 4);
		cxl_dvsec_body_write(&body, data[at], 1u << (data[at + 1] & 1), value);
		cxl_dvsec_body_write(&body, data[at] & 0xfcu, 4, value);
		/* IO_Enable and Mem_Enable are held, the range is the guest's. */
		if ((cxl_dvsec_body_read(&body, 0x0c, 2) & 6) != 6 ||
		    cxl_dvsec_body_read(&body, 0x20, 4) != 0x40 ||
		    (cxl_dvsec_body_read(&body, 0x10, 2) & 6))
			abort();
	}
	return 0;
}

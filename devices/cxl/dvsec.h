/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEVICES_CXL_DVSEC_H
#define DEVICES_CXL_DVSEC_H

#include <stddef.h>
#include <stdint.h>

#include "devices/pci/device.h"
#include "wire/cxl_regs.h"

/*
 * The CXL DVSECs of ports (CXL 8.1), and the register locator of any function. Each function adds
 * one extended capability to a device before pci_bus_add() and returns its offset or -ENOSPC.
 */
struct cxl_register_block {
	uint8_t bar;     /* 0..5 */
	uint8_t id;      /* CXL_REGISTER_BLOCK_* */
	uint64_t offset; /* in the BAR; multiple of 64 KiB */
};

/* Extensions DVSEC for ports. Secondary bus reset is masked until the guest unmasks it (8.1.5.2);
 * alternate decode ranges are not offered. */
int cxl_add_port_extensions(struct pci_device *device);

/* Global persistent flush timeouts: stored, without effect (nothing here is persistent). */
int cxl_add_gpf_port(struct pci_device *device);

/* Flex bus, revision 2, link trained with CXL.io and CXL.mem, and CXL.cache when @cache. */
int cxl_add_flex_bus(struct pci_device *device, bool cache);

/* Register locator with @count blocks. Also -EINVAL: bad BAR or offset, or no block. */
int cxl_add_register_locator(struct pci_device *device, const struct cxl_register_block *blocks,
			     size_t count);

#endif

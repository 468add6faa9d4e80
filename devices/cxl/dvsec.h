/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEVICES_CXL_DVSEC_H
#define DEVICES_CXL_DVSEC_H

#include <stddef.h>
#include <stdint.h>

#include "devices/pci/device.h"

/*
 * The CXL DVSECs of ports (CXL 8.1), and the register locator of any function. Each function adds
 * one extended capability to a device before pci_bus_add() and returns its offset or -ENOSPC.
 */
#define CXL_DVSEC_VENDOR 0x1e98u

/* DVSEC ids (CXL 8.1.1) */
#define CXL_DVSEC_DEVICE           0u
#define CXL_DVSEC_PORT_EXTENSIONS  3u
#define CXL_DVSEC_GPF_PORT         4u
#define CXL_DVSEC_GPF_DEVICE       5u
#define CXL_DVSEC_FLEX_BUS         7u
#define CXL_DVSEC_REGISTER_LOCATOR 8u

/* Port extensions (8.1.5), offsets in the DVSEC */
#define CXL_PORT_STATUS                  0x0au
#define CXL_PORT_STATUS_PM_INIT_COMPLETE 0x0001u
#define CXL_PORT_STATUS_VIRAL            0x4000u
#define CXL_PORT_CONTROL                 0x0cu
#define CXL_PORT_CONTROL_UNMASK_SBR      0x0001u
#define CXL_PORT_CONTROL_UNMASK_LINK     0x0002u

/* GPF for ports (8.1.6) */
#define CXL_GPF_PORT_PHASE_1 0x0cu
#define CXL_GPF_PORT_PHASE_2 0x0eu

/* Flex bus port (8.1.8), offsets and bits of capability and status */
#define CXL_FLEX_BUS_CAPABILITY 0x0au
#define CXL_FLEX_BUS_CONTROL    0x0cu
#define CXL_FLEX_BUS_STATUS     0x0eu
#define CXL_FLEX_BUS_CACHE      0x0001u
#define CXL_FLEX_BUS_IO         0x0002u
#define CXL_FLEX_BUS_MEM        0x0004u
#define CXL_FLEX_BUS_68B_VH     0x0020u /* 68-byte flits and virtual hierarchy: CXL 2.0 */

/* Register block ids (8.1.9.1) */
#define CXL_REGISTER_BLOCK_COMPONENT 1u
#define CXL_REGISTER_BLOCK_DEVICE    3u

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

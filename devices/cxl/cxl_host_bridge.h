/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEVICES_CXL_CXL_HOST_BRIDGE_H
#define DEVICES_CXL_CXL_HOST_BRIDGE_H

#include "devices/cxl/component_registers.h"

/*
 * The component registers of a CXL host bridge (CXL 8.2.3), 64 KiB at the base that its CHBS record
 * names (CXL 9.18.1.2). Without an HDM decoder capability and with exactly one root port the bridge
 * passes everything through (Linux then makes a decoder of its own), which is how every accelerator
 * is attached: one host bridge, one root port, one fixed window.
 */
struct cxl_host_bridge {
	struct cxl_component component;
	struct bus_region region;
	struct bus *mmio;
};

/*
 * @name must outlive the bridge. @base: 64 KiB aligned. Returns 0, -EINVAL, or the errno of
 * bus_add() (-EEXIST: something else answers there).
 */
int cxl_host_bridge_init(struct cxl_host_bridge *bridge, struct bus *mmio, const char *name,
			 uint64_t base);

/* vCPUs stopped. A zeroed bridge is allowed. */
void cxl_host_bridge_destroy(struct cxl_host_bridge *bridge);

/* Machine reset. */
void cxl_host_bridge_reset(struct cxl_host_bridge *bridge);

#endif

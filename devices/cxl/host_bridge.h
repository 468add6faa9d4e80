/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEVICES_CXL_HOST_BRIDGE_H
#define DEVICES_CXL_HOST_BRIDGE_H

#include "devices/cxl/component_registers.h"

/*
 * The component registers of a CXL host bridge (CXL 8.2.3), 64 KiB at the base that its CHBS record
 * names (CXL 9.18.1.2). Every accelerator has one host bridge with one root port and one fixed
 * window. Without an HDM decoder capability such a bridge passes everything through, and Linux
 * makes a decoder of its own. Where firmware committed the device, it committed the bridge's
 * decoder too: Linux follows the range of a committed device through the decoders above it, and
 * finds none in a bridge that passes through.
 */
struct cxl_host_bridge_range {
	uint64_t base; /* guest physical, both multiples of 256 MiB */
	uint64_t size;
	bool host_only; /* target type, as the device's decoder has it */
};

struct cxl_host_bridge {
	struct cxl_component component;
	struct hdm_decoder_block hdm; /* valid when committed.size is not 0 */
	struct cxl_host_bridge_range committed;
	struct bus_region region;
	struct bus *mmio;
};

/*
 * @name must outlive the bridge. @base: 64 KiB aligned. @committed: what its only decoder shows as
 * committed and locked, NULL: it passes through. Returns 0, -EINVAL, or the errno of bus_add()
 * (-EEXIST: something else answers there).
 */
int cxl_host_bridge_init(struct cxl_host_bridge *bridge, struct bus *mmio, const char *name,
			 uint64_t base, const struct cxl_host_bridge_range *committed);

/* vCPUs stopped. A zeroed bridge is allowed. */
void cxl_host_bridge_destroy(struct cxl_host_bridge *bridge);

/* Machine reset: what firmware committed is committed again. */
void cxl_host_bridge_reset(struct cxl_host_bridge *bridge);

#endif

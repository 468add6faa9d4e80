/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/cxl/host_bridge.h"

#include <errno.h>

/* Its target list stays 0: the port number of the only root port. */
static int commit(struct cxl_host_bridge *bridge)
{
	const struct cxl_host_bridge_range *range = &bridge->committed;

	return hdm_decoder_firmware_commit(&bridge->hdm, 0, range->base, range->size,
					   range->host_only, true);
}

static int add_decoder(struct cxl_host_bridge *bridge, const struct cxl_host_bridge_range *range)
{
	const struct hdm_decoder_options options = {
		.count = 1,
		.targets = 1,
		.window_base = range->base,
		.window_size = range->size,
		.device_coherent = !range->host_only,
		.host_only = range->host_only,
	};
	int result = hdm_decoder_init(&bridge->hdm, &options);

	if (result)
		return result;
	bridge->committed = *range;
	result = commit(bridge);
	if (result)
		hdm_decoder_destroy(&bridge->hdm);
	return result;
}

static void destroy_registers(struct cxl_host_bridge *bridge)
{
	cxl_component_destroy(&bridge->component);
	if (bridge->committed.size)
		hdm_decoder_destroy(&bridge->hdm);
}

int cxl_host_bridge_init(struct cxl_host_bridge *bridge, struct bus *mmio, const char *name,
			 uint64_t base, const struct cxl_host_bridge_range *committed)
{
	struct cxl_component_options options = {.ras = true};
	int result;

	if (base % CXL_COMPONENT_BLOCK_SIZE)
		return -EINVAL;
	bridge->mmio = NULL;
	bridge->committed.size = 0;
	if (committed) {
		result = add_decoder(bridge, committed);
		if (result)
			return result;
		options.hdm = &bridge->hdm;
	}
	result = cxl_component_init(&bridge->component, &options);
	if (result) {
		if (committed)
			hdm_decoder_destroy(&bridge->hdm);
		return result;
	}
	bridge->region = (struct bus_region){
		.name = name,
		.base = base,
		.size = CXL_COMPONENT_BLOCK_SIZE,
		.ops = &cxl_component_bus_ops,
		.opaque = &bridge->component,
	};
	result = bus_add(mmio, &bridge->region);
	if (result) {
		destroy_registers(bridge);
		return result;
	}
	bridge->mmio = mmio;
	return 0;
}

void cxl_host_bridge_destroy(struct cxl_host_bridge *bridge)
{
	if (!bridge->mmio)
		return;
	bus_remove(bridge->mmio, &bridge->region);
	destroy_registers(bridge);
	bridge->mmio = NULL;
}

void cxl_host_bridge_reset(struct cxl_host_bridge *bridge)
{
	cxl_component_reset(&bridge->component);
	if (bridge->committed.size)
		commit(bridge);
}

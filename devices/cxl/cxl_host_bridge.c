/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/cxl/cxl_host_bridge.h"

#include <errno.h>

int cxl_host_bridge_init(struct cxl_host_bridge *bridge, struct bus *mmio, const char *name,
			 uint64_t base)
{
	const struct cxl_component_options options = {.ras = true};
	int result;

	if (base % CXL_COMPONENT_BLOCK_SIZE)
		return -EINVAL;
	bridge->mmio = NULL;
	result = cxl_component_init(&bridge->component, &options);
	if (result)
		return result;
	bridge->region = (struct bus_region){
		.name = name,
		.base = base,
		.size = CXL_COMPONENT_BLOCK_SIZE,
		.ops = &cxl_component_bus_ops,
		.opaque = &bridge->component,
	};
	result = bus_add(mmio, &bridge->region);
	if (result) {
		cxl_component_destroy(&bridge->component);
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
	cxl_component_destroy(&bridge->component);
	bridge->mmio = NULL;
}

void cxl_host_bridge_reset(struct cxl_host_bridge *bridge)
{
	cxl_component_reset(&bridge->component);
}

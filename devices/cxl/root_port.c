/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/cxl/root_port.h"

#include <stddef.h>

#include "core/bytes.h"
#include "devices/cxl/dvsec.h"

#define CXL_ROOT_PORT_BAR 0u

static bool cxl_root_port_reset_masked(const struct pci_root_port *port)
{
	const struct cxl_root_port *cxl =
		(const struct cxl_root_port *)((const char *)port -
					       offsetof(struct cxl_root_port, port));

	return !(bytes_get_le16(port->device.config + cxl->port_extensions + CXL_PORT_CONTROL) &
		 CXL_PORT_CONTROL_UNMASK_SBR);
}

static void cxl_root_port_reset(struct pci_root_port *port)
{
	struct cxl_root_port *cxl =
		(struct cxl_root_port *)((char *)port - offsetof(struct cxl_root_port, port));

	cxl_component_reset(&cxl->component);
}

static int cxl_root_port_capabilities(struct cxl_root_port *port, bool cache)
{
	const struct cxl_register_block block = {
		.bar = CXL_ROOT_PORT_BAR,
		.id = CXL_REGISTER_BLOCK_COMPONENT,
	};
	struct pci_device *device = &port->port.device;
	int result = cxl_add_port_extensions(device);

	if (result < 0)
		return result;
	port->port_extensions = (uint16_t)result;
	result = cxl_add_gpf_port(device);
	if (result < 0)
		return result;
	result = cxl_add_flex_bus(device, cache);
	if (result < 0)
		return result;
	result = cxl_add_register_locator(device, &block, 1);
	return result < 0 ? result : 0;
}

int cxl_root_port_init(struct cxl_root_port *port, struct pci_root *root, const char *name,
		       uint16_t slot, bool cache)
{
	const struct cxl_component_options options = {.ras = true, .link = true};
	int result;

	port->initialised = false;
	result = pci_root_port_init(&port->port, root, name, slot);
	if (result)
		return result;
	port->port.secondary_reset_masked = cxl_root_port_reset_masked;
	port->port.reset = cxl_root_port_reset;
	result = cxl_component_init(&port->component, &options);
	if (result)
		goto destroy_port;
	result = cxl_root_port_capabilities(port, cache);
	if (result)
		goto destroy_component;
	result = pci_register_bar(&port->port.device, CXL_ROOT_PORT_BAR, PCI_BAR_MEMORY_64, false,
				  CXL_COMPONENT_BLOCK_SIZE, &cxl_component_bus_ops,
				  &port->component);
	if (result)
		goto destroy_component;
	port->initialised = true;
	return 0;

destroy_component:
	cxl_component_destroy(&port->component);
destroy_port:
	pci_root_port_destroy(&port->port);
	return result;
}

int cxl_root_port_add(struct cxl_root_port *port, struct pci_bus *bus, int devfn)
{
	return pci_root_port_add(&port->port, bus, devfn);
}

void cxl_root_port_destroy(struct cxl_root_port *port)
{
	if (!port->initialised)
		return;
	cxl_component_destroy(&port->component);
	pci_root_port_destroy(&port->port);
	port->initialised = false;
}

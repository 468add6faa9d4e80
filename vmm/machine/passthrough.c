/* SPDX-License-Identifier: Apache-2.0 */
/* A passed-through function as a part of the machine. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/arch.h"
#include "passthrough/iommu/spaces.h"
#include "vmm/machine/describe.h"
#include "vmm/machine/functions.h"
#include "vmm/machine/internal.h"

_Static_assert(1 + CXL_BUSES_PER_HOST * MACHINE_MAX_DEVICES <= ARCH_ECAM_BUSES,
	       "every device has its buses");

/* A device wants passthrough_serve(): any thread, any lock. */
static void want_attention(void *opaque, struct passthrough_device *device)
{
	const struct machine_part *part = opaque;

	(void)device;
	machine_post(part->machine, MACHINE_REQUEST_SERVE_FUNCTIONS);
}

/* The host took a device back: to the guest it was pulled out of its slot. */
static void device_returned(void *opaque, struct passthrough_device *device)
{
	const struct machine_part *part = opaque;
	const struct passed_function *function = part->state;

	(void)device;
	if (function->port)
		pci_root_port_surprise_removal(function->port);
}

/*
 * A vfio-user server sends what it likes, as much as it likes: its messages belong to the devices'
 * loop. The kernel's two events of a device only post, and a host that wants its device back must
 * not wait for a guest that keeps the devices busy.
 */
static struct event_loop *loop_for(const struct machine *machine,
				   const struct passthrough_options *options)
{
	bool user = options->way.kind == PASSTHROUGH_WAY_VFIO_USER_SOCKET ||
		    options->way.kind == PASSTHROUGH_WAY_VFIO_USER_FD;

	return user ? machine->platform.loop : machine->life.loop;
}

static int connect_function(struct machine_part *part)
{
	struct machine *machine = part->machine;
	struct passthrough_environment environment = {
		.logger = machine->logger,
		.vm = &machine->platform.vm,
		.memory = machine->platform.memory,
		.irq = machine->platform.irq,
		.mmio = &machine->platform.mmio,
		.loop = loop_for(machine, part->wanted),
		.attention = want_attention,
		.returned = device_returned,
		.opaque = part,
	};
	struct passed_function *function = calloc(1, sizeof(*function));
	int result = 0;

	if (!function)
		return -ENOMEM;
	if (!machine->platform.spaces)
		result = iommu_spaces_create(&machine->platform.spaces);
	environment.spaces = machine->platform.spaces;
	if (!result)
		result = passthrough_connect(part->wanted, &environment, &function->device);
	if (result) {
		free(function);
		return result;
	}
	part->state = function;
	function->cxl = passthrough_get_facts(function->device)->cxl;
	if (function->cxl)
		function->cxl_index = machine->pci.cxl_count++;
	else
		machine->pci.plain_last_bus++;
	function->slot = (uint16_t)(machine->pci.plain_last_bus + machine->pci.cxl_count);
	return 0;
}

static int add_cxl_hierarchy(struct machine *machine, struct passed_function *function)
{
	const struct passthrough_facts *facts = passthrough_get_facts(function->device);
	unsigned int bus = machine_accelerator_bus(machine, function->cxl_index);
	const struct cxl_host_bridge_range range = {
		.base = machine->map.layout.window[function->cxl_index],
		.size = facts->window_size,
		.host_only = facts->host_only,
	};
	int result;

	snprintf(function->bridge_name, sizeof(function->bridge_name), "CXL host bridge of %s",
		 passthrough_id(function->device));
	result = cxl_host_bridge_init(&function->host_bridge, &machine->platform.mmio,
				      function->bridge_name,
				      machine->map.layout.chbs[function->cxl_index],
				      facts->firmware_committed ? &range : NULL);
	if (!result)
		result = pci_root_add_host_bridge(machine->pci.root, (uint8_t)bus,
						  (uint8_t)(bus + CXL_BUSES_PER_HOST - 1),
						  &function->root_bus);
	if (result)
		return result;
	machine->map.bridge_count++;
	result = cxl_root_port_init(&function->cxl_port, machine->pci.root, function->port_name,
				    function->slot, facts->cache_capable);
	if (!result)
		pci_root_port_allow_removal(&function->cxl_port.port);
	if (!result)
		result = cxl_root_port_add(&function->cxl_port, function->root_bus, -1);
	if (!result)
		function->port = &function->cxl_port.port;
	return result;
}

static int add_plain_port(struct machine *machine, struct passed_function *function)
{
	int result;

	function->root_bus = machine->pci.root_bus;
	result = pci_root_port_init(&function->plain_port, machine->pci.root, function->port_name,
				    function->slot);
	if (!result)
		pci_root_port_allow_removal(&function->plain_port);
	if (!result)
		result = pci_root_port_add(&function->plain_port, function->root_bus, -1);
	if (!result)
		function->port = &function->plain_port;
	return result;
}

static int add_function(struct machine_part *part)
{
	struct machine *machine = part->machine;
	struct passed_function *function = part->state;
	struct passthrough_place place = {.devfn = 0};
	int result;

	snprintf(function->port_name, sizeof(function->port_name), "root port of %s",
		 passthrough_id(function->device));
	result = function->cxl ? add_cxl_hierarchy(machine, function)
			       : add_plain_port(machine, function);
	if (result) {
		log_error(machine->logger, function->port_name, "cannot be added: %s",
			  strerror(-result));
		return result;
	}
	if (function->cxl) {
		place.window_base = machine->map.layout.window[function->cxl_index];
		place.window_size = passthrough_get_facts(function->device)->window_size;
	}
	place.bus = function->port->secondary;
	return passthrough_plug(function->device, &place);
}

static void describe_function(const struct machine_part *part, struct description *description)
{
	const struct passed_function *function = part->state;

	description_add_device(description, function->device,
			       function->cxl ? part->machine->map.layout.window[function->cxl_index]
					     : 0);
}

static void remove_function(struct machine_part *part)
{
	struct passed_function *function = part->state;

	passthrough_detach(function->device);
	if (function->port)
		pci_bus_remove(&function->port->device);
	cxl_root_port_destroy(&function->cxl_port);
	pci_root_port_destroy(&function->plain_port);
	cxl_host_bridge_destroy(&function->host_bridge);
	free(function);
}

const struct machine_part_ops machine_function_part = {
	.name = "passed-through function",
	.connect = connect_function,
	.add = add_function,
	.describe = describe_function,
	.remove = remove_function,
};

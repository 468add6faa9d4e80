/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PASSTHROUGH_VIEW_CONFIG_SPACE_H
#define PASSTHROUGH_VIEW_CONFIG_SPACE_H

#include <stdbool.h>
#include <stdint.h>

#include "devices/pci/device.h"
#include "passthrough/view/config_facts.h"

/*
 * Virtualisation of a passed-through function's configuration space: what the guest sees of each
 * capability is decided by a table (capability_policy.h). Header, BARs and interrupt capabilities
 * are the VMM's own, at the device's own offsets. Pure.
 */
/* Told about each capability that the guest does not see. @reason is a constant text. */
typedef void (*config_hidden)(void *opaque, bool extended, uint16_t id, const char *reason);

/*
 * config_space_build() - put the visible capabilities of @config into @device (initialised, BARs
 * registered, MSI and MSI-X made) and link both lists. @cxl: show the CXL DVSECs. Before
 * pci_bus_add().
 */
void config_space_build(struct pci_device *device, const struct config_facts *facts,
			const uint8_t *config, uint32_t length, bool cxl, config_hidden hidden,
			void *opaque);

#endif

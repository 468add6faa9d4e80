/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PASSTHROUGH_VIEW_CONFIG_SPACE_H
#define PASSTHROUGH_VIEW_CONFIG_SPACE_H

#include <stdbool.h>
#include <stdint.h>

#include "devices/pci/device.h"

/*
 * Virtualisation of a passed-through function's configuration space: what the guest sees of each
 * capability is decided by a table (capability_policy.h). Header, BARs and interrupt capabilities
 * are the VMM's own, at the device's own offsets. Pure.
 */
struct config_bar {
	bool io;
	bool wide; /* 64-bit: takes the next index too */
	bool prefetchable;
};

struct config_msix {
	uint8_t offset; /* of the capability; 0: none */
	uint16_t vectors;
	uint8_t table_bar;
	uint32_t table_offset;
	uint8_t pba_bar;
	uint32_t pba_offset;
};

struct config_msi {
	uint8_t offset; /* 0: none */
	uint8_t vectors;
	bool address_64;
	bool maskable;
};

struct config_facts {
	uint16_t vendor, device, subsystem_vendor, subsystem_device;
	uint32_t class_code;
	uint8_t revision;
	uint8_t interrupt_pin; /* 0: none, 1 to 4 */
	struct config_bar bars[PCI_BAR_COUNT];
	struct config_msix msix;
	struct config_msi msi;
	uint8_t express; /* offsets, 0: none */
	uint8_t power_management;
	bool function_reset; /* has FLR, of PCI Express or of Advanced Features */
	bool power_reset;    /* D3hot to D0 resets it (PCI PM 3.2.4, No_Soft_Reset clear) */
	uint16_t cxl_dvsec;  /* CXL device DVSEC */
	uint16_t cxl_dvsec_length;
};

/*
 * config_space_parse() - @config: a snapshot of @length bytes (256 or 4096). Returns 0 or -EPROTO
 * with *@why: not there (all-ones), not a type 0 header, or an interrupt capability that leaves the
 * configuration space or contradicts itself. Loops in the lists end the walk.
 */
int config_space_parse(struct config_facts *facts, const uint8_t *config, uint32_t length,
		       const char **why);

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

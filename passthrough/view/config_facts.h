/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PASSTHROUGH_VIEW_CONFIG_FACTS_H
#define PASSTHROUGH_VIEW_CONFIG_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "devices/pci/device.h"

/*
 * What a snapshot of a passed-through function's configuration space says. The snapshot is hostile:
 * lists may be loops, and structures may overlap or leave the space. Pure.
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

/* The next capability of the list after @offset (0: the first), 0 at its end. @hops starts at 0 and
 * bounds loops. */
uint32_t config_step(const uint8_t *config, uint32_t offset, unsigned int *hops);
/* The same for the extended list of a snapshot of @length bytes. */
uint32_t config_ext_step(const uint8_t *config, uint32_t length, uint32_t offset,
			 unsigned int *hops);

/* The length of the DVSEC at @at when it stays inside the space, else 0. */
uint32_t config_dvsec_length(const uint8_t *config, uint32_t length, uint32_t at);

/* Bytes of the MSI capability (PCIe 7.7.1). */
uint32_t config_msi_size(const struct config_msi *msi);

#endif

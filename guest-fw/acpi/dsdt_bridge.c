/* SPDX-License-Identifier: Apache-2.0 */
/* PCI and CXL host bridges and the CXL root device in the DSDT. */
#include "guest-fw/acpi/internal.h"

#include <stdio.h>

#define UUID_OSC_PCI "33db4d5b-1ff7-401c-9657-7441c03dd766" /* PCI Firmware 4.5.1 */
#define UUID_OSC_CXL "68f2d50b-c469-4d8a-bd3d-941a103fd3fc" /* CXL 9.18.2 */
#define UUID_DSM_PCI "e5c937d0-3553-4d7a-9117-ea4d19c3434d" /* PCI Firmware 4.6 */
#define UUID_DSM_QTG "f365f9a6-a7de-4071-a66a-b40c0b4f8e52" /* CXL 9.18.3 */

/* _OSC status bits in the first dword (ACPI 6.5, 6.2.11.1). */
#define OSC_UNKNOWN_UUID        0x04u
#define OSC_UNKNOWN_REVISION    0x08u
#define OSC_CAPABILITIES_MASKED 0x10u

#define DSM_PRESERVE_CONFIGURATION 5u
#define DSM_QTG_FUNCTION           1u
#define CXL_ROOT_STATUS            0x0bu /* present, enabled, working, not shown */

void acpi_bridge_name(const struct acpi_machine *machine, size_t index, char name[5])
{
	const char *prefix = machine->bridges[index].kind == ACPI_BRIDGE_CXL ? "CX" : "PC";

	snprintf(name, 5, "%s%02X", prefix, (unsigned int)(index & 0xff));
}

/* With an SRAT every bridge says where it is: Linux warns about a bus of unknown node. */
static void bridge_proximity(struct aml_builder *aml, const struct acpi_machine *machine,
			     const struct acpi_bridge *bridge)
{
	if (bridge->has_proximity_domain)
		aml_name_integer(aml, "_PXM", bridge->proximity_domain);
	else if (machine->memory_count)
		aml_name_integer(aml, "_PXM", machine->cpus[0].proximity_domain);
}

static void bridge_identity(struct aml_builder *aml, const struct acpi_bridge *bridge)
{
	if (bridge->kind == ACPI_BRIDGE_CXL) {
		aml_name_string(aml, "_HID", "ACPI0016");
		aml_name(aml, "_CID");
		aml_begin_package(aml, 2);
		aml_eisa_id(aml, "PNP0A08");
		aml_eisa_id(aml, "PNP0A03");
		aml_end(aml);
	} else {
		aml_name_eisa_id(aml, "_HID", "PNP0A08");
		aml_name_eisa_id(aml, "_CID", "PNP0A03");
	}
	aml_name_integer(aml, "_UID", bridge->uid);
	aml_name_integer(aml, "_SEG", bridge->segment);
	aml_name_integer(aml, "_BBN", bridge->first_bus);
}

static void bridge_window(struct aml_builder *aml, const struct acpi_bridge_window *window)
{
	enum aml_window_cache cache = window->prefetchable ? AML_PREFETCHABLE : AML_NON_CACHEABLE;

	if (window->kind == ACPI_WINDOW_IO)
		aml_dword_io(aml, (uint32_t)window->base, window->size);
	else if (window->base + (window->size - 1) <= UINT32_MAX)
		aml_dword_memory(aml, cache, (uint32_t)window->base, window->size);
	else
		aml_qword_memory(aml, cache, window->base, window->size);
}

static void bridge_resources(struct aml_builder *aml, const struct acpi_bridge *bridge)
{
	aml_name(aml, "_CRS");
	aml_begin_resources(aml);
	aml_word_bus_number(aml, bridge->first_bus, bridge->last_bus);
	if (bridge->config_ports)
		aml_io(aml, ACPI_CONFIG_PORT, ACPI_CONFIG_PORT_SIZE);
	for (size_t i = 0; i < bridge->window_count; i++)
		bridge_window(aml, &bridge->windows[i]);
	aml_end_resources(aml);
}

/* _PRT without link devices (6.2.13): all functions of a slot, one entry per pin. */
static void bridge_interrupts(struct aml_builder *aml, const struct acpi_bridge *bridge)
{
	if (!bridge->gsi_count)
		return;
	aml_name(aml, "_PRT");
	aml_begin_package(aml, ACPI_BRIDGE_SLOTS * ACPI_BRIDGE_PINS);
	for (unsigned int slot = 0; slot < ACPI_BRIDGE_SLOTS; slot++) {
		for (unsigned int pin = 0; pin < ACPI_BRIDGE_PINS; pin++) {
			aml_begin_package(aml, 4);
			aml_integer(aml, slot << 16 | 0xffff);
			aml_integer(aml, pin);
			aml_integer(aml, 0);
			aml_integer(aml, acpi_bridge_gsi(bridge, slot, pin));
			aml_end(aml);
		}
	}
	aml_end(aml);
}

static void osc_set_status(struct aml_builder *aml, uint32_t bits)
{
	aml_operator(aml, AML_OR);
	aml_path(aml, "CDW1");
	aml_integer(aml, bits);
	aml_path(aml, "CDW1");
}

static void osc_is_uuid(struct aml_builder *aml, const char *uuid)
{
	aml_operator(aml, AML_EQUAL);
	aml_argument(aml, 0);
	aml_uuid(aml, uuid);
}

/* Reduce one control dword of Arg3 to what is granted, and say so if anything was taken away. */
static void osc_grant(struct aml_builder *aml, const char *name, uint64_t offset, uint32_t granted)
{
	aml_create_dword_field(aml, 3, offset, name);
	aml_operator(aml, AML_AND);
	aml_path(aml, name);
	aml_integer(aml, granted);
	aml_local(aml, 0);
	aml_begin_if(aml);
	aml_operator(aml, AML_LOGICAL_NOT);
	aml_operator(aml, AML_EQUAL);
	aml_local(aml, 0);
	aml_path(aml, name);
	osc_set_status(aml, OSC_CAPABILITIES_MASKED);
	aml_end(aml);
	aml_operator(aml, AML_STORE);
	aml_local(aml, 0);
	aml_path(aml, name);
}

/* _OSC(uuid, revision, count, capabilities): dwords status, support, control[, the same for CXL].
 */
static void bridge_osc(struct aml_builder *aml, const struct acpi_bridge *bridge)
{
	bool cxl = bridge->kind == ACPI_BRIDGE_CXL;

	aml_begin_method(aml, "_OSC", 4, true);
	aml_create_dword_field(aml, 3, 0, "CDW1");
	aml_begin_if(aml);
	if (cxl) {
		aml_operator(aml, AML_LOGICAL_OR);
		osc_is_uuid(aml, UUID_OSC_CXL);
	}
	osc_is_uuid(aml, UUID_OSC_PCI);
	aml_begin_if(aml);
	aml_operator(aml, AML_LOGICAL_NOT);
	aml_operator(aml, AML_EQUAL);
	aml_argument(aml, 1);
	aml_integer(aml, 1);
	osc_set_status(aml, OSC_UNKNOWN_REVISION);
	aml_end(aml);
	osc_grant(aml, "CDW3", 8, bridge->osc_pci_control);
	aml_end(aml);
	aml_begin_else(aml);
	osc_set_status(aml, OSC_UNKNOWN_UUID);
	aml_end(aml);
	if (cxl) {
		aml_begin_if(aml);
		osc_is_uuid(aml, UUID_OSC_CXL);
		osc_grant(aml, "CDW5", 16, bridge->osc_cxl_control);
		aml_end(aml);
	}
	aml_operator(aml, AML_RETURN);
	aml_argument(aml, 3);
	aml_end(aml);
}

/* Open `If (Arg2 == function) { Return (` of a _DSM; aml_end() after the value. */
static void dsm_function(struct aml_builder *aml, unsigned int function)
{
	aml_begin_if(aml);
	aml_operator(aml, AML_EQUAL);
	aml_argument(aml, 2);
	aml_integer(aml, function);
	aml_operator(aml, AML_RETURN);
}

/* Open a _DSM for @uuid whose function 0 reports that @function exists. */
static void dsm_begin(struct aml_builder *aml, const char *uuid, unsigned int function)
{
	uint8_t functions = (uint8_t)(1u | 1u << function);

	aml_begin_method(aml, "_DSM", 4, true);
	aml_begin_if(aml);
	aml_operator(aml, AML_EQUAL);
	aml_argument(aml, 0);
	aml_uuid(aml, uuid);
	dsm_function(aml, 0);
	aml_buffer(aml, &functions, 1);
	aml_end(aml);
}

static void dsm_end(struct aml_builder *aml)
{
	const uint8_t none = 0;

	aml_end(aml);
	aml_operator(aml, AML_RETURN);
	aml_buffer(aml, &none, 1);
	aml_end(aml);
}

static void bridge_dsm(struct aml_builder *aml, const struct acpi_bridge *bridge)
{
	if (!bridge->preserve_configuration)
		return;
	dsm_begin(aml, UUID_DSM_PCI, DSM_PRESERVE_CONFIGURATION);
	dsm_function(aml, DSM_PRESERVE_CONFIGURATION);
	aml_integer(aml, 0); /* 0: the OS must keep the boot configuration */
	aml_end(aml);
	dsm_end(aml);
}

void acpi_write_bridges(struct aml_builder *aml, const struct acpi_machine *machine)
{
	for (size_t i = 0; i < machine->bridge_count; i++) {
		const struct acpi_bridge *bridge = &machine->bridges[i];
		char name[5];

		acpi_bridge_name(machine, i, name);
		aml_begin_device(aml, name);
		bridge_identity(aml, bridge);
		bridge_proximity(aml, machine, bridge);
		bridge_resources(aml, bridge);
		bridge_interrupts(aml, bridge);
		bridge_osc(aml, bridge);
		bridge_dsm(aml, bridge);
		aml_end(aml);
	}
}

/* The distinct QTG ids of the windows in ascending order; returns their number. */
static unsigned int cxl_qtg_ids(const struct acpi_machine *machine, uint16_t ids[ACPI_CFMWS_MAX])
{
	unsigned int count = 0;

	for (size_t i = 0; i < machine->cfmws_count; i++) {
		uint16_t id = machine->cfmws[i].qtg_id;
		unsigned int at = 0;

		while (at < count && ids[at] < id)
			at++;
		if (at < count && ids[at] == id)
			continue;
		for (unsigned int j = count; j > at; j--)
			ids[j] = ids[j - 1];
		ids[at] = id;
		count++;
	}
	return count;
}

/* Arg3 describes a memory device's performance; every QTG of ours suits it. */
static void cxl_root_dsm(struct aml_builder *aml, const struct acpi_machine *machine)
{
	uint16_t ids[ACPI_CFMWS_MAX];
	unsigned int count = cxl_qtg_ids(machine, ids);

	dsm_begin(aml, UUID_DSM_QTG, DSM_QTG_FUNCTION);
	dsm_function(aml, DSM_QTG_FUNCTION);
	aml_begin_package(aml, 2);
	aml_integer(aml, count ? ids[count - 1] : 0);
	aml_begin_package(aml, (uint8_t)count);
	for (unsigned int i = 0; i < count; i++)
		aml_integer(aml, ids[i]);
	aml_end(aml);
	aml_end(aml);
	aml_end(aml);
	dsm_end(aml);
}

void acpi_write_cxl_root(struct aml_builder *aml, const struct acpi_machine *machine)
{
	if (!acpi_has_cxl(machine))
		return;
	aml_begin_device(aml, "CXLM");
	aml_name_string(aml, "_HID", "ACPI0017");
	aml_name_integer(aml, "_STA", CXL_ROOT_STATUS);
	cxl_root_dsm(aml, machine);
	aml_end(aml);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "arch/arch.h"
#include "arch/x86_64/layout.h"

static const struct arch_place places[] = {
	{.name = "ACPI tables (in RAM)",
	 .base = X86_FIRMWARE_START,
	 .size = X86_FIRMWARE_END - X86_FIRMWARE_START,
	 .in_ram = true},
	{.name = "IOAPIC", .base = X86_IOAPIC, .size = X86_APIC_SIZE},
	{.name = "local APIC", .base = X86_LAPIC, .size = X86_APIC_SIZE},
};

static const struct arch_map map = {
	.low_ram_start = 0,
	.low_ram_end = X86_LOW_RAM_END,
	.high_ram_start = X86_HIGH_RAM_START,
	.pci_32_start = X86_PCI_32_START,
	.pci_32_end = X86_PCI_32_END,
	.pci_io_start = X86_PCI_IO_START,
	.pci_io_end = X86_PCI_IO_END,
	.ecam_start = X86_ECAM_START,
	.chbs_end = X86_CXL_CHBS_END,
	.intx_gsi = X86_GSI_INTX,
	.config_ports = true,
	.places = places,
	.place_count = sizeof(places) / sizeof(places[0]),
};

_Static_assert(X86_ECAM_START + ((uint64_t)ARCH_ECAM_BUSES << 20) <= X86_CXL_CHBS_END,
	       "configuration space ends below the host bridge registers");

const struct arch_map *arch_map(void)
{
	return &map;
}

const struct arch_gap *arch_gaps(size_t *count)
{
	*count = 0;
	return NULL;
}

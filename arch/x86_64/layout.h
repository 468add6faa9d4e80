/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARCH_X86_64_LAYOUT_H
#define ARCH_X86_64_LAYOUT_H

#include <stdint.h>

/* The fixed points of the x86_64 guest physical map (docs/architecture.md has the whole picture).
 */
#define X86_PAGE_SIZE      UINT64_C(0x1000)
#define X86_BOOT_GDT       UINT64_C(0x500)
#define X86_BOOT_PARAMS    UINT64_C(0x7000) /* the zero page, or hvm_start_info */
#define X86_BOOT_MEMMAP    UINT64_C(0x7800) /* PVH: memory map and module list */
#define X86_BOOT_PML4      UINT64_C(0x9000) /* three pages: PML4, PDPT, one page directory */
#define X86_BOOT_STACK     UINT64_C(0x8ff0)
#define X86_CMDLINE        UINT64_C(0x20000)
#define X86_CMDLINE_MAX    UINT64_C(0x10000)
#define X86_EBDA_START     UINT64_C(0x9fc00)
#define X86_FIRMWARE_START UINT64_C(0xe0000) /* ACPI tables, up to the reset vector */
#define X86_RESET_VECTOR   UINT64_C(0xffff0) /* real-mode code, 16 bytes below 1 MiB */
#define X86_FIRMWARE_END   X86_RESET_VECTOR
#define X86_KERNEL_START   UINT64_C(0x100000)

#define X86_LOW_RAM_END  UINT64_C(0xc0000000) /* RAM below the hole ends here at the latest */
#define X86_PCI_32_START UINT64_C(0xc0000000)
#define X86_PCI_32_END   UINT64_C(0xe0000000)
/* Below are the ports of the platform's own devices. */
#define X86_PCI_IO_START UINT64_C(0x1000)
#define X86_PCI_IO_END   UINT64_C(0x10000)
#define X86_ECAM_START   UINT64_C(0xe0000000)
#define X86_CXL_CHBS_END                                                                           \
	UINT64_C(0xfec00000) /* host bridge component registers grow down from here */
#define X86_IOAPIC      UINT64_C(0xfec00000)
#define X86_IOAPIC_PINS 24u
#define X86_LAPIC       UINT64_C(0xfee00000)
#define X86_APIC_SIZE   UINT64_C(0x1000) /* of either */
#define X86_KVM_IDENTITY_MAP                                                                       \
	UINT64_C(0xfeffc000) /* one page, then the three of the TSS (Intel without unrestricted    \
				guest) */
#define X86_KVM_TSS        UINT64_C(0xfeffd000)
#define X86_HIGH_RAM_START UINT64_C(0x100000000)

/* Ports and interrupt lines of the platform's own devices. */
#define X86_PORT_BOOT_TIMING 0x80u /* cloud-hypervisor's */
#define X86_PORT_DEBUG_EXIT  0xf4u /* QEMU's isa-debug-exit */
#define X86_PORT_SERIAL      0x3f8u
#define X86_PORT_PVPANIC     0x505u /* QEMU's */
#define X86_PORT_GED         0x600u
#define X86_PORT_PM_TIMER    0x608u

#define X86_GSI_SERIAL 4u
#define X86_GSI_GED    9u
#define X86_GSI_INTX   16u /* first of eight */

#endif

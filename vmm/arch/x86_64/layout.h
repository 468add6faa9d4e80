/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMM_ARCH_X86_64_LAYOUT_H
#define VMM_ARCH_X86_64_LAYOUT_H

/* The fixed points of the x86_64 guest physical map (docs/architecture.md has the whole picture).
 */
#define X86_BOOT_GDT       0x500ull
#define X86_BOOT_PARAMS    0x7000ull /* the zero page, or hvm_start_info */
#define X86_BOOT_MEMMAP    0x7800ull /* PVH: memory map and module list */
#define X86_BOOT_PML4      0x9000ull /* three pages: PML4, PDPT, one page directory */
#define X86_BOOT_STACK     0x8ff0ull
#define X86_CMDLINE        0x20000ull
#define X86_CMDLINE_MAX    0x10000ull
#define X86_EBDA_START     0x9fc00ull
#define X86_FIRMWARE_START 0xe0000ull /* ACPI tables, up to 1 MiB */
#define X86_FIRMWARE_END   0x100000ull
#define X86_KERNEL_START   0x100000ull

#define X86_LOW_RAM_END  0xc0000000ull /* RAM below the hole ends here at the latest */
#define X86_PCI_32_START 0xc0000000ull
#define X86_PCI_32_END   0xe0000000ull
#define X86_ECAM_START   0xe0000000ull
#define X86_ECAM_BUSES   256u
#define X86_CXL_CHBS_END 0xfec00000ull /* host bridge component registers grow down from here */
#define X86_IOAPIC       0xfec00000ull
#define X86_LAPIC        0xfee00000ull
#define X86_KVM_IDENTITY_MAP                                                                       \
	0xfeffc000ull /* one page, then the three of the TSS (Intel without unrestricted guest) */
#define X86_KVM_TSS        0xfeffd000ull
#define X86_HIGH_RAM_START 0x100000000ull

#define X86_GSI_SERIAL 4u
#define X86_GSI_GED    9u
#define X86_GSI_INTX   16u /* first of eight */

#endif

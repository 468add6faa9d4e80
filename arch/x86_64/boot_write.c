/* SPDX-License-Identifier: Apache-2.0 */
#include "arch/x86_64/boot.h"

#include <asm/bootparam.h>
#include <errno.h>
#include <string.h>

#include "arch/x86_64/layout.h"

#define LOADER_TYPE_UNDEFINED 0xffu /* boot.rst: a loader without an assigned number */

/* xen/include/public/arch-x86/hvm/start_info.h: the only structure of the PVH boot ABI. */
#define HVM_START_MAGIC 0x336ec578u

struct hvm_start_info {
	uint32_t magic;
	uint32_t version;
	uint32_t flags;
	uint32_t module_count;
	uint64_t module_list;
	uint64_t cmdline;
	uint64_t rsdp;
	uint64_t memory_map;
	uint32_t memory_map_entries;
	uint32_t reserved;
};

struct hvm_module {
	uint64_t address;
	uint64_t bytes;
	uint64_t cmdline;
	uint64_t reserved;
};

struct hvm_memory_map_entry {
	uint64_t address;
	uint64_t bytes;
	uint32_t type;
	uint32_t reserved;
};

static int write_zero_page(struct guest_memory *memory, const struct boot_kernel *kernel,
			   const struct boot_parameters *parameters)
{
	struct boot_params zero_page;

	memset(&zero_page, 0, sizeof(zero_page));
	memcpy((uint8_t *)&zero_page + 0x1f1, kernel->setup_header, kernel->setup_header_bytes);
	zero_page.hdr.type_of_loader = LOADER_TYPE_UNDEFINED;
	zero_page.hdr.cmd_line_ptr = (uint32_t)X86_CMDLINE;
	zero_page.hdr.ramdisk_image = (uint32_t)parameters->initrd_gpa;
	zero_page.hdr.ramdisk_size = (uint32_t)parameters->initrd_bytes;
	zero_page.ext_ramdisk_image = (uint32_t)(parameters->initrd_gpa >> 32);
	zero_page.ext_ramdisk_size = (uint32_t)(parameters->initrd_bytes >> 32);
	zero_page.acpi_rsdp_addr = parameters->rsdp_gpa;
	for (size_t i = 0; i < parameters->range_count; i++) {
		zero_page.e820_table[i].addr = parameters->ranges[i].base;
		zero_page.e820_table[i].size = parameters->ranges[i].size;
		zero_page.e820_table[i].type = parameters->ranges[i].type;
	}
	zero_page.e820_entries = (uint8_t)parameters->range_count;
	return guest_memory_write(memory, X86_BOOT_PARAMS, &zero_page, sizeof(zero_page));
}

static int write_start_info(struct guest_memory *memory, const struct boot_parameters *parameters)
{
	struct hvm_start_info info = {
		.magic = HVM_START_MAGIC,
		.version = 1,
		.cmdline = X86_CMDLINE,
		.rsdp = parameters->rsdp_gpa,
		.memory_map_entries = (uint32_t)parameters->range_count,
	};
	struct hvm_module module = {.address = parameters->initrd_gpa,
				    .bytes = parameters->initrd_bytes};
	uint64_t at = X86_BOOT_MEMMAP;
	int result;

	if (parameters->initrd_bytes) {
		info.module_count = 1;
		info.module_list = at;
		result = guest_memory_write(memory, at, &module, sizeof(module));
		if (result)
			return result;
		at += sizeof(module);
	}
	info.memory_map = at;
	for (size_t i = 0; i < parameters->range_count; i++) {
		struct hvm_memory_map_entry entry = {
			.address = parameters->ranges[i].base,
			.bytes = parameters->ranges[i].size,
			.type = parameters->ranges[i].type,
		};

		result = guest_memory_write(memory, at, &entry, sizeof(entry));
		if (result)
			return result;
		at += sizeof(entry);
	}
	return guest_memory_write(memory, X86_BOOT_PARAMS, &info, sizeof(info));
}

/* Flat segments at the selectors that the 64-bit boot protocol names: 0x10 code, 0x18 data. */
static int write_gdt(struct guest_memory *memory)
{
	static const uint64_t gdt[] = {
		0,
		0,
		0x00af9b000000ffffull, /* 64-bit code */
		0x00cf93000000ffffull, /* data */
		0x008f8b000000ffffull, /* TSS, busy */
	};

	return guest_memory_write(memory, X86_BOOT_GDT, gdt, sizeof(gdt));
}

/* Identity map of the first GiB in 2 MiB pages: kernel entry, zero page and command line (boot.rst,
 * 64-bit). */
static int write_page_tables(struct guest_memory *memory)
{
	uint64_t *tables = guest_memory_at(memory, X86_BOOT_PML4, 3 * X86_PAGE_SIZE);

	if (!tables)
		return -EFAULT;
	memset(tables, 0, 3 * X86_PAGE_SIZE);
	tables[0] = (X86_BOOT_PML4 + X86_PAGE_SIZE) | 3;
	tables[512] = (X86_BOOT_PML4 + 2 * X86_PAGE_SIZE) | 3;
	for (uint64_t i = 0; i < 512; i++)
		tables[1024 + i] = (i << 21) | 0x83;
	return 0;
}

/*
 * What a reboot through the BIOS finds at ffff:0000 in real mode: a reset by the keyboard
 * controller. Linux takes that way with hardware-reduced ACPI (it prefers EFI, which is not there,
 * and then the BIOS) and would run into empty RAM.
 */
static int write_reset_vector(struct guest_memory *memory)
{
	static const uint8_t code[] = {
		0xb0, 0xfe, /* mov al, 0xfe */
		0xe6, 0x64, /* out 0x64, al */
		0xf4,       /* hlt */
		0xeb, 0xfd, /* jmp back to it */
	};

	return guest_memory_write(memory, X86_RESET_VECTOR, code, sizeof(code));
}

int boot_write_parameters(struct guest_memory *memory, const struct boot_kernel *kernel,
			  const struct boot_parameters *parameters, const struct logger *logger)
{
	const char *cmdline = parameters->cmdline ? parameters->cmdline : "";
	size_t length = strlen(cmdline);
	size_t limit = kernel->cmdline_max < X86_CMDLINE_MAX - 1 ? kernel->cmdline_max
								 : X86_CMDLINE_MAX - 1;
	int result;

	if (length > limit) {
		log_error(logger, "cmdline",
			  "%zu bytes, but this kernel takes at most %zu; shorten it", length,
			  limit);
		return -E2BIG;
	}
	if (parameters->range_count > E820_MAX_ENTRIES_ZEROPAGE)
		return -EINVAL;
	if (X86_BOOT_MEMMAP + sizeof(struct hvm_module) +
		    parameters->range_count * sizeof(struct hvm_memory_map_entry) >
	    X86_BOOT_PML4)
		return -EINVAL;
	result = guest_memory_write(memory, X86_CMDLINE, cmdline, length + 1);
	if (!result)
		result = write_gdt(memory);
	if (!result)
		result = write_reset_vector(memory);
	if (!result && kernel->protocol == BOOT_LINUX_64)
		result = write_page_tables(memory);
	if (!result)
		result = kernel->protocol == BOOT_LINUX_64
				 ? write_zero_page(memory, kernel, parameters)
				 : write_start_info(memory, parameters);
	return result;
}

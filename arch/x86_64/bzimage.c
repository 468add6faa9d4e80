/* SPDX-License-Identifier: Apache-2.0 */
#include "arch/x86_64/boot.h"

#include <asm/bootparam.h>
#include <errno.h>
#include <string.h>

#include "arch/x86_64/layout.h"

#define SETUP_HEADER_OFFSET 0x1f1u
#define SETUP_SECTOR        512u
#define BOOT_FLAG           0xaa55u
#define HEADER_MAGIC        0x53726448u /* "HdrS" */
#define PROTOCOL_2_12       0x020cu     /* the first with xloadflags */

int bzimage_parse(const void *head, size_t length, uint64_t file_size, struct bzimage *image,
		  const char **why)
{
	struct setup_header header;
	uint32_t sectors, header_end;
	uint64_t payload_paragraphs;

	memset(image, 0, sizeof(*image));
	if (length < SETUP_HEADER_OFFSET + sizeof(header) || file_size < length)
		return boot_refuse(why, "the file is shorter than a bzImage header");
	memcpy(&header, (const uint8_t *)head + SETUP_HEADER_OFFSET, sizeof(header));
	if (header.boot_flag != BOOT_FLAG || header.header != HEADER_MAGIC)
		return boot_refuse(why, "no bzImage header");
	if (header.version < PROTOCOL_2_12)
		return boot_refuse(why,
				   "its boot protocol is older than 2.12 and has no 64-bit entry; "
				   "use a newer kernel");
	if (!(header.loadflags & LOADED_HIGH))
		return boot_refuse(why, "it is a zImage, which loads low; use a bzImage");
	if (!(header.xloadflags & XLF_KERNEL_64))
		return boot_refuse(why, "it is a 32-bit kernel; use an x86_64 kernel");

	sectors = header.setup_sects ? header.setup_sects : 4;
	image->setup_bytes = (sectors + 1) * SETUP_SECTOR;
	payload_paragraphs = header.syssize;
	if (!payload_paragraphs)
		return boot_refuse(why, "its header says that the kernel is empty");
	image->payload_bytes = payload_paragraphs * 16;
	/* syssize counts 16-byte paragraphs, so the file may end up to 15 bytes early. */
	if (image->setup_bytes >= file_size ||
	    image->payload_bytes > file_size - image->setup_bytes + 15)
		return boot_refuse(
			why, "it is truncated: the header announces more bytes than the file has");
	if (image->payload_bytes > file_size - image->setup_bytes)
		image->payload_bytes = file_size - image->setup_bytes;

	/* The header's own length: the jump at 0x200 skips the rest of it (boot.rst, "The Real-Mode
	 * Kernel Header"). */
	header_end = 0x202u + (header.jump >> 8);
	if (header_end > SETUP_HEADER_OFFSET + sizeof(header))
		header_end = SETUP_HEADER_OFFSET + (uint32_t)sizeof(header);
	image->header_bytes = header_end - SETUP_HEADER_OFFSET;

	image->load_address = header.relocatable_kernel ? X86_KERNEL_START : header.pref_address;
	if (image->load_address < X86_KERNEL_START)
		return boot_refuse(why, "it wants to be loaded below 1 MiB");
	if (__builtin_add_overflow(header.pref_address, (uint64_t)header.init_size,
				   &image->init_size))
		return boot_refuse(why, "its preferred address and size wrap around");
	/*
	 * init_size counts from where the kernel ends up: the preferred address when it is loaded
	 * below that (boot.rst, init_size).
	 */
	if (header.pref_address > image->load_address)
		image->init_size -= image->load_address;
	else
		image->init_size = header.init_size;
	if (image->init_size < image->payload_bytes)
		image->init_size = image->payload_bytes;
	image->initrd_max = header.initrd_addr_max ? header.initrd_addr_max : 0x37ffffffu;
	if (header.xloadflags & XLF_CAN_BE_LOADED_ABOVE_4G)
		image->initrd_max = UINT64_MAX;
	image->cmdline_max = header.cmdline_size ? header.cmdline_size : 255;
	return 0;
}

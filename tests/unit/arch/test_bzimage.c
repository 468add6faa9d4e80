/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include <asm/bootparam.h>
#include <errno.h>
#include <string.h>

#include "arch/x86_64/boot.h"

#define FILE_BYTES (8u << 20)

static uint8_t head[4096];

static struct setup_header *header(void)
{
	return (struct setup_header *)(void *)(head + 0x1f1);
}

/* A header as a current Debian kernel has it. */
static void good(void)
{
	memset(head, 0, sizeof(head));
	header()->setup_sects = 27;
	header()->syssize = (FILE_BYTES - 28 * 512) / 16;
	header()->boot_flag = 0xaa55;
	header()->jump = 0x6aeb;
	header()->header = 0x53726448;
	header()->version = 0x020f;
	header()->loadflags = LOADED_HIGH;
	header()->initrd_addr_max = 0x7fffffff;
	header()->kernel_alignment = 0x200000;
	header()->relocatable_kernel = 1;
	header()->xloadflags = XLF_KERNEL_64 | XLF_CAN_BE_LOADED_ABOVE_4G;
	header()->cmdline_size = 2047;
	header()->pref_address = 0x1000000;
	header()->init_size = 0x2000000;
}

static int parse(uint64_t file_size, struct bzimage *image)
{
	const char *why = NULL;
	int result = bzimage_parse(head, sizeof(head), file_size, image, &why);

	if (result)
		cr_assert(why && *why, "a refusal says why");
	return result;
}

Test(bzimage, a_current_kernel)
{
	struct bzimage image;

	good();
	cr_assert_eq(parse(FILE_BYTES, &image), 0);
	cr_assert_eq(image.setup_bytes, 28 * 512);
	cr_assert_eq(image.load_address, 0x100000);
	/* From where it is loaded to the end of the preferred place. */
	cr_assert_eq(image.init_size, 0x1000000 + 0x2000000 - 0x100000);
	cr_assert_eq(image.payload_bytes, FILE_BYTES - 28 * 512);
	cr_assert_eq(image.cmdline_max, 2047);
	cr_assert_eq(image.initrd_max, UINT64_MAX);
	cr_assert_eq(image.header_bytes, 0x202 + 0x6a - 0x1f1);
}

Test(bzimage, old_kernels_limit_the_initrd)
{
	struct bzimage image;

	good();
	header()->xloadflags = XLF_KERNEL_64;
	cr_assert_eq(parse(FILE_BYTES, &image), 0);
	cr_assert_eq(image.initrd_max, 0x7fffffff);
}

Test(bzimage, refusals)
{
	struct bzimage image;

	good();
	header()->header = 0;
	cr_expect_eq(parse(FILE_BYTES, &image), -ENOEXEC, "no magic");
	good();
	header()->boot_flag = 0;
	cr_expect_eq(parse(FILE_BYTES, &image), -ENOEXEC, "no boot flag");
	good();
	header()->version = 0x020b;
	cr_expect_eq(parse(FILE_BYTES, &image), -ENOEXEC, "old protocol");
	good();
	header()->loadflags = 0;
	cr_expect_eq(parse(FILE_BYTES, &image), -ENOEXEC, "zImage");
	good();
	header()->xloadflags = 0;
	cr_expect_eq(parse(FILE_BYTES, &image), -ENOEXEC, "32-bit");
	good();
	cr_expect_eq(parse(FILE_BYTES - 16, &image), -ENOEXEC, "truncated by one paragraph");
	good();
	cr_expect_eq(parse(5000, &image), -ENOEXEC, "ends in the setup part");
	good();
	header()->syssize = 0;
	cr_expect_eq(parse(FILE_BYTES, &image), -ENOEXEC, "empty");
	good();
	header()->syssize = UINT32_MAX;
	cr_expect_eq(parse(FILE_BYTES, &image), -ENOEXEC, "syssize beyond the file");
	good();
	header()->pref_address = UINT64_MAX;
	cr_expect_eq(parse(FILE_BYTES, &image), -ENOEXEC, "wraps");
	good();
	header()->relocatable_kernel = 0;
	header()->pref_address = 0x10000;
	cr_expect_eq(parse(FILE_BYTES, &image), -ENOEXEC, "loads low");
}

Test(bzimage, every_short_length_is_refused)
{
	struct bzimage image;
	const char *why;

	good();
	for (size_t length = 0; length < 0x1f1 + sizeof(struct setup_header); length++)
		cr_assert_eq(bzimage_parse(head, length, FILE_BYTES, &image, &why), -ENOEXEC,
			     "%zu bytes", length);
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARCH_X86_64_BOOT_H
#define ARCH_X86_64_BOOT_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arch/arch.h"
#include "core/guest_memory.h"
#include "core/log.h"

/* How a kernel image wants to be started; told apart by content, never by name. */
enum boot_protocol {
	BOOT_LINUX_64, /* bzImage, 64-bit entry (Documentation/arch/x86/boot.rst, "64-bit Boot
			  Protocol") */
	BOOT_PVH,      /* ELF with the XEN_ELFNOTE_PHYS32_ENTRY note, 32-bit entry */
};

#define BOOT_ELF_MAGIC       "\177ELF"
#define BOOT_ELF_MAGIC_BYTES 4u

/* Why an image cannot be booted: the result of the parsers below. */
static inline int boot_refuse(const char **why, const char *reason)
{
	*why = reason;
	return -ENOEXEC;
}

/*
 * What the header of a bzImage says (struct setup_header), after all checks. Pure: bzimage_parse()
 * looks at the first
 * @length bytes of a file of @file_size bytes and returns 0, or -ENOEXEC with a reason in @why
 * (static storage).
 */
struct bzimage {
	uint32_t setup_bytes;   /* real-mode part: skipped in the file */
	uint64_t payload_bytes; /* protected-mode part: what is loaded */
	uint64_t load_address;
	uint64_t init_size;    /* bytes from load_address that must be RAM */
	uint64_t initrd_max;   /* highest address of the initrd's last byte */
	uint32_t cmdline_max;  /* without the final NUL */
	uint32_t header_bytes; /* valid bytes of setup_header, from file offset 0x1f1 */
};
int bzimage_parse(const void *head, size_t length, uint64_t file_size, struct bzimage *image,
		  const char **why);

/* One PT_LOAD segment of a PVH kernel, checked against the file. */
struct pvh_segment {
	uint64_t file_offset;
	uint64_t file_bytes;
	uint64_t gpa;
	uint64_t memory_bytes;
};
#define PVH_MAX_SEGMENTS 16u

struct pvh_image {
	uint32_t entry;
	uint32_t segment_count;
	struct pvh_segment segments[PVH_MAX_SEGMENTS];
	uint64_t end; /* first byte after the highest segment */
};

/* A file that is looked at. Its first bytes are there; the rest is read when it is needed. */
struct boot_file {
	const void *head;
	size_t head_bytes;
	uint64_t bytes; /* of the whole file */
	/* All of [offset, offset + length), which lies inside the file: 0, -ENODATA or -errno. */
	int (*read)(void *opaque, void *data, size_t length, uint64_t offset);
	void *opaque;
};

/* struct boot_file.read of a descriptor; @opaque is an int *. */
int boot_read(void *opaque, void *data, size_t length, uint64_t offset);

/*
 * pvh_parse() - an ELF kernel with a PVH entry: its segments, wherever its program headers are, and
 * its entry, in whichever of its PT_NOTE segments. Returns 0, -ENOEXEC with @why, -ENOMEM or what
 * reading gave.
 */
#define PVH_MAX_PROGRAMS 256u
#define PVH_NOTES_MAX    65536u
int pvh_parse(const struct boot_file *file, struct pvh_image *image, const char **why);
/* Looks for the 32-bit entry in the bytes of a PT_NOTE segment. Returns 1 with *@entry, 0 when it
 * is not among them, or -ENOEXEC with @why. */
int pvh_scan_notes(const void *notes, size_t length, uint32_t *entry, const char **why);

/* x86 COMMAND_LINE_SIZE without the NUL. */
#define BOOT_PVH_CMDLINE_MAX 2047u

struct boot_kernel {
	enum boot_protocol protocol;
	uint64_t entry;
	uint64_t end; /* first free byte after the kernel's own memory */
	uint64_t initrd_max;
	uint32_t cmdline_max;
	uint8_t setup_header[0x268 - 0x1f1]; /* bzImage: to be handed back in the zero page */
	uint32_t setup_header_bytes;
};

/*
 * boot_load_kernel() - recognise the image at @path and copy it into guest RAM.
 * Returns 0; -ENOEXEC (not a kernel that can be booted: 32-bit, truncated, corrupt, no PVH entry
 * ... the log says which and what to use instead); -ENOSPC (guest RAM too small, the log says how
 * much it needs); or the errno of open/read.
 */
int boot_load_kernel(struct guest_memory *memory, const char *path, const struct logger *logger,
		     struct boot_kernel *kernel);

/* Copies the initramfs to the highest place that the kernel allows. Returns 0, -EINVAL (empty),
 * -ENOSPC, errno. */
int boot_load_initrd(struct guest_memory *memory, const char *path,
		     const struct boot_kernel *kernel, const struct logger *logger, uint64_t *gpa,
		     uint64_t *bytes);

struct arch_kernel {
	struct boot_kernel image;
};

struct boot_memory_range {
	uint64_t base;
	uint64_t size;
	uint32_t type; /* E820 types */
};

struct boot_parameters {
	const char *cmdline; /* NULL: empty */
	uint64_t initrd_gpa;
	uint64_t initrd_bytes; /* 0: none */
	uint64_t rsdp_gpa;
	const struct boot_memory_range *ranges; /* at most 128, ascending */
	size_t range_count;
};

/*
 * boot_write_parameters() - command line, zero page or hvm_start_info, GDT and page tables into
 * guest RAM. Returns 0, -E2BIG (command line longer than the kernel takes), -EINVAL (too many
 * ranges), -EFAULT.
 */
int boot_write_parameters(struct guest_memory *memory, const struct boot_kernel *kernel,
			  const struct boot_parameters *parameters, const struct logger *logger);

#endif

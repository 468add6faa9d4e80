/* SPDX-License-Identifier: Apache-2.0 */
#include "arch/x86_64/boot.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arch/x86_64/layout.h"

#define XEN_ELFNOTE_PHYS32_ENTRY 18u /* xen/include/public/elfnote.h */

static int add_segment(struct pvh_image *image, const Elf64_Phdr *program, uint64_t file_size,
		       const char **why)
{
	struct pvh_segment *segment;
	uint64_t end;

	if (!program->p_memsz)
		return 0;
	if (image->segment_count == PVH_MAX_SEGMENTS)
		return boot_refuse(why, "it has more loadable segments than cxvm takes (16)");
	if (program->p_filesz > program->p_memsz)
		return boot_refuse(
			why, "a segment is longer in the file than in memory: the file is corrupt");
	if (program->p_offset > file_size || program->p_filesz > file_size - program->p_offset)
		return boot_refuse(why,
				   "it is truncated: a segment lies beyond the end of the file");
	if (__builtin_add_overflow(program->p_paddr, program->p_memsz, &end))
		return boot_refuse(why, "a segment's physical address wraps around");
	if (program->p_paddr < X86_KERNEL_START)
		return boot_refuse(why, "a segment loads below 1 MiB, where the boot data is");
	for (uint32_t i = 0; i < image->segment_count; i++) {
		const struct pvh_segment *other = &image->segments[i];

		if (program->p_paddr < other->gpa + other->memory_bytes && other->gpa < end)
			return boot_refuse(why,
					   "two segments overlap in memory: the file is corrupt");
	}
	segment = &image->segments[image->segment_count++];
	segment->file_offset = program->p_offset;
	segment->file_bytes = program->p_filesz;
	segment->gpa = program->p_paddr;
	segment->memory_bytes = program->p_memsz;
	if (end > image->end)
		image->end = end;
	return 0;
}

/* From the first bytes of the file, or from where they are. */
static int fetch(const struct boot_file *file, void *data, size_t length, uint64_t offset)
{
	if (offset > file->bytes || length > file->bytes - offset)
		return -ENODATA;
	if (offset <= file->head_bytes && length <= file->head_bytes - offset) {
		memcpy(data, (const uint8_t *)file->head + offset, length);
		return 0;
	}
	return file->read ? file->read(file->opaque, data, length, offset) : -ENODATA;
}

int pvh_scan_notes(const void *notes, size_t length, uint32_t *entry, const char **why)
{
	const uint8_t *bytes = notes;
	size_t at = 0;

	while (length - at >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr note;
		size_t name, descriptor;

		memcpy(&note, bytes + at, sizeof(note));
		at += sizeof(note);
		if (note.n_namesz > length || note.n_descsz > length)
			break;
		name = ((size_t)note.n_namesz + 3) & ~(size_t)3;
		descriptor = ((size_t)note.n_descsz + 3) & ~(size_t)3;
		if (name > length - at || descriptor > length - at - name)
			break;
		if (note.n_type == XEN_ELFNOTE_PHYS32_ENTRY && note.n_namesz == 4 &&
		    !memcmp(bytes + at, "Xen", 4)) {
			uint64_t value = 0;

			if (note.n_descsz != 4 && note.n_descsz != 8)
				return boot_refuse(why, "its PVH entry note has a wrong size");
			memcpy(&value, bytes + at + name, note.n_descsz);
			if (value > UINT32_MAX)
				return boot_refuse(why, "its PVH entry lies above 4 GiB");
			*entry = (uint32_t)value;
			return 1;
		}
		at += name + descriptor;
	}
	return 0;
}

/* One PT_NOTE segment, in full. As pvh_scan_notes(). */
static int read_notes(const struct boot_file *file, const Elf64_Phdr *program, uint32_t *entry,
		      const char **why)
{
	uint8_t *notes;
	int result;

	if (program->p_offset > file->bytes || program->p_filesz > file->bytes - program->p_offset)
		return boot_refuse(why,
				   "it is truncated: its notes lie beyond the end of the file");
	if (program->p_filesz > PVH_NOTES_MAX)
		return boot_refuse(why, "a note segment is longer than cxvm takes (64 KiB)");
	notes = malloc(program->p_filesz);
	if (!notes)
		return -ENOMEM;
	result = fetch(file, notes, program->p_filesz, program->p_offset);
	if (!result)
		result = pvh_scan_notes(notes, program->p_filesz, entry, why);
	free(notes);
	return result == -ENODATA ? boot_refuse(why, "it became shorter while it was read")
				  : result;
}

static int check_header(const struct boot_file *file, Elf64_Ehdr *header, const char **why)
{
	const uint8_t *head = file->head;

	if (file->head_bytes < EI_NIDENT || memcmp(head, ELFMAG, SELFMAG) != 0)
		return boot_refuse(why, "no ELF header");
	if (head[EI_CLASS] != ELFCLASS64)
		return boot_refuse(why, "it is a 32-bit ELF file; use an x86_64 kernel");
	if (file->head_bytes < sizeof(*header))
		return boot_refuse(why, "the file is shorter than an ELF header");
	memcpy(header, head, sizeof(*header));
	if (header->e_ident[EI_DATA] != ELFDATA2LSB || header->e_machine != EM_X86_64)
		return boot_refuse(
			why, "it is an ELF file for another architecture; use an x86_64 kernel");
	if (header->e_type != ET_EXEC && header->e_type != ET_DYN)
		return boot_refuse(why,
				   "it is not an executable ELF file (an object or a core file)");
	if (header->e_phentsize != sizeof(Elf64_Phdr) || !header->e_phnum)
		return boot_refuse(why, "it has no usable program headers");
	if (header->e_phnum > PVH_MAX_PROGRAMS)
		return boot_refuse(why, "it has more program headers than cxvm takes (256)");
	return 0;
}

int pvh_parse(const struct boot_file *file, struct pvh_image *image, const char **why)
{
	bool notes = false, found = false;
	Elf64_Ehdr header;
	int result;

	memset(image, 0, sizeof(*image));
	result = check_header(file, &header, why);
	for (uint32_t i = 0; i < header.e_phnum && !result; i++) {
		Elf64_Phdr program;
		uint64_t at;

		if (__builtin_add_overflow(header.e_phoff, i * sizeof(program), &at) ||
		    at > INT64_MAX)
			return boot_refuse(why,
					   "its program headers lie beyond the end of the file");
		result = fetch(file, &program, sizeof(program), at);
		if (result == -ENODATA)
			return boot_refuse(why, "it is truncated: its program headers lie beyond "
						"the end of the file");
		if (result)
			return result;
		if (program.p_type == PT_LOAD)
			result = add_segment(image, &program, file->bytes, why);
		if (program.p_type != PT_NOTE || !program.p_filesz || found)
			continue;
		notes = true;
		result = read_notes(file, &program, &image->entry, why);
		found = result > 0;
		if (found)
			result = 0;
	}
	if (result)
		return result;
	if (!image->segment_count)
		return boot_refuse(why, "it has no loadable segment");
	if (!found)
		return boot_refuse(why, notes ? "it has no PVH entry note; use a kernel with "
						"CONFIG_PVH or a bzImage"
					      : "it has no notes and so no PVH entry; use a kernel "
						"with CONFIG_PVH or a bzImage");
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "arch/x86_64/boot.h"

#include <elf.h>
#include <errno.h>
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

int pvh_parse_headers(const void *head, size_t length, uint64_t file_size, struct pvh_image *image,
		      uint64_t *note_offset, uint64_t *note_bytes, const char **why)
{
	Elf64_Ehdr header;

	memset(image, 0, sizeof(*image));
	*note_offset = 0;
	*note_bytes = 0;
	if (length < EI_NIDENT || memcmp(head, ELFMAG, SELFMAG) != 0)
		return boot_refuse(why, "no ELF header");
	if (((const uint8_t *)head)[EI_CLASS] != ELFCLASS64)
		return boot_refuse(why, "it is a 32-bit ELF file; use an x86_64 kernel");
	if (length < sizeof(header))
		return boot_refuse(why, "the file is shorter than an ELF header");
	memcpy(&header, head, sizeof(header));
	if (header.e_ident[EI_DATA] != ELFDATA2LSB || header.e_machine != EM_X86_64)
		return boot_refuse(
			why, "it is an ELF file for another architecture; use an x86_64 kernel");
	if (header.e_type != ET_EXEC && header.e_type != ET_DYN)
		return boot_refuse(why,
				   "it is not an executable ELF file (an object or a core file)");
	if (header.e_phentsize != sizeof(Elf64_Phdr) || !header.e_phnum)
		return boot_refuse(why, "it has no usable program headers");
	if (header.e_phoff > length ||
	    (uint64_t)header.e_phnum * sizeof(Elf64_Phdr) > length - header.e_phoff)
		return boot_refuse(
			why,
			"its program headers are not at the start of the file, or it is truncated");
	for (uint32_t i = 0; i < header.e_phnum; i++) {
		Elf64_Phdr program;
		int result;

		memcpy(&program, (const uint8_t *)head + header.e_phoff + i * sizeof(program),
		       sizeof(program));
		if (program.p_type == PT_NOTE && !*note_bytes && program.p_filesz) {
			if (program.p_offset > file_size ||
			    program.p_filesz > file_size - program.p_offset)
				return boot_refuse(why,
						   "it is truncated: its notes lie beyond the end "
						   "of the file");
			*note_offset = program.p_offset;
			*note_bytes = program.p_filesz;
		}
		if (program.p_type != PT_LOAD)
			continue;
		result = add_segment(image, &program, file_size, why);
		if (result)
			return result;
	}
	if (!image->segment_count)
		return boot_refuse(why, "it has no loadable segment");
	if (!*note_bytes)
		return boot_refuse(why, "it has no notes and so no PVH entry; use a kernel with "
					"CONFIG_PVH or a bzImage");
	return 0;
}

int pvh_parse_notes(const void *notes, size_t length, uint32_t *entry, const char **why)
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
			return 0;
		}
		at += name + descriptor;
	}
	return boot_refuse(why,
			   "it has no PVH entry note; use a kernel with CONFIG_PVH or a bzImage");
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include <elf.h>
#include <errno.h>
#include <string.h>

#include "arch/x86_64/boot.h"

#define FILE_BYTES 0x800000u

static union {
	uint8_t bytes[4096];
	Elf64_Ehdr header;
} file;

static Elf64_Phdr *program(unsigned int index)
{
	return (Elf64_Phdr *)(void *)(file.bytes + sizeof(Elf64_Ehdr)) + index;
}

static const uint8_t entry_note[] = {
	4, 0, 0, 0, 4, 0, 0, 0, 6,  0, 0, 0, 'X', 'e', 'n', 0, 1,    2, 3, 4, /* another note first
									       */
	4, 0, 0, 0, 8, 0, 0, 0, 18, 0, 0, 0, 'X', 'e', 'n', 0, 0x50, 0, 0, 1, 0, 0, 0, 0,
};

/* What lies behind the first page of the file. */
static struct {
	uint64_t at;
	const void *bytes;
	size_t length;
} far[4];
static unsigned int reads;

static int read_far(void *opaque, void *data, size_t length, uint64_t offset)
{
	(void)opaque;
	reads++;
	memset(data, 0, length);
	for (unsigned int i = 0; i < 4; i++)
		if (far[i].bytes && offset >= far[i].at && offset < far[i].at + far[i].length) {
			size_t part = (size_t)(far[i].at + far[i].length - offset);

			memcpy(data, (const uint8_t *)far[i].bytes + (offset - far[i].at),
			       part < length ? part : length);
		}
	return 0;
}

static void good(void)
{
	memset(&file, 0, sizeof(file));
	memcpy(file.header.e_ident, ELFMAG, SELFMAG);
	file.header.e_ident[EI_CLASS] = ELFCLASS64;
	file.header.e_ident[EI_DATA] = ELFDATA2LSB;
	file.header.e_type = ET_EXEC;
	file.header.e_machine = EM_X86_64;
	file.header.e_phoff = sizeof(Elf64_Ehdr);
	file.header.e_phentsize = sizeof(Elf64_Phdr);
	file.header.e_phnum = 3;
	*program(0) = (Elf64_Phdr){.p_type = PT_LOAD,
				   .p_offset = 0x200000,
				   .p_paddr = 0x1000000,
				   .p_filesz = 0x100000,
				   .p_memsz = 0x180000};
	*program(1) = (Elf64_Phdr){.p_type = PT_LOAD,
				   .p_offset = 0x400000,
				   .p_paddr = 0x1200000,
				   .p_filesz = 0x1000,
				   .p_memsz = 0x1000};
	*program(2) = (Elf64_Phdr){.p_type = PT_NOTE, .p_offset = 0x401000, .p_filesz = 0x100};
	memset(far, 0, sizeof(far));
	far[0].at = 0x401000;
	far[0].bytes = entry_note;
	far[0].length = sizeof(entry_note);
	reads = 0;
}

static int parse(struct pvh_image *image)
{
	const struct boot_file whole = {.head = file.bytes,
					.head_bytes = sizeof(file),
					.bytes = FILE_BYTES,
					.read = read_far};
	const char *why = NULL;
	int result = pvh_parse(&whole, image, &why);

	if (result)
		cr_assert(why && *why);
	return result;
}

Test(pvh, a_good_file)
{
	struct pvh_image image;

	good();
	cr_assert_eq(parse(&image), 0);
	cr_assert_eq(image.segment_count, 2);
	cr_assert_eq(image.end, 0x1201000);
	cr_assert_eq(image.segments[0].memory_bytes, 0x180000);
}

#define REFUSED(change)                                                                            \
	do {                                                                                       \
		struct pvh_image image;                                                            \
                                                                                                   \
		good();                                                                            \
		change;                                                                            \
		cr_expect_eq(parse(&image), -ENOEXEC, "%s", #change);                              \
	} while (0)

Test(pvh, refusals)
{
	REFUSED(file.header.e_ident[EI_CLASS] = ELFCLASS32);
	REFUSED(file.header.e_machine = EM_AARCH64);
	REFUSED(file.header.e_type = ET_REL);
	REFUSED(file.header.e_phnum = 0);
	REFUSED(file.header.e_phnum = 0xffff);
	REFUSED(file.header.e_phoff = UINT64_MAX);
	REFUSED(file.header.e_phentsize = 32);
	REFUSED(program(0)->p_offset = FILE_BYTES);
	REFUSED(program(0)->p_filesz = UINT64_MAX);
	REFUSED(program(0)->p_filesz = program(0)->p_memsz + 1);
	REFUSED(program(0)->p_paddr = UINT64_MAX - 10);
	REFUSED(program(0)->p_paddr = 0x8000);
	REFUSED(program(1)->p_paddr = 0x1100000);
	REFUSED(program(2)->p_offset = FILE_BYTES - 1);
	REFUSED(program(2)->p_type = PT_NULL);
	REFUSED(program(0)->p_type = program(1)->p_type = PT_NULL);
}

/* Linkers put the program headers at the end, and notes of other kinds first. */
Test(pvh, headers_and_notes_lie_anywhere)
{
	static const uint8_t other[] = {4, 0, 0,   0,   4,   0, 0, 0, 6, 0,
					0, 0, 'G', 'N', 'U', 0, 1, 2, 3, 4};
	static uint8_t large[20000];
	static Elf64_Phdr table[5];
	struct pvh_image image;

	good();
	cr_assert_eq(parse(&image), 0);
	cr_expect_eq(image.entry, 0x01000050u);
	cr_expect_eq(reads, 1u, "the first page is there already");
	memcpy(table, program(0), 3 * sizeof(table[0]));
	/* The entry is behind 19 KiB of another note, in the third of three segments. */
	memset(large, 0, sizeof(large));
	large[0] = 4;
	large[4] = 0x00;
	large[5] = 0x4b;
	memcpy(large + 12, "GNU", 4);
	memcpy(large + 16 + 0x4b00, entry_note, sizeof(entry_note));
	table[2] = (Elf64_Phdr){.p_type = PT_NOTE, .p_offset = 0x500000, .p_filesz = sizeof(other)};
	table[3] = (Elf64_Phdr){.p_type = PT_NOTE, .p_offset = 0x501000, .p_filesz = 0};
	table[4] = (Elf64_Phdr){.p_type = PT_NOTE, .p_offset = 0x502000, .p_filesz = sizeof(large)};
	file.header.e_phoff = 0x700000;
	file.header.e_phnum = 5;
	far[0].bytes = table;
	far[0].at = 0x700000;
	far[0].length = sizeof(table);
	far[1].at = 0x500000;
	far[1].bytes = other;
	far[1].length = sizeof(other);
	far[2].at = 0x502000;
	far[2].bytes = large;
	far[2].length = sizeof(large);
	memset(program(0), 0, 3 * sizeof(table[0]));
	cr_assert_eq(parse(&image), 0);
	cr_expect_eq(image.entry, 0x01000050u);
	cr_expect_eq(image.segment_count, 2u);
	/* Bounded, and said so. */
	table[4].p_filesz = PVH_NOTES_MAX + 1;
	cr_expect_eq(parse(&image), -ENOEXEC);
	table[4].p_type = PT_NULL;
	cr_expect_eq(parse(&image), -ENOEXEC, "no entry");
	file.header.e_phoff = FILE_BYTES - 100;
	cr_expect_eq(parse(&image), -ENOEXEC, "headers beyond the end");
}

/* A kernel with these notes only. */
static int pvh_parse_notes(const void *notes, size_t length, uint32_t *entry, const char **why)
{
	int found = pvh_scan_notes(notes, length, entry, why);

	return found > 0 ? 0 : -ENOEXEC;
}

Test(pvh, finds_the_entry_note)
{
	uint32_t entry = 0;
	const char *why;

	cr_assert_eq(pvh_parse_notes(entry_note, sizeof(entry_note), &entry, &why), 0);
	cr_assert_eq(entry, 0x01000050);
}

Test(pvh, hostile_notes)
{
	uint8_t notes[sizeof(entry_note)];
	uint32_t entry;
	const char *why;

	for (size_t length = 0; length < sizeof(entry_note); length++)
		cr_expect_eq(pvh_parse_notes(entry_note, length, &entry, &why), -ENOEXEC,
			     "cut at %zu", length);
	memcpy(notes, entry_note, sizeof(notes));
	memset(notes, 0xff, 8); /* name and descriptor of 4 GiB */
	cr_expect_eq(pvh_parse_notes(notes, sizeof(notes), &entry, &why), -ENOEXEC);
	memcpy(notes, entry_note, sizeof(notes));
	notes[24] = 5; /* descriptor size */
	cr_expect_eq(pvh_parse_notes(notes, sizeof(notes), &entry, &why), -ENOEXEC);
	memcpy(notes, entry_note, sizeof(notes));
	notes[sizeof(notes) - 1] = 1; /* above 4 GiB */
	cr_expect_eq(pvh_parse_notes(notes, sizeof(notes), &entry, &why), -ENOEXEC);
}

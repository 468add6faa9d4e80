/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-fw/acpi/aml.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct fixture {
	uint8_t data[8192];
	struct byte_writer writer;
	struct aml_builder aml;
};

static struct aml_builder *start(struct fixture *f)
{
	bytes_init_fixed(&f->writer, f->data, sizeof(f->data));
	aml_init(&f->aml, &f->writer);
	return &f->aml;
}

#define EXPECT(fixture, ...)                                                                       \
	do {                                                                                       \
		const uint8_t want_[] = {__VA_ARGS__};                                             \
		cr_assert_eq(aml_finish(&(fixture)->aml), 0);                                      \
		cr_assert_eq((fixture)->writer.length, sizeof(want_), "%zu bytes, not %zu",        \
			     (fixture)->writer.length, sizeof(want_));                             \
		for (size_t i_ = 0; i_ < sizeof(want_); i_++)                                      \
			cr_assert_eq((fixture)->data[i_], want_[i_], "byte %zu is %#x, not %#x",   \
				     i_, (fixture)->data[i_], want_[i_]);                          \
	} while (0)

Test(aml, integers_take_the_shortest_form)
{
	struct fixture f;
	struct aml_builder *aml = start(&f);

	aml_integer(aml, 0);
	aml_integer(aml, 1);
	aml_integer(aml, 2);
	aml_integer(aml, 0xff);
	aml_integer(aml, 0x100);
	aml_integer(aml, 0xffff);
	aml_integer(aml, 0x10000);
	aml_integer(aml, 0xffffffff);
	aml_integer(aml, 0x100000000);
	aml_integer(aml, UINT64_MAX);
	EXPECT(&f, 0x00, 0x01, 0x0a, 0x02, 0x0a, 0xff, 0x0b, 0x00, 0x01, 0x0b, 0xff, 0xff, 0x0c,
	       0x00, 0x00, 0x01, 0x00, 0x0c, 0xff, 0xff, 0xff, 0xff, 0x0e, 0x00, 0x00, 0x00, 0x00,
	       0x01, 0x00, 0x00, 0x00, 0xff);
}

Test(aml, names)
{
	struct fixture f;
	struct aml_builder *aml = start(&f);

	aml_path(aml, "A");
	aml_path(aml, "\\_SB");
	aml_path(aml, "^^PCI0.CRS");
	aml_path(aml, "\\_SB.PC00.S01_");
	aml_path(aml, "\\");
	EXPECT(&f, 'A', '_', '_', '_', '\\', '_', 'S', 'B', '_', '^', '^', 0x2e, 'P', 'C', 'I', '0',
	       'C', 'R', 'S', '_', '\\', 0x2f, 3, '_', 'S', 'B', '_', 'P', 'C', '0', '0', 'S', '0',
	       '1', '_', '\\', 0x00);
}

Test(aml, malformed_names_are_refused)
{
	static const char *const bad[] = {"",     "a",    "1AB",  "ABCDE",
					  "AB.",  ".AB",  "A..B", "A B",
					  "\\.A", "^A^B", "\\A.", "A.B.C.D.E.F.G.H.I"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct fixture f;
		struct aml_builder *aml = start(&f);

		aml_integer(aml, 5);
		aml_path(aml, bad[i]);
		cr_assert_eq(aml_finish(aml), -EINVAL, "\"%s\"", bad[i]);
	}
}

/* Build a Scope whose whole package (length bytes included) has @total bytes. */
static size_t scope_of(struct fixture *f, size_t total, size_t length_bytes)
{
	struct aml_builder *aml = start(f);

	aml_begin_scope(aml, "ABCD");
	for (size_t i = 0; i < total - length_bytes - 4; i++)
		aml_integer(aml, 0);
	aml_end(aml);
	cr_assert_eq(aml_finish(aml), 0);
	cr_assert_eq(f->writer.length, 1 + total);
	cr_assert_eq(memcmp(f->data + 1 + length_bytes, "ABCD", 4), 0);
	return f->writer.length;
}

Test(aml, package_length_boundaries)
{
	struct fixture f;

	scope_of(&f, 63, 1);
	cr_assert_eq(f.data[1], 0x3f);
	scope_of(&f, 65, 2); /* 64 exists only with a wasted byte: 62 + 1 = 63, 63 + 2 = 65 */
	cr_assert_eq(f.data[1], 0x41);
	cr_assert_eq(f.data[2], 0x04);
	scope_of(&f, 66, 2);
	cr_assert_eq(f.data[1], 0x42);
	cr_assert_eq(f.data[2], 0x04);
	scope_of(&f, 4095, 2);
	cr_assert_eq(f.data[1], 0x4f);
	cr_assert_eq(f.data[2], 0xff);
	scope_of(&f, 4097, 3);
	cr_assert_eq(f.data[1], 0x81);
	cr_assert_eq(f.data[2], 0x00);
	cr_assert_eq(f.data[3], 0x01);
	scope_of(&f, 4098, 3);
	cr_assert_eq(f.data[1], 0x82);
	cr_assert_eq(f.data[2], 0x00);
	cr_assert_eq(f.data[3], 0x01);
}

/* The lengths of a field count bits and not themselves: 63, 64, 4095 and 4096 are all exact. */
Test(aml, field_width_boundaries)
{
	struct fixture f;
	struct aml_builder *aml = start(&f);

	aml_begin_field(aml, "REG", AML_ACCESS_DWORD);
	aml_field_unit(aml, "A", 63);
	aml_field_unit(aml, NULL, 64);
	aml_field_unit(aml, "B", 4095);
	aml_field_unit(aml, "C", 4096);
	aml_field_unit(aml, NULL, 0x0fffffff);
	aml_end(aml);
	EXPECT(&f, 0x5b, 0x81, 32, 'R', 'E', 'G', '_', 3, 'A', '_', '_', '_', 0x3f, 0x00, 0x40,
	       0x04, 'B', '_', '_', '_', 0x4f, 0xff, 'C', '_', '_', '_', 0x80, 0x00, 0x01, 0x00,
	       0xcf, 0xff, 0xff, 0xff);
	aml = start(&f);
	aml_begin_field(aml, "REG", AML_ACCESS_ANY);
	aml_field_unit(aml, "A", 0x10000000);
	aml_end(aml);
	cr_assert_eq(aml_finish(aml), -EINVAL);
}

Test(aml, large_package_needs_four_length_bytes)
{
	struct byte_writer writer;
	struct aml_builder aml;
	const size_t zeros = 0x100000;
	static uint8_t data[0x110000];

	bytes_init_fixed(&writer, data, sizeof(data));
	aml_init(&aml, &writer);
	aml_begin_scope(&aml, "\\_SB");
	for (size_t i = 0; i < zeros; i++)
		aml_integer(&aml, 0);
	aml_end(&aml);
	cr_assert_eq(aml_finish(&aml), 0);
	/* 4 length bytes, 5 of the name */
	cr_assert_eq(writer.length, 1 + 4 + 5 + zeros);
	cr_assert_eq(writer.data[1], 0xc0 | ((zeros + 9) & 0xf));
	cr_assert_eq(writer.data[2], (zeros + 9) >> 4 & 0xff);
	cr_assert_eq(writer.data[3], (zeros + 9) >> 12 & 0xff);
	cr_assert_eq(writer.data[4], (zeros + 9) >> 20 & 0xff);
}

Test(aml, device_method_and_statements)
{
	struct fixture f;
	struct aml_builder *aml = start(&f);

	aml_begin_device(aml, "DEV0");
	aml_name_eisa_id(aml, "_HID", "PNP0A08");
	aml_name_string(aml, "_STR", "hi");
	aml_begin_method(aml, "_FOO", 2, true);
	aml_begin_if(aml);
	aml_operator(aml, AML_EQUAL);
	aml_argument(aml, 1);
	aml_integer(aml, 5);
	aml_operator(aml, AML_STORE);
	aml_argument(aml, 0);
	aml_local(aml, 7);
	aml_end(aml);
	aml_begin_else(aml);
	aml_operator(aml, AML_RETURN);
	aml_integer(aml, 0);
	aml_end(aml);
	aml_end(aml);
	aml_end(aml);
	EXPECT(&f, 0x5b, 0x82, 44, 'D', 'E', 'V', '0', 0x08, '_', 'H', 'I', 'D', 0x0c, 0x41, 0xd0,
	       0x0a, 0x08, 0x08, '_', 'S', 'T', 'R', 0x0d, 'h', 'i', 0, 0x14, 19, '_', 'F', 'O',
	       'O', 0x0a, 0xa0, 8, 0x93, 0x69, 0x0a, 0x05, 0x70, 0x68, 0x67, 0xa1, 3, 0xa4, 0x00);
}

Test(aml, packages_buffers_and_uuids)
{
	struct fixture f;
	struct aml_builder *aml = start(&f);
	const uint8_t raw[] = {0xaa, 0xbb};

	aml_begin_package(aml, 2);
	aml_buffer(aml, raw, sizeof(raw));
	aml_uuid(aml, "00112233-4455-6677-8899-aabbccddeeff");
	aml_end(aml);
	EXPECT(&f, 0x12, 28, 2, 0x11, 5, 0x0a, 2, 0xaa, 0xbb, 0x11, 19, 0x0a, 16, 0x33, 0x22, 0x11,
	       0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff);
	aml = start(&f);
	aml_buffer(aml, raw, 0);
	EXPECT(&f, 0x11, 2, 0x00);
}

Test(aml, regions_and_dword_fields)
{
	struct fixture f;
	struct aml_builder *aml = start(&f);

	aml_operation_region(aml, "REG", AML_REGION_SYSTEM_IO, 0x604, 4);
	aml_create_dword_field(aml, 3, 8, "CDW3");
	EXPECT(&f, 0x5b, 0x80, 'R', 'E', 'G', '_', 1, 0x0b, 0x04, 0x06, 0x0a, 4, 0x8a, 0x6b, 0x0a,
	       8, 'C', 'D', 'W', '3');
}

Test(aml, resources)
{
	struct fixture f;
	struct aml_builder *aml = start(&f);

	aml_begin_resources(aml);
	aml_memory32_fixed(aml, 0xe0000000, 0x10000000);
	aml_io(aml, 0x3f8, 8);
	aml_interrupt(aml, 4, true, false);
	aml_interrupt(aml, 16, false, true);
	aml_end_resources(aml);
	EXPECT(&f, 0x11, 43, 0x0a, 40, /* Memory32Fixed */ 0x86, 9, 0, 1, 0, 0, 0, 0xe0, 0, 0, 0,
	       0x10, /* IO */ 0x47, 1, 0xf8, 0x03, 0xf8, 0x03, 1, 8,
	       /* Interrupt */ 0x89, 6, 0, 0x03, 1, 4, 0, 0, 0, 0x89, 6, 0, 0x05, 1, 16, 0, 0, 0,
	       /* EndTag */ 0x79, 0);

	aml = start(&f);
	aml_word_bus_number(aml, 0x10, 0x1f);
	aml_dword_io(aml, 0, 0xcf8);
	aml_dword_memory(aml, AML_NON_CACHEABLE, 0xc0000000, 0x20000000);
	aml_qword_memory(aml, AML_PREFETCHABLE, 0x1000000000, 0x40000000);
	EXPECT(&f, 0x88, 0x0d, 0, 2, 0x0c, 0, 0, 0, 0x10, 0, 0x1f, 0, 0, 0, 0x10, 0,
	       /* DWordIO */ 0x87, 0x17, 0, 1, 0x0c, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0xf7, 0x0c, 0, 0, 0,
	       0, 0, 0, 0xf8, 0x0c, 0, 0,
	       /* DWordMemory */ 0x87, 0x17, 0, 0, 0x0c, 1, 0, 0, 0, 0, 0, 0, 0, 0xc0, 0xff, 0xff,
	       0xff, 0xdf, 0, 0, 0, 0, 0, 0, 0, 0x20,
	       /* QWordMemory */ 0x8a, 0x2b, 0, 0, 0x0c, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	       0x10, 0, 0, 0, 0xff, 0xff, 0xff, 0x3f, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	       0, 0x40, 0, 0, 0, 0);
}

static void bad_value(struct aml_builder *aml, unsigned int which)
{
	switch (which) {
	case 0:
		aml_argument(aml, 7);
		break;
	case 1:
		aml_local(aml, 8);
		break;
	case 2:
		aml_eisa_id(aml, "PNP0A0");
		break;
	case 3:
		aml_eisa_id(aml, "pnp0A08");
		break;
	case 4:
		aml_eisa_id(aml, "PNP0A0G");
		break;
	case 5:
		aml_uuid(aml, "00112233-4455-6677-8899-aabbccddeef");
		break;
	case 6:
		aml_uuid(aml, "00112233-4455-6677-8899-aabbccddeefg");
		break;
	case 7:
		aml_uuid(aml, "00112233x4455-6677-8899-aabbccddeeff");
		break;
	case 8:
		aml_string(aml, "caf\xc3\xa9");
		break;
	case 9:
		aml_begin_method(aml, "FOO", 8, false);
		aml_end(aml);
		break;
	case 10:
		aml_memory32_fixed(aml, 0xffffffff, 2);
		break;
	case 11:
		aml_memory32_fixed(aml, 0, 0);
		break;
	case 12:
		aml_qword_memory(aml, AML_CACHEABLE, UINT64_MAX, 2);
		break;
	case 13:
		aml_dword_io(aml, 1, UINT64_C(1) << 32);
		break;
	case 14:
		aml_word_bus_number(aml, 2, 1);
		break;
	case 15:
		aml_io(aml, 0xffff, 2);
		break;
	case 16:
		aml_end(aml); /* nothing is open */
		break;
	case 17:
		aml_begin_if(aml); /* never closed */
		break;
	case 18:
		for (unsigned int i = 0; i <= AML_DEPTH_MAX; i++)
			aml_begin_package(aml, 1);
		for (unsigned int i = 0; i <= AML_DEPTH_MAX; i++)
			aml_end(aml);
		break;
	default:
		cr_assert_fail("no such case");
	}
}

Test(aml, values_that_do_not_fit_are_refused)
{
	for (unsigned int i = 0; i <= 18; i++) {
		struct fixture f;
		struct aml_builder *aml = start(&f);

		bad_value(aml, i);
		cr_assert_eq(aml_finish(aml), -EINVAL, "case %u", i);
	}
}

static void nested(struct aml_builder *aml)
{
	aml_begin_scope(aml, "\\_SB");
	for (unsigned int i = 0; i < 20; i++) {
		aml_begin_device(aml, "DEV");
		aml_name(aml, "_CRS");
		aml_begin_resources(aml);
		aml_io(aml, 0x70, 2);
		aml_end_resources(aml);
		aml_end(aml);
	}
	aml_end(aml);
}

/* Whatever the capacity: the size needed is right, and nothing behind the buffer is touched. */
Test(aml, a_short_buffer_reports_the_size_needed)
{
	struct fixture f;
	struct aml_builder *aml = start(&f);
	size_t needed;

	nested(aml);
	cr_assert_eq(aml_finish(aml), 0);
	needed = f.writer.length;
	for (size_t capacity = 0; capacity <= needed; capacity++) {
		uint8_t *data = malloc(needed + 16);
		struct byte_writer writer;
		struct aml_builder tight;

		memset(data, 0x5a, needed + 16);
		bytes_init_fixed(&writer, data, capacity);
		aml_init(&tight, &writer);
		nested(&tight);
		cr_assert_eq(aml_finish(&tight), capacity == needed ? 0 : -ENOSPC);
		cr_assert_eq(writer.length, needed);
		for (size_t i = capacity; i < needed + 16; i++)
			cr_assert_eq(data[i], 0x5a);
		if (capacity == needed)
			cr_assert_eq(memcmp(data, f.data, needed), 0);
		free(data);
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-fw/acpi/aml.h"

#include <errno.h>
#include <string.h>

/* Opcodes that the functions below write themselves (ACPI 6.5, 20.3). */
enum {
	AML_ZERO = 0x00,
	AML_ONE = 0x01,
	AML_NAME = 0x08,
	AML_BYTE_PREFIX = 0x0a,
	AML_WORD_PREFIX = 0x0b,
	AML_DWORD_PREFIX = 0x0c,
	AML_STRING_PREFIX = 0x0d,
	AML_QWORD_PREFIX = 0x0e,
	AML_SCOPE = 0x10,
	AML_BUFFER = 0x11,
	AML_PACKAGE = 0x12,
	AML_METHOD = 0x14,
	AML_DUAL_NAME_PREFIX = 0x2e,
	AML_MULTI_NAME_PREFIX = 0x2f,
	AML_EXT_PREFIX = 0x5b,
	AML_EXT_OPERATION_REGION = 0x80,
	AML_EXT_FIELD = 0x81,
	AML_EXT_DEVICE = 0x82,
	AML_LOCAL0 = 0x60,
	AML_ARG0 = 0x68,
	AML_CREATE_DWORD_FIELD = 0x8a,
	AML_IF = 0xa0,
	AML_ELSE = 0xa1,
	AML_ONES = 0xff,
};

#define AML_PACKAGE_LENGTH_MAX 0x0fffffffu

void aml_init(struct aml_builder *builder, struct byte_writer *writer)
{
	*builder = (struct aml_builder){.writer = writer};
}

int aml_finish(struct aml_builder *builder)
{
	if (builder->depth)
		bytes_fail(builder->writer, -EINVAL);
	return builder->writer->error;
}

static void aml_u8(struct aml_builder *builder, unsigned int value)
{
	bytes_u8(builder->writer, (uint8_t)value);
}

void aml_bytes(struct aml_builder *builder, const void *data, size_t size)
{
	bytes_copy(builder->writer, data, size);
}

static bool aml_name_character(char c, bool first)
{
	return (c >= 'A' && c <= 'Z') || c == '_' || (!first && c >= '0' && c <= '9');
}

/* One segment of @path, padded to four characters; returns the characters taken, 0 if malformed. */
static size_t aml_segment(const char *path, char segment[4])
{
	size_t size = 0;

	memset(segment, '_', 4);
	while (path[size] && path[size] != '.') {
		if (size == 4 || !aml_name_character(path[size], size == 0))
			return 0;
		segment[size] = path[size];
		size++;
	}
	return size;
}

void aml_path(struct aml_builder *builder, const char *path)
{
	char segments[8][4];
	unsigned int count = 0;
	bool prefixed = *path == '\\' || *path == '^';

	if (*path == '\\')
		aml_u8(builder, (unsigned char)*path++);
	else
		while (*path == '^')
			aml_u8(builder, (unsigned char)*path++);
	for (;;) {
		size_t size = count < 8 ? aml_segment(path, segments[count]) : 0;

		if (!size) {
			/* A lone root or parent prefix is a name; everything else is malformed. */
			if (count || *path || !prefixed)
				bytes_fail(builder->writer, -EINVAL);
			aml_u8(builder, AML_ZERO);
			return;
		}
		count++;
		path += size;
		if (*path == '\0')
			break;
		path++;
	}
	if (count == 2) {
		aml_u8(builder, AML_DUAL_NAME_PREFIX);
	} else if (count > 2) {
		aml_u8(builder, AML_MULTI_NAME_PREFIX);
		aml_u8(builder, count);
	}
	aml_bytes(builder, segments, (size_t)count * 4);
}

/* PkgLength (20.2.4) for @value; @self: the value counts the encoding's own bytes. */
static size_t aml_package_length(size_t value, bool self, uint8_t bytes[4])
{
	size_t extra, total;

	if (value + (self ? 1 : 0) <= 0x3f) {
		bytes[0] = (uint8_t)(value + (self ? 1 : 0));
		return 1;
	}
	for (extra = 1; extra <= 3; extra++) {
		total = value + (self ? extra + 1 : 0);
		if (total < (size_t)1 << (4 + 8 * extra))
			break;
	}
	if (extra > 3)
		return 0;
	bytes[0] = (uint8_t)(extra << 6 | (total & 0xf));
	for (size_t i = 0; i < extra; i++)
		bytes[1 + i] = (uint8_t)(total >> (4 + 8 * i));
	return 1 + extra;
}

static void aml_open(struct aml_builder *builder, bool buffer)
{
	if (builder->depth == AML_DEPTH_MAX) {
		bytes_fail(builder->writer, -EINVAL);
		return;
	}
	builder->frames[builder->depth++] = (struct aml_frame){
		.start = builder->writer->length,
		.buffer = buffer,
	};
}

/* The shortest encoding of @value (20.2.3); 9 bytes at most. */
static size_t aml_encode_integer(uint64_t value, uint8_t bytes[9])
{
	size_t size;

	if (value <= 1) {
		bytes[0] = value ? AML_ONE : AML_ZERO;
		return 1;
	}
	if (value == UINT64_MAX) {
		bytes[0] = AML_ONES;
		return 1;
	}
	if (value <= UINT8_MAX) {
		bytes[0] = AML_BYTE_PREFIX;
		size = 1;
	} else if (value <= UINT16_MAX) {
		bytes[0] = AML_WORD_PREFIX;
		size = 2;
	} else if (value <= UINT32_MAX) {
		bytes[0] = AML_DWORD_PREFIX;
		size = 4;
	} else {
		bytes[0] = AML_QWORD_PREFIX;
		size = 8;
	}
	for (size_t i = 0; i < size; i++)
		bytes[1 + i] = (uint8_t)(value >> (8 * i));
	return 1 + size;
}

void aml_end(struct aml_builder *builder)
{
	struct byte_writer *writer = builder->writer;
	const struct aml_frame *frame;
	uint8_t bytes[9];
	size_t size;

	if (!builder->depth) {
		bytes_fail(writer, -EINVAL);
		return;
	}
	frame = &builder->frames[--builder->depth];
	if (frame->buffer) {
		size = aml_encode_integer(writer->length - frame->start, bytes);
		bytes_insert(writer, frame->start, bytes, size);
	}
	size = aml_package_length(writer->length - frame->start, true, bytes);
	if (!size)
		bytes_fail(writer, -EINVAL);
	bytes_insert(writer, frame->start, bytes, size);
}

void aml_begin_scope(struct aml_builder *builder, const char *path)
{
	aml_u8(builder, AML_SCOPE);
	aml_open(builder, false);
	aml_path(builder, path);
}

void aml_begin_device(struct aml_builder *builder, const char *path)
{
	aml_u8(builder, AML_EXT_PREFIX);
	aml_u8(builder, AML_EXT_DEVICE);
	aml_open(builder, false);
	aml_path(builder, path);
}

void aml_begin_method(struct aml_builder *builder, const char *path, unsigned int arguments,
		      bool serialized)
{
	if (arguments > 7)
		bytes_fail(builder->writer, -EINVAL);
	aml_u8(builder, AML_METHOD);
	aml_open(builder, false);
	aml_path(builder, path);
	aml_u8(builder, (arguments & 7) | (serialized ? 8 : 0));
}

void aml_begin_package(struct aml_builder *builder, uint8_t elements)
{
	aml_u8(builder, AML_PACKAGE);
	aml_open(builder, false);
	aml_u8(builder, elements);
}

void aml_begin_buffer(struct aml_builder *builder)
{
	aml_u8(builder, AML_BUFFER);
	aml_open(builder, true);
}

void aml_begin_if(struct aml_builder *builder)
{
	aml_u8(builder, AML_IF);
	aml_open(builder, false);
}

void aml_begin_else(struct aml_builder *builder)
{
	aml_u8(builder, AML_ELSE);
	aml_open(builder, false);
}

void aml_name(struct aml_builder *builder, const char *path)
{
	aml_u8(builder, AML_NAME);
	aml_path(builder, path);
}

void aml_name_integer(struct aml_builder *builder, const char *path, uint64_t value)
{
	aml_name(builder, path);
	aml_integer(builder, value);
}

void aml_name_string(struct aml_builder *builder, const char *path, const char *value)
{
	aml_name(builder, path);
	aml_string(builder, value);
}

void aml_name_eisa_id(struct aml_builder *builder, const char *path, const char *id)
{
	aml_name(builder, path);
	aml_eisa_id(builder, id);
}

void aml_integer(struct aml_builder *builder, uint64_t value)
{
	uint8_t bytes[9];

	aml_bytes(builder, bytes, aml_encode_integer(value, bytes));
}

void aml_string(struct aml_builder *builder, const char *value)
{
	for (const char *c = value; *c; c++)
		if ((unsigned char)*c > 0x7f)
			bytes_fail(builder->writer, -EINVAL);
	aml_u8(builder, AML_STRING_PREFIX);
	aml_bytes(builder, value, strlen(value) + 1);
}

static int aml_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* EISA ID (19.3.4): three letters of five bits and four hex digits, most significant byte first. */
void aml_eisa_id(struct aml_builder *builder, const char *id)
{
	uint32_t value = 0;
	bool valid = strlen(id) == 7;

	for (unsigned int i = 0; valid && i < 3; i++) {
		valid = id[i] >= 'A' && id[i] <= 'Z';
		value = value << 5 | (uint32_t)(id[i] - 'A' + 1);
	}
	for (unsigned int i = 3; valid && i < 7; i++) {
		int digit = aml_hex_digit(id[i]);

		valid = digit >= 0;
		value = value << 4 | ((uint32_t)digit & 0xf);
	}
	if (!valid)
		bytes_fail(builder->writer, -EINVAL);
	aml_u8(builder, AML_DWORD_PREFIX);
	bytes_u32(builder->writer, __builtin_bswap32(value));
}

/* ToUUID (19.6.142): the first three groups are little-endian numbers, the rest bytes in order. */
void aml_uuid(struct aml_builder *builder, const char *uuid)
{
	static const uint8_t position[16] = {6,  4,  2,  0,  11, 9,  16, 14,
					     19, 21, 24, 26, 28, 30, 32, 34};
	static const char dashes[4] = {8, 13, 18, 23};
	uint8_t bytes[16] = {0};
	bool valid = strlen(uuid) == 36;

	for (size_t i = 0; valid && i < sizeof(dashes); i++)
		valid = uuid[(size_t)dashes[i]] == '-';
	for (size_t i = 0; valid && i < sizeof(bytes); i++) {
		int high = aml_hex_digit(uuid[position[i]]);
		int low = aml_hex_digit(uuid[position[i] + 1]);

		valid = high >= 0 && low >= 0;
		bytes[i] = (uint8_t)((unsigned int)high << 4 | (unsigned int)low);
	}
	if (!valid)
		bytes_fail(builder->writer, -EINVAL);
	aml_buffer(builder, bytes, sizeof(bytes));
}

void aml_buffer(struct aml_builder *builder, const void *data, size_t size)
{
	aml_begin_buffer(builder);
	aml_bytes(builder, data, size);
	aml_end(builder);
}

void aml_argument(struct aml_builder *builder, unsigned int number)
{
	if (number > 6)
		bytes_fail(builder->writer, -EINVAL);
	aml_u8(builder, AML_ARG0 + number);
}

void aml_local(struct aml_builder *builder, unsigned int number)
{
	if (number > 7)
		bytes_fail(builder->writer, -EINVAL);
	aml_u8(builder, AML_LOCAL0 + number);
}

void aml_operator(struct aml_builder *builder, enum aml_operator operator)
{
	aml_u8(builder, operator);
}

void aml_no_target(struct aml_builder *builder)
{
	aml_u8(builder, AML_ZERO);
}

void aml_create_dword_field(struct aml_builder *builder, unsigned int argument, uint64_t offset,
			    const char *name)
{
	aml_u8(builder, AML_CREATE_DWORD_FIELD);
	aml_argument(builder, argument);
	aml_integer(builder, offset);
	aml_path(builder, name);
}

void aml_operation_region(struct aml_builder *builder, const char *name,
			  enum aml_region_space space, uint64_t offset, uint64_t length)
{
	aml_u8(builder, AML_EXT_PREFIX);
	aml_u8(builder, AML_EXT_OPERATION_REGION);
	aml_path(builder, name);
	aml_u8(builder, space);
	aml_integer(builder, offset);
	aml_integer(builder, length);
}

void aml_begin_field(struct aml_builder *builder, const char *region, enum aml_field_access access)
{
	aml_u8(builder, AML_EXT_PREFIX);
	aml_u8(builder, AML_EXT_FIELD);
	aml_open(builder, false);
	aml_path(builder, region);
	aml_u8(builder, access);
}

void aml_field_unit(struct aml_builder *builder, const char *name, uint32_t bits)
{
	char segment[4] = {0};
	uint8_t bytes[4];
	size_t size = 0;

	if (bits <= AML_PACKAGE_LENGTH_MAX)
		size = aml_package_length(bits, false, bytes);
	if (!size)
		bytes_fail(builder->writer, -EINVAL);
	if (name) {
		size_t taken = aml_segment(name, segment);

		if (!taken || name[taken])
			bytes_fail(builder->writer, -EINVAL);
		aml_bytes(builder, segment, sizeof(segment));
	} else {
		aml_u8(builder, AML_ZERO);
	}
	aml_bytes(builder, bytes, size);
}

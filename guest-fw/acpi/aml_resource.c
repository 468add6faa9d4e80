/* SPDX-License-Identifier: Apache-2.0 */
/* Resource descriptors (ACPI 6.5, 6.4). */
#include "guest-fw/acpi/aml.h"

#include <errno.h>

enum {
	RESOURCE_IO = 0x47,
	RESOURCE_END_TAG = 0x79,
	RESOURCE_MEMORY32_FIXED = 0x86,
	RESOURCE_DWORD = 0x87,
	RESOURCE_WORD = 0x88,
	RESOURCE_EXTENDED_INTERRUPT = 0x89,
	RESOURCE_QWORD = 0x8a,
};

enum {
	SPACE_MEMORY = 0,
	SPACE_IO = 1,
	SPACE_BUS_NUMBER = 2,
};

/* General flags of address space descriptors (6.4.3.5): minimum and maximum are fixed. */
#define SPACE_FIXED     0x0c
#define SPACE_CONSUMER  0x01
#define MEMORY_WRITABLE 0x01
#define IO_ENTIRE_RANGE 0x03

void aml_begin_resources(struct aml_builder *builder)
{
	aml_begin_buffer(builder);
}

void aml_end_resources(struct aml_builder *builder)
{
	bytes_u8(builder->writer, RESOURCE_END_TAG);
	bytes_u8(builder->writer, 0); /* a checksum of 0 means "not checked" (6.4.2.9) */
	aml_end(builder);
}

void aml_memory32_fixed(struct aml_builder *builder, uint32_t base, uint32_t length)
{
	if (!length || base > UINT32_MAX - (length - 1))
		bytes_fail(builder->writer, -EINVAL);
	bytes_u8(builder->writer, RESOURCE_MEMORY32_FIXED);
	bytes_u16(builder->writer, 9);
	bytes_u8(builder->writer, MEMORY_WRITABLE);
	bytes_u32(builder->writer, base);
	bytes_u32(builder->writer, length);
}

/* The five numbers of an address space descriptor, @width bytes each. */
static void aml_space_range(struct aml_builder *builder, size_t width, uint64_t base,
			    uint64_t length)
{
	uint64_t limit = width == 8 ? UINT64_MAX : (UINT64_C(1) << (8 * width)) - 1;
	uint64_t numbers[5] = {0 /* granularity */, base, base + length - 1, 0 /* translation */,
			       length};

	if (!length || length > limit || base > limit - (length - 1))
		bytes_fail(builder->writer, -EINVAL);
	for (size_t i = 0; i < 5; i++)
		for (size_t byte = 0; byte < width; byte++)
			bytes_u8(builder->writer, (uint8_t)(numbers[i] >> (8 * byte)));
}

static void aml_space(struct aml_builder *builder, uint8_t descriptor, uint8_t kind, uint8_t flags,
		      uint8_t kind_flags, size_t width, uint64_t base, uint64_t length)
{
	bytes_u8(builder->writer, descriptor);
	bytes_u16(builder->writer, (uint16_t)(3 + 5 * width));
	bytes_u8(builder->writer, kind);
	bytes_u8(builder->writer, flags);
	bytes_u8(builder->writer, kind_flags);
	aml_space_range(builder, width, base, length);
}

static uint8_t aml_memory_flags(enum aml_window_cache cache)
{
	return (uint8_t)((unsigned int)cache << 1 | MEMORY_WRITABLE);
}

void aml_dword_memory(struct aml_builder *builder, enum aml_window_cache cache, uint32_t base,
		      uint64_t length)
{
	aml_space(builder, RESOURCE_DWORD, SPACE_MEMORY, SPACE_FIXED, aml_memory_flags(cache), 4,
		  base, length);
}

void aml_qword_memory(struct aml_builder *builder, enum aml_window_cache cache, uint64_t base,
		      uint64_t length)
{
	aml_space(builder, RESOURCE_QWORD, SPACE_MEMORY, SPACE_FIXED, aml_memory_flags(cache), 8,
		  base, length);
}

void aml_qword_memory_consumer(struct aml_builder *builder, uint64_t base, uint64_t length)
{
	aml_space(builder, RESOURCE_QWORD, SPACE_MEMORY, SPACE_FIXED | SPACE_CONSUMER,
		  aml_memory_flags(AML_NON_CACHEABLE), 8, base, length);
}

void aml_dword_io(struct aml_builder *builder, uint32_t base, uint64_t length)
{
	aml_space(builder, RESOURCE_DWORD, SPACE_IO, SPACE_FIXED, IO_ENTIRE_RANGE, 4, base, length);
}

void aml_word_bus_number(struct aml_builder *builder, uint16_t first, uint16_t last)
{
	if (last < first) {
		bytes_fail(builder->writer, -EINVAL);
		return;
	}
	aml_space(builder, RESOURCE_WORD, SPACE_BUS_NUMBER, SPACE_FIXED, 0, 2, first,
		  (uint64_t)last - first + 1);
}

void aml_io(struct aml_builder *builder, uint16_t base, uint8_t length)
{
	if (!length || base > UINT16_MAX - (length - 1))
		bytes_fail(builder->writer, -EINVAL);
	bytes_u8(builder->writer, RESOURCE_IO);
	bytes_u8(builder->writer, 1); /* 16-bit decoding */
	bytes_u16(builder->writer, base);
	bytes_u16(builder->writer, base);
	bytes_u8(builder->writer, 1); /* alignment */
	bytes_u8(builder->writer, length);
}

void aml_interrupt(struct aml_builder *builder, uint32_t gsi, bool edge, bool active_low)
{
	bytes_u8(builder->writer, RESOURCE_EXTENDED_INTERRUPT);
	bytes_u16(builder->writer, 2 + 4);
	/* Consumer, exclusive, no wake (6.4.3.6). */
	bytes_u8(builder->writer, (uint8_t)(1 | (edge ? 2 : 0) | (active_low ? 4 : 0)));
	bytes_u8(builder->writer, 1);
	bytes_u32(builder->writer, gsi);
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GUEST_FW_ACPI_AML_H
#define GUEST_FW_ACPI_AML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest-fw/acpi/byte_writer.h"

/*
 * ACPI Machine Language (ACPI 6.5, 20.2) written in stream order: an operator first, then its
 * operands, exactly as the byte code has them. Objects with a length (scopes, devices, methods,
 * packages, buffers, If, ...) are opened with aml_begin_*() and closed with aml_end(), which works
 * the length out. Errors stick in the writer and surface in aml_finish(): -ENOSPC when the buffer
 * was too small, -EINVAL for a malformed name, too deep or unbalanced nesting, or a value that its
 * encoding cannot hold; the bytes must not be used then. One thread per builder.
 */

#define AML_DEPTH_MAX 16

struct aml_frame {
	size_t start; /* offset of the first byte that the length covers */
	bool buffer;  /* a buffer size (an integer) goes between length and body */
};

struct aml_builder {
	struct byte_writer *writer;
	unsigned int depth;
	struct aml_frame frames[AML_DEPTH_MAX];
};

/* Operators; values above 0xff carry the ExtOpPrefix. */
enum aml_operator {
	AML_STORE = 0x70,       /* source, target */
	AML_ADD = 0x72,         /* a, b, target */
	AML_SUBTRACT = 0x74,    /* a, b, target */
	AML_SHIFT_LEFT = 0x79,  /* value, count, target */
	AML_SHIFT_RIGHT = 0x7a, /* value, count, target */
	AML_AND = 0x7b,         /* a, b, target: bitwise */
	AML_OR = 0x7d,          /* a, b, target: bitwise */
	AML_NOT = 0x80,         /* a, target: bitwise */
	AML_DEREF_OF = 0x83,    /* reference */
	AML_NOTIFY = 0x86,      /* object, value */
	AML_SIZE_OF = 0x87,     /* object */
	AML_INDEX = 0x88,       /* object, index, target */
	AML_LOGICAL_AND = 0x90, /* a, b */
	AML_LOGICAL_OR = 0x91,  /* a, b */
	AML_LOGICAL_NOT = 0x92, /* a */
	AML_EQUAL = 0x93,       /* a, b */
	AML_GREATER = 0x94,     /* a, b */
	AML_LESS = 0x95,        /* a, b */
	AML_RETURN = 0xa4,      /* value */
};

enum aml_region_space {
	AML_REGION_SYSTEM_MEMORY = 0,
	AML_REGION_SYSTEM_IO = 1,
	AML_REGION_PCI_CONFIG = 2,
};

enum aml_field_access {
	AML_ACCESS_ANY = 0,
	AML_ACCESS_BYTE = 1,
	AML_ACCESS_WORD = 2,
	AML_ACCESS_DWORD = 3,
	AML_ACCESS_QWORD = 4,
};

/* aml_init() - append to @writer, which must outlive the builder. */
void aml_init(struct aml_builder *builder, struct byte_writer *writer);

/* aml_finish() - 0 when everything is closed and fitted, else the sticky error. */
int aml_finish(struct aml_builder *builder);

/*
 * Names are paths of segments of one to four characters [A-Z_][A-Z0-9_]*, separated by dots, with
 * an optional leading '\' or any number of '^'; short segments are padded with '_'.
 */
void aml_begin_scope(struct aml_builder *builder, const char *path);
void aml_begin_device(struct aml_builder *builder, const char *path);
/* @arguments: 0..7. @serialized: needed when the body creates named objects. */
void aml_begin_method(struct aml_builder *builder, const char *path, unsigned int arguments,
		      bool serialized);
void aml_begin_package(struct aml_builder *builder, uint8_t elements);
/* The body is raw bytes (aml_bytes() or resource descriptors). */
void aml_begin_buffer(struct aml_builder *builder);
/* Followed by one predicate and the statements. */
void aml_begin_if(struct aml_builder *builder);
void aml_begin_else(struct aml_builder *builder);
void aml_end(struct aml_builder *builder);

/* aml_name() - Name (path, ...): followed by one data object. */
void aml_name(struct aml_builder *builder, const char *path);
void aml_name_integer(struct aml_builder *builder, const char *path, uint64_t value);
void aml_name_string(struct aml_builder *builder, const char *path, const char *value);
/* aml_name_eisa_id() - Name (path, EisaId (id)). */
void aml_name_eisa_id(struct aml_builder *builder, const char *path, const char *id);

void aml_path(struct aml_builder *builder, const char *path); /* a reference to an object */
void aml_integer(struct aml_builder *builder, uint64_t value);
void aml_string(struct aml_builder *builder, const char *value); /* ASCII 0x01..0x7f */
void aml_eisa_id(struct aml_builder *builder, const char *id);   /* "PNP0A08" */
void aml_uuid(struct aml_builder *builder, const char *uuid);    /* ToUUID (...) */
void aml_buffer(struct aml_builder *builder, const void *data, size_t size);
void aml_bytes(struct aml_builder *builder, const void *data, size_t size);
void aml_argument(struct aml_builder *builder, unsigned int number); /* Arg0..Arg6 */
void aml_local(struct aml_builder *builder, unsigned int number);    /* Local0..Local7 */
void aml_operator(struct aml_builder *builder, enum aml_operator operator);
/* aml_no_target() - the null name: an operator's result goes to no target. */
void aml_no_target(struct aml_builder *builder);

/* aml_create_dword_field() - CreateDWordField (ArgN, offset, name). */
void aml_create_dword_field(struct aml_builder *builder, unsigned int argument, uint64_t offset,
			    const char *name);

void aml_operation_region(struct aml_builder *builder, const char *name,
			  enum aml_region_space space, uint64_t offset, uint64_t length);
/* aml_begin_field() - unlocked, other bits preserved; followed by units, then aml_end(). */
void aml_begin_field(struct aml_builder *builder, const char *region, enum aml_field_access access);
/* @name: one segment, or NULL for reserved bits. */
void aml_field_unit(struct aml_builder *builder, const char *name, uint32_t bits);

/* Resource descriptors (6.4), between aml_begin_resources() and aml_end_resources(). */
enum aml_window_cache {
	AML_NON_CACHEABLE = 0,
	AML_CACHEABLE = 1,
	AML_WRITE_COMBINING = 2,
	AML_PREFETCHABLE = 3,
};

void aml_begin_resources(struct aml_builder *builder); /* ResourceTemplate () */
void aml_end_resources(struct aml_builder *builder);
void aml_memory32_fixed(struct aml_builder *builder, uint32_t base, uint32_t length);
/* Address spaces that a bridge produces: @length bytes from @base, which may not wrap or be 0. */
void aml_dword_memory(struct aml_builder *builder, enum aml_window_cache cache, uint32_t base,
		      uint64_t length);
void aml_qword_memory(struct aml_builder *builder, enum aml_window_cache cache, uint64_t base,
		      uint64_t length);
/* The same as something that this device itself consumes. */
void aml_qword_memory_consumer(struct aml_builder *builder, uint64_t base, uint64_t length);
void aml_dword_io(struct aml_builder *builder, uint32_t base, uint64_t length);
void aml_word_bus_number(struct aml_builder *builder, uint16_t first, uint16_t last);
/* A fixed range of ports: @length 1..255. */
void aml_io(struct aml_builder *builder, uint16_t base, uint8_t length);
/* Exclusive extended interrupt descriptor with one GSI. */
void aml_interrupt(struct aml_builder *builder, uint32_t gsi, bool edge, bool active_low);

#endif

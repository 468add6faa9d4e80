/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GUEST_FW_ACPI_BYTE_WRITER_H
#define GUEST_FW_ACPI_BYTE_WRITER_H

#include <stddef.h>
#include <stdint.h>

/*
 * A little-endian writer with a sticky error. Once something did not fit, nothing more is stored,
 * but `length` goes on counting, so that the size needed is known at the end; callers therefore
 * check once. Not locked: one thread per writer.
 */
struct byte_writer {
	uint8_t *data;
	size_t capacity;
	size_t length; /* bytes produced; larger than capacity after -ENOSPC */
	int error;     /* 0 or the first negative errno */
};

/* bytes_init_fixed() - write into the caller's @data of @capacity bytes (NULL with 0: only count).
 */
void bytes_init_fixed(struct byte_writer *writer, void *data, size_t capacity);

/* bytes_fail() - make @error sticky unless there already is one. */
void bytes_fail(struct byte_writer *writer, int error);

/* Append; each may set -ENOSPC (fixed buffer full, limit reached) or -ENOMEM. */
void bytes_u8(struct byte_writer *writer, uint8_t value);
void bytes_u16(struct byte_writer *writer, uint16_t value);
void bytes_u32(struct byte_writer *writer, uint32_t value);
void bytes_u64(struct byte_writer *writer, uint64_t value);
void bytes_copy(struct byte_writer *writer, const void *source, size_t size);
void bytes_zero(struct byte_writer *writer, size_t size);

/* bytes_align() - append zeros up to a multiple of @alignment (a power of two). */
void bytes_align(struct byte_writer *writer, size_t alignment);

/* bytes_insert() - put @size bytes before offset @at <= length, moving what follows. */
void bytes_insert(struct byte_writer *writer, size_t at, const void *source, size_t size);

/* bytes_patch() - overwrite bytes that were produced before; nothing happens after an error. */
void bytes_patch(struct byte_writer *writer, size_t at, const void *source, size_t size);

#endif

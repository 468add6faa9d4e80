/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-fw/acpi/byte_writer.h"

#include <errno.h>
#include <string.h>

#include "core/bytes.h"

void bytes_init_fixed(struct byte_writer *writer, void *data, size_t capacity)
{
	*writer = (struct byte_writer){.data = data, .capacity = data ? capacity : 0};
}

void bytes_fail(struct byte_writer *writer, int error)
{
	if (!writer->error)
		writer->error = error;
}

/* Count @size more bytes; returns where the first goes, or NULL when nothing may be stored. */
static uint8_t *bytes_extend(struct byte_writer *writer, size_t size)
{
	size_t at = writer->length, end;

	if (__builtin_add_overflow(at, size, &end)) {
		bytes_fail(writer, -ENOSPC);
		return NULL;
	}
	if (!writer->error && end > writer->capacity)
		bytes_fail(writer, -ENOSPC);
	writer->length = end;
	return writer->error || !size ? NULL : writer->data + at;
}

void bytes_copy(struct byte_writer *writer, const void *source, size_t size)
{
	uint8_t *to = bytes_extend(writer, size);

	if (to)
		memcpy(to, source, size);
}

void bytes_zero(struct byte_writer *writer, size_t size)
{
	uint8_t *to = bytes_extend(writer, size);

	if (to)
		memset(to, 0, size);
}

void bytes_u8(struct byte_writer *writer, uint8_t value)
{
	bytes_copy(writer, &value, sizeof(value));
}

void bytes_u16(struct byte_writer *writer, uint16_t value)
{
	uint8_t bytes[sizeof(value)];

	bytes_put_le16(bytes, value);
	bytes_copy(writer, bytes, sizeof(bytes));
}

void bytes_u32(struct byte_writer *writer, uint32_t value)
{
	uint8_t bytes[sizeof(value)];

	bytes_put_le32(bytes, value);
	bytes_copy(writer, bytes, sizeof(bytes));
}

void bytes_u64(struct byte_writer *writer, uint64_t value)
{
	uint8_t bytes[sizeof(value)];

	bytes_put_le64(bytes, value);
	bytes_copy(writer, bytes, sizeof(bytes));
}

void bytes_align(struct byte_writer *writer, size_t alignment)
{
	bytes_zero(writer, -writer->length & (alignment - 1));
}

void bytes_insert(struct byte_writer *writer, size_t at, const void *source, size_t size)
{
	size_t tail;

	if (at > writer->length) {
		bytes_fail(writer, -EINVAL);
		return;
	}
	tail = writer->length - at;
	if (!bytes_extend(writer, size))
		return;
	memmove(writer->data + at + size, writer->data + at, tail);
	memcpy(writer->data + at, source, size);
}

void bytes_patch(struct byte_writer *writer, size_t at, const void *source, size_t size)
{
	size_t end;

	if (writer->error || !size)
		return;
	if (__builtin_add_overflow(at, size, &end) || end > writer->length) {
		bytes_fail(writer, -EINVAL);
		return;
	}
	memcpy(writer->data + at, source, size);
}

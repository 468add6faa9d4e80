/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_BYTES_H
#define CORE_BYTES_H

#include <stdint.h>

/*
 * Little-endian numbers in bytes, at any alignment. The caller has checked that they are there.
 */
static inline uint16_t bytes_get_le16(const uint8_t *at)
{
	return (uint16_t)(at[0] | at[1] << 8);
}

static inline uint32_t bytes_get_le32(const uint8_t *at)
{
	return (uint32_t)bytes_get_le16(at) | (uint32_t)bytes_get_le16(at + 2) << 16;
}

static inline uint64_t bytes_get_le64(const uint8_t *at)
{
	return (uint64_t)bytes_get_le32(at) | (uint64_t)bytes_get_le32(at + 4) << 32;
}

static inline void bytes_put_le16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)value;
	at[1] = (uint8_t)(value >> 8);
}

static inline void bytes_put_le32(uint8_t *at, uint32_t value)
{
	bytes_put_le16(at, (uint16_t)value);
	bytes_put_le16(at + 2, (uint16_t)(value >> 16));
}

static inline void bytes_put_le64(uint8_t *at, uint64_t value)
{
	bytes_put_le32(at, (uint32_t)value);
	bytes_put_le32(at + 4, (uint32_t)(value >> 32));
}

/* What a read of @size bytes (1, 2, 4 or 8) gives where nobody answers. */
static inline uint64_t bytes_all_ones(unsigned int size)
{
	return size >= 8 ? UINT64_MAX : (UINT64_C(1) << (8 * size)) - 1;
}

#endif

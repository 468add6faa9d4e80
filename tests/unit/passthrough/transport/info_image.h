/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_PASSTHROUGH_INFO_IMAGE_H
#define TESTS_UNIT_PASSTHROUGH_INFO_IMAGE_H

#include <stdint.h>
#include <string.h>

/* Builders of the byte images that a kernel or server would answer. */
static inline void put_word(uint8_t *image, uint32_t offset, uint16_t value)
{
	memcpy(image + offset, &value, sizeof(value));
}

static inline void put_long(uint8_t *image, uint32_t offset, uint32_t value)
{
	memcpy(image + offset, &value, sizeof(value));
}

static inline void put_quad(uint8_t *image, uint32_t offset, uint64_t value)
{
	memcpy(image + offset, &value, sizeof(value));
}

static inline void put_header(uint8_t *image, uint32_t offset, uint16_t id, uint16_t version,
			      uint32_t next)
{
	put_word(image, offset, id);
	put_word(image, offset + 2, version);
	put_long(image, offset + 4, next);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_PASSTHROUGH_TRANSPORT_INFO_IMAGE_H
#define TESTS_UNIT_PASSTHROUGH_TRANSPORT_INFO_IMAGE_H

#include <stdint.h>

#include "core/bytes.h"

/* Builders of the byte images that a kernel or server would answer. */
static inline void put_header(uint8_t *image, uint32_t offset, uint16_t id, uint16_t version,
			      uint32_t next)
{
	bytes_put_le16(image + offset, id);
	bytes_put_le16(image + offset + 2, version);
	bytes_put_le32(image + offset + 4, next);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "passthrough/transport/capability_chain.h"

#include <errno.h>
#include <linux/vfio.h>
#include <stddef.h>
#include <string.h>

#include "core/bytes.h"

#define HEADER(field) offsetof(struct vfio_info_cap_header, field)

/* An entry ends where the next one in memory begins, whatever the order of the chain. */
static int capability_chain_measure(struct capability_chain *chain)
{
	for (uint32_t i = 0; i < chain->count; i++) {
		struct capability *entry = &chain->entries[i];
		uint32_t end = chain->length;

		for (uint32_t j = 0; j < chain->count; j++) {
			uint32_t other = chain->entries[j].offset;

			if (j != i && other >= entry->offset && other < end)
				end = other;
		}
		entry->length = end - entry->offset;
		if (entry->length < CAPABILITY_HEADER_SIZE)
			return -EPROTO;
	}
	return 0;
}

int capability_chain_parse(struct capability_chain *chain, const uint8_t *image, uint32_t length,
			   uint32_t fixed, uint32_t first)
{
	uint32_t offset = first;

	memset(chain, 0, sizeof(*chain));
	chain->image = image;
	chain->length = length;
	while (offset) {
		struct capability *entry;

		if (offset < fixed || offset % 4 || length < CAPABILITY_HEADER_SIZE ||
		    offset > length - CAPABILITY_HEADER_SIZE)
			return -EPROTO;
		/* A loop never ends, so it runs into this limit. */
		if (chain->count == CAPABILITY_CHAIN_MAX)
			return -EPROTO;
		entry = &chain->entries[chain->count++];
		entry->id = bytes_get_le16(image + offset + HEADER(id));
		entry->version = bytes_get_le16(image + offset + HEADER(version));
		entry->offset = offset;
		offset = bytes_get_le32(image + offset + HEADER(next));
	}
	return capability_chain_measure(chain);
}

const struct capability *capability_chain_find(const struct capability_chain *chain, uint16_t id)
{
	for (uint32_t i = 0; i < chain->count; i++)
		if (chain->entries[i].id == id)
			return &chain->entries[i];
	return NULL;
}

uint32_t capability_chain_count(const struct capability_chain *chain, uint16_t id)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < chain->count; i++)
		count += chain->entries[i].id == id;
	return count;
}

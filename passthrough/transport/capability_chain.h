/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PASSTHROUGH_TRANSPORT_CAPABILITY_CHAIN_H
#define PASSTHROUGH_TRANSPORT_CAPABILITY_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The capability chain behind a VFIO information structure (VFIO UAPI, struct
 * vfio_info_cap_header): a hostile byte image, read by offsets only.
 */

struct capability {
	uint16_t id;
	uint16_t version;
	uint32_t offset; /* of the header, from the start of the image */
	uint32_t length; /* bytes up to the next capability in memory or the end of the image,
			    header included: what its contents may occupy */
};

#define CAPABILITY_HEADER_SIZE 8u
#define CAPABILITY_CHAIN_MAX   64u /* more than this is refused */

struct capability_chain {
	const uint8_t *image;
	uint32_t length;
	uint32_t count;
	struct capability entries[CAPABILITY_CHAIN_MAX];
};

/*
 * capability_chain_parse() - walk the chain that starts at @first (0: no capabilities).
 * @fixed: bytes of the fixed structure, which no capability may overlap.
 * Returns 0 or -EPROTO: a header outside [fixed, length), not 4-byte aligned, a loop, headers that
 * overlap each other, or more than CAPABILITY_CHAIN_MAX entries. @image must outlive @chain.
 */
int capability_chain_parse(struct capability_chain *chain, const uint8_t *image, uint32_t length,
			   uint32_t fixed, uint32_t first);

/* The first entry with @id, or NULL. */
const struct capability *capability_chain_find(const struct capability_chain *chain, uint16_t id);

/* How many entries have @id. */
uint32_t capability_chain_count(const struct capability_chain *chain, uint16_t id);

#endif

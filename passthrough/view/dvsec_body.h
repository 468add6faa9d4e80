/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PASSTHROUGH_VIEW_DVSEC_BODY_H
#define PASSTHROUGH_VIEW_DVSEC_BODY_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The "PCIe DVSEC for CXL Devices" (CXL 8.1.3) of a passed-through device, as the guest sees it:
 * capabilities from the device, controls and ranges the VMM's own. The range registers hold guest
 * addresses, never the host's. Pure; the caller serialises (the PCI root's lock).
 */
#define CXL_DVSEC_BODY_OFFSET 0x0au /* where the header ends */
#define CXL_DVSEC_MIN_LENGTH  0x38u
#define CXL_DVSEC_MAX_LENGTH  0x3cu

struct cxl_dvsec_options {
	bool committed;      /* firmware committed: Mem_Enable reads 1 and cannot be cleared */
	uint64_t range_base; /* Range 1 when committed, guest physical; else 0 */
	uint64_t range_size; /* multiple of 256 MiB */
	bool reset_capable;  /* offer CXL reset when the device does */
	/* The guest started a CXL reset (Control2 bit 2). Returns 0, or -errno: Reset Error. */
	int (*reset)(void *opaque);
	void *opaque;
};

struct cxl_dvsec_body {
	struct cxl_dvsec_options options;
	uint32_t length; /* of the DVSEC, header included */
	uint8_t registers[CXL_DVSEC_MAX_LENGTH];
	uint8_t initial[CXL_DVSEC_MAX_LENGTH];
};

/*
 * cxl_dvsec_body_init() - @dvsec: the device's DVSEC, @length bytes from its header on. Returns 0
 * or -EINVAL: shorter than CXL_DVSEC_MIN_LENGTH, or Mem_Capable is clear. A longer one is shown up
 * to CXL_DVSEC_MAX_LENGTH.
 */
int cxl_dvsec_body_init(struct cxl_dvsec_body *body, const uint8_t *dvsec, uint32_t length,
			const struct cxl_dvsec_options *options);

/* @offset from the DVSEC's start, @size 1, 2 or 4, inside one dword. Bytes outside read 0. */
uint32_t cxl_dvsec_body_read(const struct cxl_dvsec_body *body, uint32_t offset, unsigned int size);
void cxl_dvsec_body_write(struct cxl_dvsec_body *body, uint32_t offset, unsigned int size,
			  uint32_t value);

/* Conventional reset: everything as after init, apart from sticky status. */
void cxl_dvsec_body_reset(struct cxl_dvsec_body *body);

#endif

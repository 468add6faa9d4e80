/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ACCEL_SIM_HDM_DECODER_H
#define ACCEL_SIM_HDM_DECODER_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/cxl_regs.h"

/*
 * The HDM decoders of the device as hardware has them (CXL 8.2.4.20): the state machine that a
 * physical register access meets. The shadow that the kernel would show a VFIO user is comp_regs.h.
 */

#define SIM_MAX_DECODERS 10

/* Where decoder @n begins in the HDM block, and its registers from there. */
#define SIM_HDM_DECODER(n) (HDM_DECODER_BASE_LOW + HDM_DECODER_STRIDE * (n))
#define SIM_HDM_BASE_LOW   0u
#define SIM_HDM_BASE_HIGH  (HDM_DECODER_BASE_HIGH - HDM_DECODER_BASE_LOW)
#define SIM_HDM_SIZE_LOW   (HDM_DECODER_SIZE_LOW - HDM_DECODER_BASE_LOW)
#define SIM_HDM_SIZE_HIGH  (HDM_DECODER_SIZE_HIGH - HDM_DECODER_BASE_LOW)
#define SIM_HDM_CONTROL    (HDM_DECODER_CONTROL - HDM_DECODER_BASE_LOW)
#define SIM_HDM_SKIP_LOW   (HDM_DECODER_SKIP_LOW - HDM_DECODER_BASE_LOW)
#define SIM_HDM_SKIP_HIGH  (HDM_DECODER_SKIP_HIGH - HDM_DECODER_BASE_LOW)

/* Decoders, and the capacities a mailbox reports, count in 256 MiB (CXL 8.2.4.20.4). */
#define SIM_HDM_UNIT ((uint64_t)HDM_DECODER_GRANULARITY)

struct sim_decoder {
	uint64_t base;
	uint64_t size;
	uint64_t skip;
	uint32_t control;
};

struct sim_hdm {
	unsigned int count;
	uint32_t capability;
	uint32_t global_control;
	uint64_t dpa_size; /* device memory that decoders can describe, bytes */
	bool host_only;    /* memory class: HDM-H */
	struct sim_decoder decoders[SIM_MAX_DECODERS];
};

/* sim_hdm_init() - `count` idle decoders over dpa_size bytes. */
void sim_hdm_init(struct sim_hdm *hdm, unsigned int count, uint64_t dpa_size, bool host_only);

/* sim_hdm_reset() - CXL reset or power-on: every decoder idle, nothing locked. */
void sim_hdm_reset(struct sim_hdm *hdm);

/* sim_hdm_firmware_commit() - decoder 0 over all memory at `base`, committed and locked, enabled.
 */
void sim_hdm_firmware_commit(struct sim_hdm *hdm, uint64_t base);

/* sim_hdm_read() - the dword at `offset` (a multiple of 4); 0 outside. */
uint32_t sim_hdm_read(const struct sim_hdm *hdm, uint32_t offset);

/* sim_hdm_write() - write the bytes of `value` whose mask bits are set to the dword at `offset`. */
void sim_hdm_write(struct sim_hdm *hdm, uint32_t offset, uint32_t value, uint32_t mask);

/* sim_hdm_committed() - true when decoder n is committed. */
bool sim_hdm_committed(const struct sim_hdm *hdm, unsigned int n);

/* sim_hdm_count_code() - the decoder count field for 1, 2, 4, 6, 8 or 10 (CXL 8.2.4.20.1). */
uint32_t sim_hdm_count_code(unsigned int count);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ACCEL_SIM_ENGINE_OPS_H
#define ACCEL_SIM_ENGINE_OPS_H

#include <stdbool.h>
#include <stdint.h>

#include <cxvm/accel.h>

/* One job of the compute engine: checks, then works through chunks. Knows no thread and no
 * register. */

#define SIM_ENGINE_CHUNK (256u * 1024u)
#define SIM_ENGINE_OPCODES                                                                         \
	(1u << CXVM_ACCEL_OP_NOP | 1u << CXVM_ACCEL_OP_COPY | 1u << CXVM_ACCEL_OP_FILL |           \
	 1u << CXVM_ACCEL_OP_ADD | 1u << CXVM_ACCEL_OP_CRC32)

/* How the engine reaches memory. Results: 0, -EFAULT not there, -EACCES read-only, else a failure.
 */
struct sim_engine_memory {
	int (*check)(void *opaque, uint8_t space, uint64_t address, uint64_t size, bool write);
	int (*access)(void *opaque, uint8_t space, uint64_t address, void *data, uint32_t size,
		      bool write);
	bool (*cancelled)(void *opaque); /* asked between chunks */
	void *opaque;
};

/* Room for two chunks of sources; owned by the caller, contents do not matter. */
struct sim_engine_scratch {
	uint32_t first[SIM_ENGINE_CHUNK / 4];
	uint32_t second[SIM_ENGINE_CHUNK / 4];
};

/*
 * sim_engine_execute() - run one descriptor. Nothing is written when a check fails.
 * @result: receives what goes to the descriptor's result field.
 * Returns the enum cxvm_accel_status for the descriptor.
 */
uint32_t sim_engine_execute(const struct cxvm_accel_descriptor *descriptor,
			    const struct sim_engine_memory *memory,
			    struct sim_engine_scratch *scratch, uint32_t *result);

/* sim_engine_crc32() - CRC-32 of IEEE 802.3, continued from `crc` (0 to begin), as zlib's crc32().
 */
uint32_t sim_engine_crc32(uint32_t crc, const void *data, uint32_t size);

#endif

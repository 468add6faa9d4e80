/* SPDX-License-Identifier: Apache-2.0 */
#include "accel-sim/engine_ops.h"

#include <errno.h>

uint32_t sim_engine_crc32(uint32_t crc, const void *data, uint32_t size)
{
	/* Remainders of the 16 nibbles, polynomial 0xedb88320 (reflected) */
	static const uint32_t nibbles[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
		0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};
	const uint8_t *bytes = data;

	crc = ~crc;
	for (uint32_t i = 0; i < size; i++) {
		crc ^= bytes[i];
		crc = crc >> 4 ^ nibbles[crc & 15];
		crc = crc >> 4 ^ nibbles[crc & 15];
	}
	return ~crc;
}

static uint32_t sim_engine_status(int error)
{
	switch (error) {
	case 0:
		return CXVM_ACCEL_STATUS_DONE;
	case -EFAULT:
		return CXVM_ACCEL_STATUS_BAD_ADDRESS;
	case -EACCES:
		return CXVM_ACCEL_STATUS_READ_ONLY;
	default:
		return CXVM_ACCEL_STATUS_ABORTED;
	}
}

static bool sim_engine_overlaps(uint8_t space, uint64_t source, uint8_t destination_space,
				uint64_t destination, uint64_t length)
{
	uint64_t distance = source > destination ? source - destination : destination - source;

	return space == destination_space && distance != 0 && distance < length;
}

struct sim_engine_use {
	bool source;
	bool source2;
	bool destination;
	bool words; /* length must be a multiple of 4 */
};

static const struct sim_engine_use engine_uses[] = {
	[CXVM_ACCEL_OP_NOP] = {false, false, false, false},
	[CXVM_ACCEL_OP_COPY] = {true, false, true, false},
	[CXVM_ACCEL_OP_FILL] = {false, false, true, true},
	[CXVM_ACCEL_OP_ADD] = {true, true, true, true},
	[CXVM_ACCEL_OP_CRC32] = {true, false, false, false},
};

static uint32_t sim_engine_validate(const struct cxvm_accel_descriptor *descriptor,
				    const struct sim_engine_memory *memory,
				    const struct sim_engine_use *use)
{
	int result = 0;

	if (descriptor->flags & ~CXVM_ACCEL_FLAG_INTERRUPT || descriptor->reserved)
		return CXVM_ACCEL_STATUS_BAD_FLAGS;
	if (descriptor->opcode == CXVM_ACCEL_OP_NOP)
		return CXVM_ACCEL_STATUS_DONE;
	if (descriptor->length == 0 || descriptor->length > CXVM_ACCEL_MAX_LENGTH ||
	    (use->words && descriptor->length % 4 != 0))
		return CXVM_ACCEL_STATUS_BAD_LENGTH;
	if ((use->source && descriptor->source_space > CXVM_ACCEL_SPACE_DPA) ||
	    (use->source2 && descriptor->source2_space > CXVM_ACCEL_SPACE_DPA) ||
	    (use->destination && descriptor->destination_space > CXVM_ACCEL_SPACE_DPA))
		return CXVM_ACCEL_STATUS_BAD_SPACE;
	if (use->source)
		result = memory->check(memory->opaque, descriptor->source_space, descriptor->source,
				       descriptor->length, false);
	if (result == 0 && use->source2)
		result = memory->check(memory->opaque, descriptor->source2_space,
				       descriptor->source2, descriptor->length, false);
	if (result == 0 && use->destination)
		result = memory->check(memory->opaque, descriptor->destination_space,
				       descriptor->destination, descriptor->length, true);
	if (result != 0)
		return sim_engine_status(result);
	if (use->destination &&
	    ((use->source && sim_engine_overlaps(descriptor->source_space, descriptor->source,
						 descriptor->destination_space,
						 descriptor->destination, descriptor->length)) ||
	     (use->source2 && sim_engine_overlaps(descriptor->source2_space, descriptor->source2,
						  descriptor->destination_space,
						  descriptor->destination, descriptor->length))))
		return CXVM_ACCEL_STATUS_OVERLAP;
	return CXVM_ACCEL_STATUS_DONE;
}

uint32_t sim_engine_execute(const struct cxvm_accel_descriptor *descriptor,
			    const struct sim_engine_memory *memory,
			    struct sim_engine_scratch *scratch, uint32_t *result)
{
	const struct sim_engine_use *use;
	uint32_t status;
	int error = 0;

	*result = 0;
	if (descriptor->opcode > CXVM_ACCEL_OP_CRC32)
		return CXVM_ACCEL_STATUS_BAD_OPCODE;
	use = &engine_uses[descriptor->opcode];
	status = sim_engine_validate(descriptor, memory, use);
	if (status != CXVM_ACCEL_STATUS_DONE || descriptor->opcode == CXVM_ACCEL_OP_NOP)
		return status;
	if (descriptor->opcode == CXVM_ACCEL_OP_CRC32)
		*result = descriptor->value;
	if (descriptor->opcode == CXVM_ACCEL_OP_FILL) {
		for (uint32_t i = 0; i < SIM_ENGINE_CHUNK / 4; i++)
			scratch->first[i] = descriptor->value;
	}
	for (uint64_t done = 0; done < descriptor->length && error == 0;) {
		uint64_t left = descriptor->length - done;
		uint32_t size = left < SIM_ENGINE_CHUNK ? (uint32_t)left : SIM_ENGINE_CHUNK;

		if (memory->cancelled(memory->opaque))
			return CXVM_ACCEL_STATUS_ABORTED;
		if (use->source)
			error = memory->access(memory->opaque, descriptor->source_space,
					       descriptor->source + done, scratch->first, size,
					       false);
		if (error == 0 && use->source2) {
			error = memory->access(memory->opaque, descriptor->source2_space,
					       descriptor->source2 + done, scratch->second, size,
					       false);
			for (uint32_t i = 0; error == 0 && i < size / 4; i++)
				scratch->first[i] += scratch->second[i];
		}
		if (error == 0 && descriptor->opcode == CXVM_ACCEL_OP_CRC32)
			*result = sim_engine_crc32(*result, scratch->first, size);
		if (error == 0 && use->destination)
			error = memory->access(memory->opaque, descriptor->destination_space,
					       descriptor->destination + done, scratch->first, size,
					       true);
		done += size;
	}
	return sim_engine_status(error);
}

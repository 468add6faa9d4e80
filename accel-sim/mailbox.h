/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ACCEL_SIM_MAILBOX_H
#define ACCEL_SIM_MAILBOX_H

#include "accel-sim/options.h"

/*
 * The primary mailbox of the memory personality (CXL 8.2.8.4) and its commands (CXL 8.2.9): what a
 * stock CXL memory driver asks of a volatile memory expander. Commands finish at once.
 */

#define SIM_MAILBOX_PAYLOAD_LOG2 11u
#define SIM_MAILBOX_PAYLOAD      (1u << SIM_MAILBOX_PAYLOAD_LOG2)

/* Registers, from the mailbox */
#define SIM_MAILBOX_CAPABILITIES 0x00u
#define SIM_MAILBOX_CONTROL      0x04u
#define SIM_MAILBOX_COMMAND      0x08u /* u64 */
#define SIM_MAILBOX_STATUS       0x10u /* u64 */
#define SIM_MAILBOX_BACKGROUND   0x18u /* u64 */
#define SIM_MAILBOX_DATA         0x20u
#define SIM_MAILBOX_SIZE         (SIM_MAILBOX_DATA + SIM_MAILBOX_PAYLOAD)

/* Opcodes, CXL 8.2.9 */
enum sim_mailbox_opcode {
	SIM_MAILBOX_GET_EVENT_RECORDS = 0x0100,
	SIM_MAILBOX_CLEAR_EVENT_RECORDS = 0x0101,
	SIM_MAILBOX_GET_EVENT_POLICY = 0x0102,
	SIM_MAILBOX_SET_EVENT_POLICY = 0x0103,
	SIM_MAILBOX_GET_TIMESTAMP = 0x0300,
	SIM_MAILBOX_SET_TIMESTAMP = 0x0301,
	SIM_MAILBOX_GET_SUPPORTED_LOGS = 0x0400,
	SIM_MAILBOX_GET_LOG = 0x0401,
	SIM_MAILBOX_IDENTIFY = 0x4000,
	SIM_MAILBOX_GET_PARTITION = 0x4100,
	SIM_MAILBOX_GET_HEALTH = 0x4200,
};

/* Return codes, CXL 8.2.8.4.5.1 */
enum sim_mailbox_code {
	SIM_MAILBOX_SUCCESS = 0x00,
	SIM_MAILBOX_INVALID_INPUT = 0x02,
	SIM_MAILBOX_UNSUPPORTED = 0x03,
	SIM_MAILBOX_INVALID_HANDLE = 0x0e,
	SIM_MAILBOX_INVALID_LENGTH = 0x16,
};

struct sim_mailbox {
	uint64_t capacity; /* bytes, a multiple of 256 MiB */
	uint64_t command;  /* opcode 15:0, payload length 36:16 */
	uint16_t code;     /* of the last command */
	bool timestamp_set;
	uint64_t timestamp;      /* ns, as it was set */
	uint64_t timestamp_from; /* CLOCK_MONOTONIC ns when it was set */
	uint8_t event_policy[4];
	uint64_t commands; /* executed */
	uint8_t payload[SIM_MAILBOX_PAYLOAD];
};

/* sim_mailbox_init() - power-on state over `capacity` bytes of volatile memory. */
void sim_mailbox_init(struct sim_mailbox *mailbox, uint64_t capacity);

/* sim_mailbox_dword() - the dword at `offset` (a multiple of 4) of the mailbox registers. */
uint32_t sim_mailbox_dword(const struct sim_mailbox *mailbox, uint32_t offset);

/* sim_mailbox_write() - write masked bytes of a dword; bit 0 of CONTROL runs the command. */
void sim_mailbox_write(struct sim_mailbox *mailbox, uint32_t offset, uint32_t value, uint32_t mask);

#endif

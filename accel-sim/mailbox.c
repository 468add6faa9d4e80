/* SPDX-License-Identifier: Apache-2.0 */
#include "accel-sim/mailbox.h"

#include <string.h>

#include "accel-sim/clock.h"
#include "accel-sim/hdm_decoder.h"

/* Command Effects Log, CXL 8.2.9.5.2.1; its UUID is 0da9c0b5-bf41-4b78-8f79-96b1623b3f17 */
static const uint8_t cel_uuid[16] = {0x0d, 0xa9, 0xc0, 0xb5, 0xbf, 0x41, 0x4b, 0x78,
				     0x8f, 0x79, 0x96, 0xb1, 0x62, 0x3b, 0x3f, 0x17};

struct sim_mailbox_entry {
	uint16_t opcode;
	uint16_t effect; /* 1 config, 3 policy, 4 log change, immediately */
	uint32_t min_length;
	uint32_t max_length;
};

static const struct sim_mailbox_entry entries[] = {
	{SIM_MAILBOX_GET_EVENT_RECORDS, 0, 1, 1},
	{SIM_MAILBOX_CLEAR_EVENT_RECORDS, 1 << 4, 6, SIM_MAILBOX_PAYLOAD},
	{SIM_MAILBOX_GET_EVENT_POLICY, 0, 0, 0},
	{SIM_MAILBOX_SET_EVENT_POLICY, 1 << 3, 4, 5},
	{SIM_MAILBOX_GET_TIMESTAMP, 0, 0, 0},
	{SIM_MAILBOX_SET_TIMESTAMP, 1 << 3, 8, 8},
	{SIM_MAILBOX_GET_SUPPORTED_LOGS, 0, 0, 0},
	{SIM_MAILBOX_GET_LOG, 0, 24, 24},
	{SIM_MAILBOX_IDENTIFY, 0, 0, 0},
	{SIM_MAILBOX_GET_PARTITION, 0, 0, 0},
	{SIM_MAILBOX_GET_HEALTH, 0, 0, 0},
};

#define SIM_MAILBOX_ENTRIES (sizeof(entries) / sizeof(entries[0]))

static void sim_mailbox_put(struct sim_mailbox *mailbox, uint32_t offset, uint64_t value,
			    uint32_t size)
{
	for (uint32_t i = 0; i < size; i++)
		mailbox->payload[offset + i] = (uint8_t)(value >> (8 * i));
}

static uint64_t sim_mailbox_get(const struct sim_mailbox *mailbox, uint32_t offset, uint32_t size)
{
	uint64_t value = 0;

	for (uint32_t i = 0; i < size; i++)
		value |= (uint64_t)mailbox->payload[offset + i] << (8 * i);
	return value;
}

void sim_mailbox_init(struct sim_mailbox *mailbox, uint64_t capacity)
{
	memset(mailbox, 0, sizeof(*mailbox));
	mailbox->capacity = capacity / SIM_HDM_UNIT * SIM_HDM_UNIT;
}

/* CXL 8.2.9.9.1.1 */
static uint32_t sim_mailbox_identify(struct sim_mailbox *mailbox)
{
	static const char revision[] = "cxvm-accel-sim";
	uint64_t units = mailbox->capacity / SIM_HDM_UNIT;

	memset(mailbox->payload, 0, 69);
	memcpy(mailbox->payload, revision, sizeof(revision));
	sim_mailbox_put(mailbox, 16, units, 8); /* total */
	sim_mailbox_put(mailbox, 24, units, 8); /* volatile only */
	/* persistent only, partition alignment: 0; event logs of one record each */
	for (uint32_t i = 0; i < 4; i++)
		sim_mailbox_put(mailbox, 48 + 2 * i, 1, 2);
	return 69;
}

/* CXL 8.2.9.5.1: one log, the command effects log */
static uint32_t sim_mailbox_supported_logs(struct sim_mailbox *mailbox)
{
	memset(mailbox->payload, 0, 28);
	sim_mailbox_put(mailbox, 0, 1, 2);
	memcpy(mailbox->payload + 8, cel_uuid, sizeof(cel_uuid));
	sim_mailbox_put(mailbox, 24, SIM_MAILBOX_ENTRIES * 4, 4);
	return 28;
}

/* CXL 8.2.9.5.2 */
static uint32_t sim_mailbox_get_log(struct sim_mailbox *mailbox, uint16_t *code)
{
	uint64_t offset = sim_mailbox_get(mailbox, 16, 4);
	uint64_t length = sim_mailbox_get(mailbox, 20, 4);
	uint8_t log[SIM_MAILBOX_ENTRIES * 4];

	if (memcmp(mailbox->payload, cel_uuid, sizeof(cel_uuid)) != 0 || offset > sizeof(log) ||
	    length > sizeof(log) - offset) {
		*code = SIM_MAILBOX_INVALID_INPUT;
		return 0;
	}
	for (uint32_t i = 0; i < SIM_MAILBOX_ENTRIES; i++) {
		log[4 * i] = (uint8_t)entries[i].opcode;
		log[4 * i + 1] = (uint8_t)(entries[i].opcode >> 8);
		log[4 * i + 2] = (uint8_t)entries[i].effect;
		log[4 * i + 3] = (uint8_t)(entries[i].effect >> 8);
	}
	memcpy(mailbox->payload, log + offset, length);
	return (uint32_t)length;
}

static uint32_t sim_mailbox_timestamp(struct sim_mailbox *mailbox)
{
	uint64_t value = 0;

	/* CXL 8.2.9.4.1: 0 until it has been set */
	if (mailbox->timestamp_set)
		value = mailbox->timestamp + (sim_now_ns() - mailbox->timestamp_from);
	sim_mailbox_put(mailbox, 0, value, 8);
	return 8;
}

static uint32_t sim_mailbox_partition(struct sim_mailbox *mailbox)
{
	memset(mailbox->payload, 0, 32);
	sim_mailbox_put(mailbox, 0, mailbox->capacity / SIM_HDM_UNIT, 8);
	return 32;
}

/* Returns the length of the output, which is in the payload. */
static uint32_t sim_mailbox_execute(struct sim_mailbox *mailbox, uint16_t opcode, uint32_t length,
				    uint16_t *code)
{
	*code = SIM_MAILBOX_SUCCESS;
	switch (opcode) {
	case SIM_MAILBOX_GET_EVENT_RECORDS:
		if (mailbox->payload[0] > 3) {
			*code = SIM_MAILBOX_INVALID_INPUT;
			return 0;
		}
		memset(mailbox->payload, 0, 32); /* no records */
		return 32;
	case SIM_MAILBOX_CLEAR_EVENT_RECORDS:
		/* Nothing to clear by handle; "clear all" of an empty log is allowed. */
		if (mailbox->payload[0] > 3)
			*code = SIM_MAILBOX_INVALID_INPUT;
		else if (!(mailbox->payload[1] & 1) && mailbox->payload[2] != 0)
			*code = SIM_MAILBOX_INVALID_HANDLE;
		return 0;
	case SIM_MAILBOX_GET_EVENT_POLICY:
		memcpy(mailbox->payload, mailbox->event_policy, 4);
		return 4;
	case SIM_MAILBOX_SET_EVENT_POLICY:
		/* mode 1:0; the message number 7:4 is the device's choice: vector 0 */
		for (uint32_t i = 0; i < 4; i++)
			mailbox->event_policy[i] = mailbox->payload[i] & 0x3;
		return 0;
	case SIM_MAILBOX_GET_TIMESTAMP:
		return sim_mailbox_timestamp(mailbox);
	case SIM_MAILBOX_SET_TIMESTAMP:
		mailbox->timestamp = sim_mailbox_get(mailbox, 0, 8);
		mailbox->timestamp_from = sim_now_ns();
		mailbox->timestamp_set = true;
		return 0;
	case SIM_MAILBOX_GET_SUPPORTED_LOGS:
		return sim_mailbox_supported_logs(mailbox);
	case SIM_MAILBOX_GET_LOG:
		return sim_mailbox_get_log(mailbox, code);
	case SIM_MAILBOX_IDENTIFY:
		return sim_mailbox_identify(mailbox);
	case SIM_MAILBOX_GET_PARTITION:
		return sim_mailbox_partition(mailbox);
	case SIM_MAILBOX_GET_HEALTH:
		memset(mailbox->payload, 0, 18);
		sim_mailbox_put(mailbox, 4, 40, 2); /* degrees Celsius */
		return 18;
	default:
		*code = SIM_MAILBOX_UNSUPPORTED;
		(void)length;
		return 0;
	}
}

static void sim_mailbox_run(struct sim_mailbox *mailbox)
{
	uint16_t opcode = (uint16_t)mailbox->command;
	uint32_t length = (uint32_t)(mailbox->command >> 16) & 0x1fffff;
	uint32_t output = 0;

	mailbox->code = SIM_MAILBOX_UNSUPPORTED;
	for (uint32_t i = 0; i < SIM_MAILBOX_ENTRIES; i++) {
		if (entries[i].opcode != opcode)
			continue;
		if (length < entries[i].min_length || length > entries[i].max_length)
			mailbox->code = SIM_MAILBOX_INVALID_LENGTH;
		else
			output = sim_mailbox_execute(mailbox, opcode, length, &mailbox->code);
		break;
	}
	mailbox->command = opcode | (uint64_t)output << 16;
	mailbox->commands++;
}

uint32_t sim_mailbox_dword(const struct sim_mailbox *mailbox, uint32_t offset)
{
	switch (offset) {
	case SIM_MAILBOX_CAPABILITIES:
		return SIM_MAILBOX_PAYLOAD_LOG2; /* no interrupts: commands finish at once */
	case SIM_MAILBOX_COMMAND:
		return (uint32_t)mailbox->command;
	case SIM_MAILBOX_COMMAND + 4:
		return (uint32_t)(mailbox->command >> 32);
	case SIM_MAILBOX_STATUS + 4:
		return mailbox->code;
	default:
		break;
	}
	if (offset >= SIM_MAILBOX_DATA && offset <= SIM_MAILBOX_SIZE - 4)
		return (uint32_t)sim_mailbox_get(mailbox, offset - SIM_MAILBOX_DATA, 4);
	return 0;
}

void sim_mailbox_write(struct sim_mailbox *mailbox, uint32_t offset, uint32_t value, uint32_t mask)
{
	value &= mask;
	if (offset == SIM_MAILBOX_CONTROL) {
		if (value & 1)
			sim_mailbox_run(mailbox);
	} else if (offset == SIM_MAILBOX_COMMAND) {
		mailbox->command = (mailbox->command & ~(uint64_t)mask) | value;
	} else if (offset == SIM_MAILBOX_COMMAND + 4) {
		mailbox->command = (mailbox->command & ~((uint64_t)mask << 32)) | (uint64_t)value
											  << 32;
	} else if (offset >= SIM_MAILBOX_DATA && offset <= SIM_MAILBOX_SIZE - 4) {
		uint32_t at = offset - SIM_MAILBOX_DATA;

		value |= (uint32_t)sim_mailbox_get(mailbox, at, 4) & ~mask;
		sim_mailbox_put(mailbox, at, value, 4);
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "accel-sim/memory_device.h"

/* The mailbox as a driver sees it: through the device register block */

#define MAILBOX SIM_MEMDEV_MAILBOX_OFFSET

static struct sim_memory_device device;
static uint8_t payload[SIM_MAILBOX_PAYLOAD];
static uint32_t payload_length;

static void start(void)
{
	struct sim_options options;

	sim_options_defaults(&options);
	options.dpa_size = UINT64_C(1) << 30;
	sim_memory_device_init(&device, &options);
}

static uint64_t get(uint64_t offset, uint32_t size)
{
	uint64_t value = 0;

	cr_assert_eq(sim_memory_device_read(&device, offset, size, &value), 0);
	return value;
}

static uint16_t command(uint16_t opcode, const void *input, uint32_t length)
{
	uint64_t value = opcode | (uint64_t)length << 16;
	uint32_t doorbell = 1;

	if (length)
		cr_assert_eq(sim_memory_device_write(&device, MAILBOX + 0x20, length, input), 0);
	cr_assert_eq(sim_memory_device_write(&device, MAILBOX + 8, 8, &value), 0);
	cr_assert_eq(sim_memory_device_write(&device, MAILBOX + 4, 4, &doorbell), 0);
	cr_assert_eq(get(MAILBOX + 4, 4), 0, "the doorbell is clear when the command is done");
	payload_length = (uint32_t)(get(MAILBOX + 8, 8) >> 16);
	if (payload_length)
		sim_memory_device_read(&device, MAILBOX + 0x20, payload_length, payload);
	return (uint16_t)(get(MAILBOX + 0x10, 8) >> 32);
}

Test(mailbox, capability_array, .init = start)
{
	cr_assert_eq(get(0, 8) & 0xffff, 0);
	cr_assert_eq(get(0, 8) >> 32 & 0xffff, 3);
	cr_assert_eq(get(0x10, 4) & 0xffff, 1);
	cr_assert_eq(get(0x20, 4) & 0xffff, 2);
	cr_assert_eq(get(0x24, 4), MAILBOX);
	cr_assert_eq(get(0x30, 4) & 0xffff, 0x4000);
	cr_assert_eq(get(SIM_MEMDEV_MEMDEV_OFFSET, 8) & 0x1c, 0x14, "media and mailbox are ready");
	cr_assert_geq(1u << (get(MAILBOX, 4) & 0x1f), 256);
}

Test(mailbox, identify, .init = start)
{
	uint64_t value;

	cr_assert_eq(command(0x4000, NULL, 0), 0);
	cr_assert_geq(payload_length, 67);
	memcpy(&value, payload + 16, 8);
	cr_assert_eq(value, 4, "in units of 256 MiB");
	memcpy(&value, payload + 24, 8);
	cr_assert_eq(value, 4);
	memcpy(&value, payload + 32, 8);
	cr_assert_eq(value, 0);
	cr_assert_eq(command(0x4100, NULL, 0), 0);
	cr_assert_eq(payload_length, 32);
	cr_assert_eq(command(0x4200, NULL, 0), 0);
	cr_assert_eq(payload_length, 18);
}

Test(mailbox, logs, .init = start)
{
	uint8_t request[24] = {0};
	uint32_t size, offset = 0;

	cr_assert_eq(command(0x0400, NULL, 0), 0);
	cr_assert_eq(payload_length, 28);
	cr_assert_eq(payload[0], 1);
	memcpy(request, payload + 8, 16);
	memcpy(&size, payload + 24, 4);
	memcpy(request + 20, &size, 4);
	cr_assert_eq(command(0x0401, request, 24), 0);
	cr_assert_eq(payload_length, size);
	/* every opcode that the log names is accepted as a command of some length */
	for (offset = 0; offset < size; offset += 4) {
		uint8_t log[256];
		uint16_t opcode;

		memcpy(log, payload, size);
		opcode = (uint16_t)(log[offset] | log[offset + 1] << 8);
		cr_assert_neq(command(opcode, NULL, 0), 0x03, "%04x", opcode);
		memcpy(payload, log, size);
	}
	offset = 4;
	memcpy(request + 16, &offset, 4);
	cr_assert_eq(command(0x0401, request, 24), 0x02, "past the end of the log");
	request[0] ^= 1;
	cr_assert_eq(command(0x0401, request, 24), 0x02, "unknown log");
	cr_assert_eq(command(0x0401, request, 23), 0x16);
}

Test(mailbox, timestamp, .init = start)
{
	uint64_t set = 1700000000000000000u, now;

	cr_assert_eq(command(0x0300, NULL, 0), 0);
	memcpy(&now, payload, 8);
	cr_assert_eq(now, 0, "not set yet");
	cr_assert_eq(command(0x0301, &set, 8), 0);
	cr_assert_eq(command(0x0300, NULL, 0), 0);
	memcpy(&now, payload, 8);
	cr_assert(now >= set && now < set + 10000000000u);
	cr_assert_eq(command(0x0301, &set, 4), 0x16);
}

Test(mailbox, events, .init = start)
{
	uint8_t log = 0, policy[4] = {1, 1, 1, 1}, clear[8] = {0, 1};

	cr_assert_eq(command(0x0100, &log, 1), 0);
	cr_assert_eq(payload_length, 32);
	log = 4;
	cr_assert_eq(command(0x0100, &log, 1), 0x02);
	cr_assert_eq(command(0x0103, policy, 4), 0);
	cr_assert_eq(command(0x0102, NULL, 0), 0);
	cr_assert_eq(memcmp(payload, policy, 4), 0);
	cr_assert_eq(command(0x0101, clear, 8), 0);
	clear[1] = 0;
	clear[2] = 1;
	cr_assert_eq(command(0x0101, clear, 8), 0x0e);
}

Test(mailbox, nonsense, .init = start)
{
	uint32_t value = 0;

	cr_assert_eq(command(0xffff, NULL, 0), 0x03);
	cr_assert_eq(sim_memory_device_read(&device, 0x10000, 4, &value), -EINVAL);
	cr_assert_eq(sim_memory_device_read(&device, 0xfffe, 4, &value), -EINVAL);
	cr_assert_eq(sim_memory_device_read(&device, 1, 4, &value), -EINVAL);
	cr_assert_eq(sim_memory_device_read(&device, 0, 3, &value), -EINVAL);
}

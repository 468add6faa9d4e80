/* SPDX-License-Identifier: Apache-2.0 */
#include "accel-sim/memory_device.h"

#include <errno.h>
#include <string.h>

#define SIM_MEMDEV_BLOCK_SIZE   0x10000u
#define SIM_MEMDEV_STATUS_READY 0x14u /* CXL 8.2.8.5.1.1: media ready, mailbox interfaces ready */

/* CXL 8.2.8.1 and 8.2.8.2: array header, then 16 bytes per capability: id, version, offset, length
 */
static const uint32_t capability_array[] = {
	0x00010000,
	3,
	0,
	0,
	0x00010001,
	SIM_MEMDEV_STATUS_OFFSET,
	8,
	0,
	0x00010002,
	SIM_MEMDEV_MAILBOX_OFFSET,
	SIM_MAILBOX_SIZE,
	0,
	0x00014000,
	SIM_MEMDEV_MEMDEV_OFFSET,
	8,
	0,
};

void sim_memory_device_init(struct sim_memory_device *memory, const struct sim_options *options)
{
	sim_mailbox_init(&memory->mailbox, options->dpa_size);
}

void sim_memory_device_reset(struct sim_memory_device *memory)
{
	sim_mailbox_init(&memory->mailbox, memory->mailbox.capacity);
}

static uint32_t sim_memory_device_dword(const struct sim_memory_device *memory, uint32_t offset)
{
	if (offset < sizeof(capability_array))
		return capability_array[offset / 4];
	if (offset >= SIM_MEMDEV_MAILBOX_OFFSET &&
	    offset < SIM_MEMDEV_MAILBOX_OFFSET + SIM_MAILBOX_SIZE)
		return sim_mailbox_dword(&memory->mailbox, offset - SIM_MEMDEV_MAILBOX_OFFSET);
	if (offset == SIM_MEMDEV_MEMDEV_OFFSET)
		return SIM_MEMDEV_STATUS_READY;
	return 0; /* event status: no records */
}

static int sim_memory_device_check(uint64_t offset, uint32_t size)
{
	if (offset > SIM_MEMDEV_BLOCK_SIZE || size > SIM_MEMDEV_BLOCK_SIZE - offset || size == 0)
		return -EINVAL;
	/* The payload may be copied in any piece; registers want natural accesses. */
	if (offset >= SIM_MEMDEV_MAILBOX_OFFSET + SIM_MAILBOX_DATA &&
	    offset + size <= SIM_MEMDEV_MAILBOX_OFFSET + SIM_MAILBOX_SIZE)
		return 0;
	return size > 8 || (size & (size - 1)) != 0 || offset % size != 0 ? -EINVAL : 0;
}

int sim_memory_device_read(const struct sim_memory_device *memory, uint64_t offset, uint32_t size,
			   void *data)
{
	uint8_t *bytes = data;
	int result = sim_memory_device_check(offset, size);

	for (uint32_t i = 0; result == 0 && i < size; i++) {
		uint32_t at = (uint32_t)offset + i;

		bytes[i] = (uint8_t)(sim_memory_device_dword(memory, at & ~3u) >> (at % 4 * 8));
	}
	return result;
}

int sim_memory_device_write(struct sim_memory_device *memory, uint64_t offset, uint32_t size,
			    const void *data)
{
	const uint8_t *bytes = data;
	uint32_t end = (uint32_t)offset + size, at = (uint32_t)offset;
	int result = sim_memory_device_check(offset, size);

	while (result == 0 && at < end) {
		uint32_t dword = at & ~3u, value = 0, mask = 0;

		for (; at < end && at < dword + 4; at++) {
			value |= (uint32_t)bytes[at - (uint32_t)offset] << (at % 4 * 8);
			mask |= 0xffu << (at % 4 * 8);
		}
		if (dword >= SIM_MEMDEV_MAILBOX_OFFSET &&
		    dword < SIM_MEMDEV_MAILBOX_OFFSET + SIM_MAILBOX_SIZE)
			sim_mailbox_write(&memory->mailbox, dword - SIM_MEMDEV_MAILBOX_OFFSET,
					  value, mask);
	}
	return result;
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ACCEL_SIM_MEMORY_DEVICE_H
#define ACCEL_SIM_MEMORY_DEVICE_H

#include "accel-sim/mailbox.h"

/*
 * The device register block of the memory personality (CXL 8.2.8): capability array, device status,
 * primary mailbox, memory device status.
 */

#define SIM_MEMDEV_STATUS_OFFSET  0x0100u
#define SIM_MEMDEV_MAILBOX_OFFSET 0x0200u
#define SIM_MEMDEV_MEMDEV_OFFSET  0x1000u

struct sim_memory_device {
	struct sim_mailbox mailbox;
};

/* sim_memory_device_init() - power-on state. */
void sim_memory_device_init(struct sim_memory_device *memory, const struct sim_options *options);

/* sim_memory_device_reset() - a reset of the function. */
void sim_memory_device_reset(struct sim_memory_device *memory);

/*
 * sim_memory_device_read(), sim_memory_device_write() - naturally aligned accesses of 1, 2, 4 or 8
 * bytes; the mailbox payload takes any. -EINVAL otherwise.
 */
int sim_memory_device_read(const struct sim_memory_device *memory, uint64_t offset, uint32_t size,
			   void *data);
int sim_memory_device_write(struct sim_memory_device *memory, uint64_t offset, uint32_t size,
			    const void *data);

#endif

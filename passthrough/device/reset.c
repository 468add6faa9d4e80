/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <string.h>
#include <time.h>

#include "core/bytes.h"
#include "core/clock.h"
#include "passthrough/device/internal.h"

#define RESET_TRIES    20u
#define RESET_PAUSE_NS (10 * CLOCK_NS_PER_MS)
/* No more tries after this long: the guest's other devices wait for the root's lock. */
#define RESET_RETRY_NS CLOCK_NS_PER_SECOND

static int device_alive(struct passthrough_device *device)
{
	uint8_t vendor[2] = {UINT8_MAX, UINT8_MAX};
	int result = device->transport->ops->region_read(
		device->transport, VFIO_PCI_CONFIG_REGION_INDEX, PCI_VENDOR_ID, vendor, 2);

	if (!result && bytes_get_le16(vendor) == UINT16_MAX)
		result = -EIO;
	return result;
}

static void write_command(struct passthrough_device *device, uint16_t command)
{
	uint8_t bytes[2];

	bytes_put_le16(bytes, command);
	device->transport->ops->region_write(device->transport, VFIO_PCI_CONFIG_REGION_INDEX,
					     PCI_COMMAND, bytes, 2, true);
}

int passthrough_reset_transport(struct passthrough_device *device)
{
	const struct timespec pause = {.tv_nsec = RESET_PAUSE_NS};
	uint16_t command = bytes_get_le16(device->pci.config + PCI_COMMAND);
	uint64_t start = clock_now_ns();
	enum passthrough_state before;
	int result = passthrough_life_begin_reset(&device->life, &before);

	if (result)
		return result;
	/*
	 * Its DMA ends here, also when the reset fails. VFIO puts back after a reset what Command
	 * held before it.
	 */
	write_command(device, command & (uint16_t) ~(PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY |
						     PCI_COMMAND_IO));
	result = -EAGAIN;
	/* VFIO answers EAGAIN, at once, while a page fault holds the device's memory lock. */
	for (unsigned int i = 0; i < RESET_TRIES && result == -EAGAIN; i++) {
		if (clock_now_ns() - start >= RESET_RETRY_NS)
			break;
		if (i)
			nanosleep(&pause, NULL);
		result = device->transport->ops->reset(device->transport);
	}
	/* A CXL reset leaves the guest's Command as it is; the others have cleared it. */
	if (command && !passthrough_life_is_lost(&device->life))
		write_command(device, command);
	passthrough_life_move(&device->life, PASSTHROUGH_RESETTING, before); /* unless it is lost */
	passthrough_count(device->counts.resets);
	if (result) {
		log_limited(device->environment.logger, &device->limit, LOG_LEVEL_WARNING,
			    device->id, "reset failed: %s; the device keeps its state",
			    strerror(-result));
		return result;
	}
	result = device_alive(device);
	if (result == -EIO)
		passthrough_lost(device, "it does not answer after a reset");
	return result;
}

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

int passthrough_reset_transport(struct passthrough_device *device)
{
	const struct timespec pause = {.tv_nsec = RESET_PAUSE_NS};
	uint64_t start = clock_now_ns();
	enum passthrough_state before;
	int result = passthrough_life_begin_reset(&device->life, &before);

	if (result)
		return result;
	result = -EAGAIN;
	/* VFIO answers EAGAIN, at once, while a page fault holds the device's memory lock. */
	for (unsigned int i = 0; i < RESET_TRIES && result == -EAGAIN; i++) {
		if (clock_now_ns() - start >= RESET_RETRY_NS)
			break;
		if (i)
			nanosleep(&pause, NULL);
		result = device->transport->ops->reset(device->transport);
	}
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

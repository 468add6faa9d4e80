/* SPDX-License-Identifier: Apache-2.0 */
#include "passthrough/device/internal.h"

static void want_attention(struct passthrough_device *device)
{
	if (device->environment.attention)
		device->environment.attention(device->environment.opaque, device);
}

/*
 * From inside any operation of the transport, with whatever locks its caller holds: only mark it.
 * Everything that needs a lock is left to passthrough_serve().
 */
void passthrough_lost(void *opaque, const char *reason)
{
	struct passthrough_device *device = opaque;

	if (!passthrough_life_lose(&device->life, reason))
		return;
	log_error(device->environment.logger, device->id,
		  "the device is lost: %s. It reads all-ones from now on; other devices go on",
		  passthrough_life_reason(&device->life));
	want_attention(device);
}

void passthrough_requested(void *opaque)
{
	struct passthrough_device *device = opaque;

	passthrough_lost(device, "the host took it back");
	atomic_store(&device->wanted_back, true);
	want_attention(device);
}

/*
 * Register windows go, so that the driver sees all-ones as on a surprise removal. Committed device
 * memory stays: its pages are still there, and the guest's kernel may live in it.
 */
static void clean_up(struct passthrough_device *device)
{
	pthread_mutex_lock(&device->lock);
	windows_take_registers(device);
	pthread_mutex_unlock(&device->lock);
	if (device->environment.lost)
		device->environment.lost(device->environment.opaque, device,
					 passthrough_life_reason(&device->life));
}

/*
 * Whatever keeps the host's driver waiting goes: interrupts, windows, device memory (the guest
 * reads all-ones there from now on), DMA mappings, descriptors. The function stays on its bus,
 * lost, as after a surprise removal.
 */
static void give_back(struct passthrough_device *device)
{
	struct pci_root *root = device->pci.root;

	if (root)
		pci_root_lock(root);
	passthrough_stop_irqs(device);
	if (root)
		pci_root_unlock(root);
	pthread_mutex_lock(&device->lock);
	windows_take_all(device);
	windows_unmap(device);
	pthread_mutex_unlock(&device->lock);
	if (device->transport->ops->release)
		device->transport->ops->release(device->transport);
	/* After the release, which ends the map of a device that was alone in its address space. */
	passthrough_unmap_ram(device);
	log_warning(device->environment.logger, device->id, "given back to the host");
	if (device->environment.returned)
		device->environment.returned(device->environment.opaque, device);
}

void passthrough_serve(struct passthrough_device *device)
{
	if (passthrough_life_move(&device->life, PASSTHROUGH_LOST, PASSTHROUGH_GONE))
		clean_up(device);
	if (atomic_load(&device->wanted_back) &&
	    passthrough_life_move(&device->life, PASSTHROUGH_GONE, PASSTHROUGH_RETURNED))
		give_back(device);
}

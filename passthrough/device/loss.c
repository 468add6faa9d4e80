/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "passthrough/device/internal.h"

/* How long the vCPUs try again what the host refuses, and what ends a series of such tries. */
#define FAULT_PATIENCE_NS   (500u * 1000 * 1000)
#define FAULT_SERIES_GAP_NS (100u * 1000 * 1000)

bool passthrough_is_lost(const struct passthrough_device *device)
{
	return __atomic_load_n(&device->lost, __ATOMIC_ACQUIRE);
}

static void want_attention(struct passthrough_device *device)
{
	if (device->environment.attention)
		device->environment.attention(device->environment.opaque, device);
}

/*
 * From inside any operation of the transport, with whatever locks its caller holds: only mark it.
 * Everything that needs a lock is left to passthrough_serve(). The reason is there before the mark,
 * so that whoever sees the mark sees the first reason.
 */
void passthrough_lost(void *opaque, const char *reason)
{
	struct passthrough_device *device = opaque;
	const char *first = NULL;

	if (__atomic_compare_exchange_n(&device->lost_reason, &first, reason, false,
					__ATOMIC_RELEASE, __ATOMIC_ACQUIRE))
		first = reason;
	if (__atomic_exchange_n(&device->lost, true, __ATOMIC_ACQ_REL))
		return;
	__atomic_store_n(&device->counters.lost, 1, __ATOMIC_RELAXED);
	log_error(device->environment.logger, device->id,
		  "the device is lost: %s. It reads all-ones from now on; other devices go on",
		  first);
	want_attention(device);
}

void passthrough_requested(void *opaque)
{
	struct passthrough_device *device = opaque;

	passthrough_lost(device, "the host took it back");
	__atomic_store_n(&device->wanted_back, true, __ATOMIC_RELEASE);
	want_attention(device);
}

/*
 * Register windows go, so that the driver sees all-ones as on a surprise removal. Committed device
 * memory stays: its pages are still there, and the guest's kernel may live in it.
 */
static void clean_up(struct passthrough_device *device)
{
	pthread_mutex_lock(&device->lock);
	passthrough_remove_windows(device);
	pthread_mutex_unlock(&device->lock);
	if (device->environment.lost)
		device->environment.lost(device->environment.opaque, device,
					 __atomic_load_n(&device->lost_reason, __ATOMIC_ACQUIRE));
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
	passthrough_remove_windows(device);
	passthrough_remove_dpa(device);
	passthrough_unmap_windows(device);
	passthrough_unmap_dpa(device);
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
	if (!passthrough_is_lost(device))
		return;
	if (!__atomic_exchange_n(&device->lost_reported, true, __ATOMIC_ACQ_REL))
		clean_up(device);
	if (__atomic_exchange_n(&device->wanted_back, false, __ATOMIC_ACQ_REL))
		give_back(device);
}

static bool fault_within(uint64_t gpa, uint64_t base, uint64_t size)
{
	return gpa == PASSTHROUGH_GPA_UNKNOWN || (gpa >= base && gpa - base < size);
}

/*
 * Under device->lock: is there a window at @gpa (PASSTHROUGH_GPA_UNKNOWN: anywhere)? @gone: or was
 * there one, or may there have been.
 */
static bool fault_in_window(const struct passthrough_device *device, uint64_t gpa, bool gone)
{
	for (unsigned int i = 0; i < PCI_BAR_COUNT; i++) {
		for (uint32_t j = 0; j < device->bars[i].part_count; j++) {
			const struct passthrough_part *part = &device->bars[i].parts[j];

			if ((part->window_mapped || gone) &&
			    fault_within(gpa, part->gpa, part->segment.size))
				return true;
		}
	}
	for (unsigned int i = 0; i < HDM_DECODER_MAX; i++)
		if (device->dpa[i].mapped &&
		    fault_within(gpa, device->dpa[i].gpa, device->dpa[i].size))
			return true;
	return gone && fault_within(gpa, device->window_base, device->window_size);
}

/* Under device->lock: whether some mapping has lost the file behind it. */
static bool fault_any_broken(const struct passthrough_device *device)
{
	const struct vfio_transport_ops *ops = device->transport->ops;

	for (unsigned int i = 0; i < PCI_BAR_COUNT; i++)
		for (uint32_t j = 0; j < device->bars[i].part_count; j++)
			if (device->bars[i].parts[j].window_mapped &&
			    !ops->mapping_intact(device->transport, i))
				return true;
	for (unsigned int i = 0; i < HDM_DECODER_MAX; i++)
		if (device->dpa[i].mapped &&
		    !ops->mapping_intact(device->transport, device->record.memory_region))
			return true;
	return false;
}

/*
 * Under device->lock: whether the host's refusal may be over in a moment. Resets close the memory
 * for a while, and after a CXL reset, or one that somebody else asked for, the guest has no reason
 * to enable decoding once more: what is taken away for it would be gone for good.
 */
static bool fault_may_pass(struct passthrough_device *device)
{
	uint64_t now = passthrough_now();

	if (now - device->fault_last > FAULT_SERIES_GAP_NS)
		device->fault_since = now;
	device->fault_last = now;
	return __atomic_load_n(&device->resetting, __ATOMIC_ACQUIRE) ||
	       now - device->fault_since < FAULT_PATIENCE_NS;
}

int passthrough_handle_fault(struct passthrough_device *device, uint64_t gpa)
{
	const struct timespec pause = {.tv_nsec = 1000 * 1000};
	bool gated = device->transport->ops->gates_memory;
	bool ours, again;

	pthread_mutex_lock(&device->lock);
	ours = fault_in_window(device, gpa, false);
	if (ours && gpa == PASSTHROUGH_GPA_UNKNOWN && !gated)
		ours = fault_any_broken(device);
	if (ours)
		again = gated && fault_may_pass(device);
	else
		/* Another vCPU may have taken the window away since: it is no fault next time. */
		again = (gated || passthrough_is_lost(device) || gpa != PASSTHROUGH_GPA_UNKNOWN) &&
			fault_in_window(device, gpa, true) && fault_may_pass(device);
	if (ours && !again) {
		passthrough_remove_windows(device);
		passthrough_remove_dpa(device);
		device->windows_withdrawn = true;
	}
	pthread_mutex_unlock(&device->lock);
	if (again) {
		nanosleep(&pause, NULL);
		return 0;
	}
	if (!ours)
		return -ENOENT;
	if (!gated) {
		passthrough_lost(device, "the memory behind one of its windows is gone");
		return 0;
	}
	/* Decoding is off, or a reset does not end: all-ones until the guest enables it again. */
	log_limited(
		device->environment.logger, &device->limit, LOG_LEVEL_WARNING, device->id,
		"the guest touched it (guest address %#llx) while the host does not let it; its "
		"windows are gone until the guest enables memory decoding again",
		(unsigned long long)gpa);
	return 0;
}

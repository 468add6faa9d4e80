/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>

#include "passthrough/device/internal.h"
#include "wire/vfio_cxl.h"
#include "passthrough/discover/window_placement.h"

/*
 * The device memory is mapped into this process once and whole, at an address that allows the
 * largest pages, and never touched by it: on real hardware a stray access can take the host down.
 */
int passthrough_map_dpa(struct passthrough_device *device)
{
	uint64_t size = device->facts.dpa_size;
	uint64_t congruent = device->geometry.base % device->facts.window_align;
	uint64_t reserve = window_host_slack(size, device->facts.window_align);
	void *reserved;
	int result;

	if (!reserve)
		return -EINVAL;
	if (congruent)
		device->facts.window_align = WINDOW_GRANULARITY;
	reserved =
		mmap(NULL, reserve, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (reserved == MAP_FAILED)
		return -errno;
	device->dpa_reserved = reserved;
	device->dpa_reserved_size = reserve;
	device->dpa_host = (void *)(uintptr_t)window_host_start((uint64_t)(uintptr_t)reserved,
								window_alignment(size), congruent);
	result = device->transport->ops->map(device->transport, device->record.memory_region, 0,
					     size, &device->dpa_host, &device->dpa_fd,
					     &device->dpa_fd_offset);
	if (result) {
		device->dpa_host = NULL;
		log_error(device->environment.logger, device->id,
			  "the device memory of %#llx bytes cannot be mapped: %s",
			  (unsigned long long)size, strerror(-result));
	}
	return result;
}

/* Under device->lock: one memory slot, whatever the size, and the DMA mapping. */
static int dpa_map(struct passthrough_device *device, unsigned int decoder)
{
	struct passthrough_dpa *dpa = &device->dpa[decoder];
	struct guest_window window = {
		.name = dpa->name,
		.kind = GUEST_WINDOW_DPA,
		.gpa = dpa->gpa,
		.size = dpa->size,
		.host = (uint8_t *)device->dpa_host + dpa->dpa,
	};
	int result;

	if (!device->dpa_host)
		return -ENODEV; /* the host took it back just now */
	snprintf(dpa->name, sizeof(dpa->name), "%.24s DPA %u", device->id, decoder);
	result = guest_memory_map_window(device->environment.memory, &window, &dpa->window);
	if (result)
		return result;
	dpa->mapped = true;
	if (device->options.dma_dpa == PASSTHROUGH_DMA_TRY)
		dpa->dma_mapped = passthrough_dma_map_memory(
			device, dpa->gpa, dpa->size, window.host, device->dpa_fd,
			device->dpa_fd_offset + dpa->dpa, "device memory");
	return 0;
}

/* Under device->lock. */
static void dpa_unmap(struct passthrough_device *device, struct passthrough_dpa *dpa)
{
	/* The device first: nothing may reach memory that the guest has given up. */
	if (dpa->dma_mapped)
		passthrough_dma_unmap_memory(device, dpa->gpa, dpa->size);
	if (dpa->mapped)
		guest_memory_unmap_window(device->environment.memory, dpa->window);
	dpa->mapped = dpa->dma_mapped = false;
}

/* Under the HDM block's lock: a decoder was committed. */
static int dpa_committed(void *opaque, unsigned int decoder, const struct hdm_decoder_range *range)
{
	struct passthrough_device *device = opaque;
	struct passthrough_dpa *dpa = &device->dpa[decoder];
	int result;

	if (range->dpa >= device->facts.dpa_size || passthrough_is_lost(device))
		return -EINVAL;
	pthread_mutex_lock(&device->lock);
	dpa->gpa = range->base;
	dpa->dpa = range->dpa;
	/* The device may end inside the last 256 MiB of the decoder: all-ones behind it. */
	dpa->size = device->facts.dpa_size - range->dpa;
	if (dpa->size > range->size)
		dpa->size = range->size;
	result = dpa_map(device, decoder);
	dpa->committed = !result;
	if (!result)
		passthrough_count(device->counters.commits);
	pthread_mutex_unlock(&device->lock);
	if (result)
		log_limited(device->environment.logger, &device->limit, LOG_LEVEL_WARNING,
			    device->id,
			    "HDM decoder %u cannot be committed at %#llx (%#llx bytes): %s",
			    decoder, (unsigned long long)range->base,
			    (unsigned long long)range->size, strerror(-result));
	return result;
}

static void dpa_decommitted(void *opaque, unsigned int decoder)
{
	struct passthrough_device *device = opaque;
	struct passthrough_dpa *dpa = &device->dpa[decoder];

	pthread_mutex_lock(&device->lock);
	if (dpa->committed)
		passthrough_count(device->counters.decommits);
	dpa_unmap(device, dpa);
	dpa->committed = false;
	pthread_mutex_unlock(&device->lock);
}

void passthrough_remove_dpa(struct passthrough_device *device)
{
	for (unsigned int i = 0; i < HDM_DECODER_MAX; i++)
		dpa_unmap(device, &device->dpa[i]);
}

void passthrough_restore_dpa(struct passthrough_device *device)
{
	pthread_mutex_lock(&device->lock);
	for (unsigned int i = 0; i < HDM_DECODER_MAX; i++) {
		if (!device->dpa[i].committed || device->dpa[i].mapped)
			continue;
		if (dpa_map(device, i))
			log_limited(device->environment.logger, &device->limit, LOG_LEVEL_WARNING,
				    device->id, "HDM decoder %u: its memory does not come back", i);
	}
	pthread_mutex_unlock(&device->lock);
}

/* What firmware did on the host, once more for the guest: committed and locked at the window. */
int passthrough_commit_firmware(struct passthrough_device *device)
{
	if (!device->facts.firmware_committed || passthrough_is_lost(device))
		return 0;
	return hdm_decoder_firmware_commit(&device->hdm, 0, device->window_base,
					   device->facts.window_size, device->geometry.host_only,
					   true);
}

bool passthrough_file_stays(int fd)
{
	struct statfs status;
	int seals = fd < 0 ? -1 : fcntl(fd, F_GET_SEALS);

	/* Huge pages come from a pool: one that was punched out may not come back. */
	return seals >= 0 && (seals & F_SEAL_SHRINK) && !fstatfs(fd, &status) &&
	       status.f_type == TMPFS_MAGIC;
}

/*
 * memory=node: emulated devices read and write buffers that the guest's kernel puts there. Only in
 * memory that cannot vanish under this process: a file that its server could shrink, or a device
 * that refuses accesses while it is gated, would end it with a signal.
 */
int passthrough_lend_dpa(struct passthrough_device *device)
{
	if (device->facts.memory != PASSTHROUGH_MEMORY_NODE || !device->environment.memory)
		return 0;
	if (!device->transport->ops->gates_memory && passthrough_file_stays(device->dpa_fd))
		return guest_memory_lend(device->environment.memory, device->window_base,
					 device->facts.dpa_size, device->dpa_host);
	log_warning(device->environment.logger, device->id,
		    "memory=node: its memory is not sealed against vanishing, so virtio devices do "
		    "not use buffers that the guest puts there; use no virtio devices, or boot the "
		    "guest with movable_node and keep its I/O out of that node");
	return 0;
}

/* CXL 8.1.3.4: the guest asked for a CXL reset. Under the root's lock. */
static int cxl_reset_requested(void *opaque)
{
	struct passthrough_device *device = opaque;
	int result;

	cxl_component_reset(&device->component);
	result = passthrough_reset_transport(device);
	/* Unlike with other resets the BARs stay where they are. */
	if (!result)
		passthrough_renew_windows_dma(device);
	if (!result)
		result = passthrough_commit_firmware(device);
	return result;
}

int passthrough_plug_cxl(struct passthrough_device *device, const struct passthrough_place *place)
{
	struct hdm_decoder_options hdm = {
		.count = device->geometry.decoders,
		.dpa_size = device->facts.window_size,
		.window_base = place->window_base,
		.window_size = place->window_size,
		.device_coherent = !device->geometry.host_only,
		.host_only = device->geometry.host_only,
		.committed = dpa_committed,
		.decommitted = dpa_decommitted,
		.opaque = device,
	};
	struct cxl_dvsec_options dvsec = {
		.committed = device->facts.firmware_committed,
		.range_base = place->window_base,
		.range_size = device->facts.window_size,
		.reset_capable = true,
		.reset = cxl_reset_requested,
		.opaque = device,
	};
	struct cxl_component_options component = {.ras = true, .link = true, .hdm = &device->hdm};
	uint64_t end;
	int result;

	if (place->window_base % WINDOW_GRANULARITY ||
	    place->window_size < device->facts.window_size ||
	    __builtin_add_overflow(place->window_base, place->window_size, &end)) {
		log_error(device->environment.logger, device->id,
			  "CXL window %#llx+%#llx does not fit %#llx bytes of device memory",
			  (unsigned long long)place->window_base,
			  (unsigned long long)place->window_size,
			  (unsigned long long)device->facts.dpa_size);
		return -EINVAL;
	}
	device->window_base = place->window_base;
	device->window_size = place->window_size;
	result =
		cxl_dvsec_body_init(&device->dvsec, device->config + device->config_facts.cxl_dvsec,
				    device->config_facts.cxl_dvsec_length, &dvsec);
	if (result) {
		log_error(device->environment.logger, device->id,
			  "its CXL device DVSEC is too short or says that it has no memory");
		return result;
	}
	result = hdm_decoder_init(&device->hdm, &hdm);
	if (result)
		return result;
	result = cxl_component_init(&device->component, &component);
	if (result) {
		hdm_decoder_destroy(&device->hdm);
		return result;
	}
	device->cxl_ready = true;
	return 0;
}

void passthrough_reset_cxl(struct passthrough_device *device)
{
	if (!device->cxl_ready)
		return;
	cxl_component_reset(&device->component);
	cxl_dvsec_body_reset(&device->dvsec);
}

void passthrough_release_cxl(struct passthrough_device *device)
{
	if (device->cxl_ready) {
		hdm_decoder_reset(&device->hdm);
		cxl_component_destroy(&device->component);
		hdm_decoder_destroy(&device->hdm);
		device->cxl_ready = false;
	}
	passthrough_unmap_dpa(device);
}

void passthrough_unmap_dpa(struct passthrough_device *device)
{
	if (device->dpa_reserved)
		munmap(device->dpa_reserved, device->dpa_reserved_size);
	device->dpa_reserved = NULL;
	device->dpa_host = NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "core/ranges.h"
#include "passthrough/device/internal.h"
#include "passthrough/discover/window_placement.h"

/*
 * The device memory is mapped into this process once and whole, at an address that allows the
 * largest pages, and never touched by it: on real hardware a stray access can take the host down.
 */
int passthrough_map_memory(struct passthrough_device *device)
{
	uint64_t size = device->facts.dpa_size;
	uint64_t congruent = device->geometry.base % device->facts.window_align;
	uint64_t reserve = window_host_slack(size, device->facts.window_align);
	struct window *whole =
		window_add(device, GUEST_WINDOW_DPA, device->record.memory_region, 0, size);
	void *reserved;
	int result;

	if (!reserve || !whole)
		return -EINVAL;
	if (congruent)
		device->facts.window_align = WINDOW_GRANULARITY;
	reserved =
		mmap(NULL, reserve, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (reserved == MAP_FAILED)
		return -errno;
	whole->reserved = reserved;
	whole->reserved_size = reserve;
	whole->host = (void *)(uintptr_t)window_host_start((uint64_t)(uintptr_t)reserved,
							   window_alignment(size), congruent);
	result = window_map(device, whole);
	if (result) {
		log_error(device->environment.logger, device->id,
			  "the device memory of 0x%" PRIx64 " bytes cannot be mapped: %s", size,
			  strerror(-result));
		return result;
	}
	device->memory = whole;
	device->decoders = whole + 1;
	for (unsigned int i = 0; i < HDM_DECODER_MAX; i++) {
		struct window *window = window_add(device, GUEST_WINDOW_DPA, whole->region, 0, 0);

		if (!window)
			return -EINVAL;
		snprintf(window->name, sizeof(window->name), "%.24s DPA %u", device->id, i);
	}
	return 0;
}

/* Under the HDM block's lock: a decoder was committed. */
static int memory_committed(void *opaque, unsigned int decoder,
			    const struct hdm_decoder_range *range)
{
	struct passthrough_device *device = opaque;
	struct window *window = &device->decoders[decoder];
	/* The device may end inside the last 256 MiB of the decoder: all-ones behind it. */
	uint64_t size = device->facts.dpa_size - range->dpa;
	int result;

	if (range->dpa >= device->facts.dpa_size || passthrough_life_is_lost(&device->life))
		return -EINVAL;
	pthread_mutex_lock(&device->lock);
	if (window->in_guest) /* left over from a removal that failed */
		window_take(device, window);
	result = window_slice(window, device->memory, range->dpa,
			      size < range->size ? size : range->size);
	if (!result)
		result = window_give(device, window, range->base);
	if (result && !window->in_guest)
		window->size = 0;
	else if (!result)
		passthrough_count(device->counts.commits);
	pthread_mutex_unlock(&device->lock);
	if (result)
		log_limited(device->environment.logger, &device->limit, LOG_LEVEL_WARNING,
			    device->id,
			    "HDM decoder %u cannot be committed at 0x%" PRIx64 " (0x%" PRIx64
			    " bytes): %s",
			    decoder, range->base, range->size, strerror(-result));
	return result;
}

static void memory_decommitted(void *opaque, unsigned int decoder)
{
	struct passthrough_device *device = opaque;
	struct window *window = &device->decoders[decoder];

	pthread_mutex_lock(&device->lock);
	if (window->size)
		passthrough_count(device->counts.decommits);
	window_take(device, window);
	if (!window->in_guest)
		window->size = 0;
	pthread_mutex_unlock(&device->lock);
}

void passthrough_restore_memory(struct passthrough_device *device)
{
	pthread_mutex_lock(&device->lock);
	for (unsigned int i = 0; device->decoders && i < HDM_DECODER_MAX; i++) {
		struct window *window = &device->decoders[i];

		if (!window->size || window->in_guest)
			continue;
		if (window_give(device, window, window->gpa))
			log_limited(device->environment.logger, &device->limit, LOG_LEVEL_WARNING,
				    device->id, "HDM decoder %u: its memory does not come back", i);
	}
	pthread_mutex_unlock(&device->lock);
}

/* What firmware did on the host, once more for the guest: committed and locked at the window. */
int passthrough_commit_firmware(struct passthrough_device *device)
{
	if (!device->facts.firmware_committed || passthrough_life_is_lost(&device->life))
		return 0;
	return hdm_decoder_firmware_commit(&device->cxl->hdm, 0, device->cxl->window_base,
					   device->facts.window_size, device->geometry.host_only,
					   true);
}

bool passthrough_file_stays(int fd, uint64_t end)
{
	struct statfs status;
	struct stat file;
	int seals = fd < 0 ? -1 : fcntl(fd, F_GET_SEALS);

	/* Huge pages come from a pool: one that was punched out may not come back. */
	if (seals < 0 || !(seals & F_SEAL_SHRINK) || fstatfs(fd, &status) ||
	    status.f_type != TMPFS_MAGIC)
		return false;
	/* After the seal was seen: a server could have shrunk it before it sealed it. */
	return !fstat(fd, &file) && (uint64_t)file.st_size >= end;
}

/*
 * memory=node: emulated devices read and write buffers that the guest's kernel puts there. Only in
 * memory that cannot vanish under this process: a file that its server could shrink, or a device
 * that refuses accesses while it is gated, would end it with a signal.
 */
int passthrough_lend_memory(struct passthrough_device *device)
{
	if (device->facts.memory != PASSTHROUGH_MEMORY_NODE || !device->environment.memory)
		return 0;
	if (!device->transport->ops->gates_memory &&
	    passthrough_file_stays(device->memory->fd,
				   device->memory->fd_offset + device->facts.dpa_size))
		return guest_memory_lend(device->environment.memory, device->cxl->window_base,
					 device->facts.dpa_size, device->memory->host);
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

	cxl_component_reset(&device->cxl->component);
	result = passthrough_reset_transport(device);
	/* Unlike with other resets the BARs stay where they are. */
	if (!result)
		passthrough_renew_bars(device);
	if (!result)
		result = passthrough_commit_firmware(device);
	return result;
}

static int check_place(const struct passthrough_device *device,
		       const struct passthrough_place *place)
{
	uint64_t end;

	if (is_aligned(place->window_base, WINDOW_GRANULARITY) &&
	    place->window_size >= device->facts.window_size &&
	    !__builtin_add_overflow(place->window_base, place->window_size, &end))
		return 0;
	log_error(device->environment.logger, device->id,
		  "CXL window 0x%" PRIx64 "+0x%" PRIx64 " does not fit 0x%" PRIx64
		  " bytes of device memory",
		  place->window_base, place->window_size, device->facts.dpa_size);
	return -EINVAL;
}

static int init_dvsec(struct passthrough_device *device, struct passthrough_cxl *cxl)
{
	const struct cxl_dvsec_options options = {
		.committed = device->facts.firmware_committed,
		.range_base = cxl->window_base,
		.range_size = device->facts.window_size,
		.reset_capable = true,
		.reset = cxl_reset_requested,
		.opaque = device,
	};
	int result =
		cxl_dvsec_body_init(&cxl->dvsec, device->config + device->config_facts.cxl_dvsec,
				    device->config_facts.cxl_dvsec_length, &options);

	if (result)
		log_error(device->environment.logger, device->id,
			  "its CXL device DVSEC is too short or says that it has no memory");
	return result;
}

static int init_component(struct passthrough_device *device, struct passthrough_cxl *cxl)
{
	const struct hdm_decoder_options hdm = {
		.count = device->geometry.decoders,
		.dpa_size = device->facts.window_size,
		.window_base = cxl->window_base,
		.window_size = cxl->window_size,
		.device_coherent = !device->geometry.host_only,
		.host_only = device->geometry.host_only,
		.committed = memory_committed,
		.decommitted = memory_decommitted,
		.opaque = device,
	};
	const struct cxl_component_options component = {
		.ras = true, .link = true, .hdm = &cxl->hdm};
	int result = hdm_decoder_init(&cxl->hdm, &hdm);

	if (result)
		return result;
	result = cxl_component_init(&cxl->component, &component);
	if (result)
		hdm_decoder_destroy(&cxl->hdm);
	return result;
}

int passthrough_plug_cxl(struct passthrough_device *device, const struct passthrough_place *place)
{
	struct passthrough_cxl *cxl;
	int result = check_place(device, place);

	if (result)
		return result;
	cxl = calloc(1, sizeof(*cxl));
	if (!cxl)
		return -ENOMEM;
	cxl->window_base = place->window_base;
	cxl->window_size = place->window_size;
	result = init_dvsec(device, cxl);
	if (!result)
		result = init_component(device, cxl);
	if (result) {
		free(cxl);
		return result;
	}
	device->cxl = cxl;
	return 0;
}

void passthrough_reset_cxl(struct passthrough_device *device)
{
	if (!device->cxl)
		return;
	cxl_component_reset(&device->cxl->component);
	cxl_dvsec_body_reset(&device->cxl->dvsec);
}

void passthrough_release_cxl(struct passthrough_device *device)
{
	struct passthrough_cxl *cxl = device->cxl;

	if (!cxl)
		return;
	hdm_decoder_reset(&cxl->hdm);
	cxl_component_destroy(&cxl->component);
	hdm_decoder_destroy(&cxl->hdm);
	device->cxl = NULL;
	free(cxl);
}

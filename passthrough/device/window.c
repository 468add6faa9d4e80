/* SPDX-License-Identifier: Apache-2.0 */
#include "passthrough/device/window.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "core/ranges.h"
#include "passthrough/device/internal.h"

int windows_create(struct passthrough_device *device, uint32_t count)
{
	if (!count)
		return 0;
	device->windows = calloc(count, sizeof(*device->windows));
	if (!device->windows)
		return -ENOMEM;
	device->window_room = count;
	return 0;
}

struct window *window_add(struct passthrough_device *device, enum guest_window_kind kind,
			  uint32_t region, uint64_t offset, uint64_t size)
{
	struct window *window;
	enum passthrough_dma_policy policy =
		kind == GUEST_WINDOW_DPA ? device->options.dma_dpa : device->options.dma_windows;

	if (device->window_count == device->window_room)
		return NULL;
	window = &device->windows[device->window_count++];
	*window = (struct window){
		.kind = kind,
		.dma = policy == PASSTHROUGH_DMA_TRY,
		.region = region,
		.offset = offset,
		.size = size,
		.fd = -1,
	};
	return window;
}

int window_map(struct passthrough_device *device, struct window *window)
{
	int result = device->transport->ops->map(device->transport, window->region, window->offset,
						 window->size, &window->host, &window->fd,
						 &window->fd_offset);

	if (result) {
		window->host = NULL;
		window->fd = -1;
		return result;
	}
	if (!window->reserved) {
		window->reserved = window->host;
		window->reserved_size = window->size;
	}
	return 0;
}

int window_slice(struct window *window, const struct window *whole, uint64_t offset, uint64_t size)
{
	if (!whole->host)
		return -ENODEV;
	/* The guest still reaches what it was: its slot could not be removed. */
	if (window->in_guest)
		return -EBUSY;
	window->region = whole->region;
	window->offset = whole->offset + offset;
	window->size = size;
	window->host = (uint8_t *)whole->host + offset;
	window->fd = whole->fd;
	window->fd_offset = whole->fd_offset + offset;
	return 0;
}

static void map_dma(struct passthrough_device *device, struct window *window)
{
	window->in_dma = passthrough_dma_map_memory(
		device, window->gpa, window->size, window->host, window->fd, window->fd_offset,
		window->kind == GUEST_WINDOW_DPA ? "device memory" : "window");
}

int window_give(struct passthrough_device *device, struct window *window, uint64_t gpa)
{
	const struct guest_window guest = {
		.name = window->name,
		.kind = window->kind,
		.gpa = gpa,
		.size = window->size,
		.host = window->host,
	};
	int result;

	if (!window->host)
		return -ENODEV;
	/* Left over from a removal that failed; perhaps it works now. */
	if (window->in_guest)
		window_take(device, window);
	if (window->in_guest)
		return -EBUSY;
	result = guest_memory_map_window(device->environment.memory, &guest, &window->slot);
	if (result)
		return result;
	window->gpa = gpa;
	window->in_guest = true;
	if (window->dma)
		map_dma(device, window);
	return 0;
}

void window_take(struct passthrough_device *device, struct window *window)
{
	if (window->in_guest &&
	    !guest_memory_unmap_window(device->environment.memory, window->slot))
		window->in_guest = false;
	if (window->in_dma)
		passthrough_dma_unmap_memory(device, window->gpa, window->size);
	window->in_dma = false;
}

void window_renew(struct passthrough_device *device, struct window *window)
{
	if (!window->in_dma)
		return;
	passthrough_dma_unmap_memory(device, window->gpa, window->size);
	map_dma(device, window);
}

struct window *window_find(struct passthrough_device *device, uint64_t gpa)
{
	for (uint32_t i = 0; i < device->window_count; i++) {
		struct window *window = &device->windows[i];

		if (window->in_guest && (gpa == PASSTHROUGH_GPA_UNKNOWN ||
					 range_contains(window->gpa, window->size, gpa, 1)))
			return window;
	}
	return NULL;
}

struct window *window_find_kind(struct passthrough_device *device, enum guest_window_kind kind)
{
	for (uint32_t i = 0; i < device->window_count; i++)
		if (device->windows[i].in_guest && device->windows[i].kind == kind)
			return &device->windows[i];
	return NULL;
}

struct window *window_find_broken(struct passthrough_device *device)
{
	for (uint32_t i = 0; i < device->window_count; i++) {
		struct window *window = &device->windows[i];

		if (window->in_guest &&
		    !device->transport->ops->mapping_intact(device->transport, window->region))
			return window;
	}
	return NULL;
}

void windows_take_registers(struct passthrough_device *device)
{
	for (uint32_t i = 0; i < device->window_count; i++)
		if (device->windows[i].kind == GUEST_WINDOW_REGISTERS)
			window_take(device, &device->windows[i]);
}

void windows_take_all(struct passthrough_device *device)
{
	for (uint32_t i = 0; i < device->window_count; i++)
		window_take(device, &device->windows[i]);
}

/* Whether the guest still reaches something inside what @whole has reserved. */
static bool window_is_reached(const struct passthrough_device *device, const struct window *whole)
{
	for (uint32_t i = 0; i < device->window_count; i++) {
		const struct window *window = &device->windows[i];

		if (window->in_guest &&
		    range_contains((uint64_t)(uintptr_t)whole->reserved, whole->reserved_size,
				   (uint64_t)(uintptr_t)window->host, 1))
			return true;
	}
	return false;
}

/*
 * A memory slot that could not be removed still points here: the addresses must never be anybody
 * else's. The device is gone from them; what is there now is nobody's memory.
 */
static void keep_reserved(struct passthrough_device *device, const struct window *window)
{
	bool covered =
		mmap(window->reserved, window->reserved_size, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) != MAP_FAILED;

	log_warning(device->environment.logger, device->id,
		    "the guest still has a memory slot of it: 0x%" PRIx64
		    " bytes of addresses stay reserved%s",
		    window->reserved_size, covered ? "" : ", and mapped to the device");
}

void windows_unmap(struct passthrough_device *device)
{
	for (uint32_t i = 0; i < device->window_count; i++) {
		struct window *window = &device->windows[i];

		/* It may be lent: an emulated device may have a pointer to it in a ring. */
		if (window->reserved && window_is_reached(device, window))
			keep_reserved(device, window);
		else if (window->reserved && device->environment.memory)
			(void)guest_memory_take_back(device->environment.memory, window->reserved,
						     window->reserved_size);
		else if (window->reserved)
			munmap(window->reserved, window->reserved_size);
		window->reserved = NULL;
	}
	for (uint32_t i = 0; i < device->window_count; i++)
		device->windows[i].host = NULL;
}

void windows_destroy(struct passthrough_device *device)
{
	windows_unmap(device);
	free(device->windows);
	device->windows = NULL;
	device->window_count = device->window_room = 0;
}

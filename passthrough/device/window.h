/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PASSTHROUGH_DEVICE_WINDOW_H
#define PASSTHROUGH_DEVICE_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "core/guest_memory.h"

struct passthrough_device;

/*
 * Memory of the device's that the guest reaches without an exit: a direct segment of a BAR, or what
 * is behind a committed HDM decoder. All windows of a device are one array, which owns their
 * mappings in this process. This process never touches what is behind them.
 *
 * Unless it says otherwise, every function is called under device->lock.
 */
struct window {
	char name[48]; /* in the map listing */
	enum guest_window_kind kind;
	bool dma;        /* belongs in the device's own DMA map as well, where that can be */
	uint32_t region; /* of the transport */
	uint64_t offset; /* in the region; the device physical address for device memory */
	uint64_t size;   /* 0: a decoder that is not committed */
	void *host;      /* where it is mapped here; NULL: not */
	int fd;          /* the file behind it, the transport's; -1: none */
	uint64_t fd_offset;
	void *reserved; /* what munmap() gets; NULL: it is a slice of another window */
	uint64_t reserved_size;

	uint64_t gpa;  /* where the guest has it, or had it last */
	uint32_t slot; /* of guest_memory, while in_guest */
	bool in_guest;
	bool in_dma;
};

/* Room for @count windows, once, before the others. Returns 0 or -ENOMEM. Needs no lock. */
int windows_create(struct passthrough_device *device, uint32_t count);

/*
 * window_add() - one more, which is not mapped here; NULL when there is no room. Valid until
 * windows_destroy(). Needs no lock before the device is plugged.
 */
struct window *window_add(struct passthrough_device *device, enum guest_window_kind kind,
			  uint32_t region, uint64_t offset, uint64_t size);

/*
 * window_map() - into this process: at window->host when that is reserved already, else anywhere.
 * Returns 0 or the errnos of struct vfio_transport_ops.map. Needs no lock before the device is
 * plugged.
 */
int window_map(struct passthrough_device *device, struct window *window);

/* @window becomes [offset, offset + size) of @whole. Returns 0, or -ENODEV: that is not mapped (the
 * host took it back just now). */
int window_slice(struct window *window, const struct window *whole, uint64_t offset, uint64_t size);

/*
 * window_give() - to the guest at @gpa, one memory slot whatever the size; then into the device's
 * DMA map, where a failure is a warning. Returns 0, -ENODEV (not mapped here) or the errnos of
 * guest_memory_map_window().
 */
int window_give(struct passthrough_device *device, struct window *window, uint64_t gpa);

/* Takes it away from the guest, then from the device. A window that nobody has is allowed.
 * window->in_guest stays when the memory slot cannot be removed: its addresses are in use then. */
void window_take(struct passthrough_device *device, struct window *window);

/* Its DMA mapping once more, after a reset that has ended it. */
void window_renew(struct passthrough_device *device, struct window *window);

/* The window that the guest has at @gpa (PASSTHROUGH_GPA_UNKNOWN: any), or NULL. */
struct window *window_find(struct passthrough_device *device, uint64_t gpa);

/* One of @kind that the guest has, or NULL. */
struct window *window_find_kind(struct passthrough_device *device, enum guest_window_kind kind);

/* One that the guest has and whose file no longer covers it, or NULL. */
struct window *window_find_broken(struct passthrough_device *device);

/* window_take() for the register windows; for all windows. */
void windows_take_registers(struct passthrough_device *device);
void windows_take_all(struct passthrough_device *device);

/* Out of this process, all of them; addresses that the guest still reaches stay reserved. */
void windows_unmap(struct passthrough_device *device);

/* windows_unmap(), and the array. Needs no lock at the end. */
void windows_destroy(struct passthrough_device *device);

#endif

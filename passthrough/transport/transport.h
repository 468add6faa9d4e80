/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PASSTHROUGH_TRANSPORT_TRANSPORT_H
#define PASSTHROUGH_TRANSPORT_TRANSPORT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/event_loop.h"
#include "core/log.h"

/*
 * The rooms of passthrough. Arrows look to the right; each room sees and links only what it names
 * in CMakeLists.txt:
 *
 *   device -> { vfio, vfio-user } -> iommu -> transport -> core
 *   device, host -> discover ------------> transport
 *   device -> view ----------------------> transport
 *
 * iommu has the address spaces of the kernel, vfio-user that of its server; to device they look
 * alike.
 *
 * One table for every way to a device: a vfio-user server (vfio-user/client.h), kernel VFIO by
 * group or by character device (vfio/vfio.h), and the fakes of the tests. It holds what a device
 * does; where its DMA goes is struct address_space.
 *
 * What comes back is hostile: information structures are handed up as raw images with a length, in
 * the layout of the VFIO UAPI, and are only read by info.h's checked parsers.
 *
 * Threads: every operation may be called from any thread, several at once, unless it says
 * otherwise. No operation waits longer than the transport's timeout; after a timeout or a protocol
 * violation the device is lost: every operation returns -ENODEV at once, for good, and
 * struct vfio_transport_events.lost has been called once.
 */
struct vfio_transport;
struct address_space;

/* What the transport tells its owner. All optional; called without any lock of the transport. */
struct vfio_transport_events {
	/* The device is gone (server died, stalled or lied; kernel took it back). @reason is one
	 * line for the log. Any thread, also inside an operation. */
	void (*lost)(void *opaque, const char *reason);
	/* The host or server wants the device back (VFIO REQ interrupt). From the event loop. */
	void (*requested)(void *opaque);
	/*
	 * A peer asks for guest memory by message instead of by mapping (vfio-user DMA_READ and
	 * DMA_WRITE). Returns 0, or -EFAULT when any byte is not guest RAM that the device may
	 * reach. @write: the device writes @data to the guest.
	 */
	int (*dma)(void *opaque, uint64_t address, void *data, uint64_t length, bool write);
	void *opaque;
};

struct vfio_transport_ops {
	/* Mapped accesses fail while memory decoding is off or a reset goes on, and work again
	 * afterwards. */
	bool gates_memory;

	/*
	 * get_device_info()/get_region_info() - the complete struct vfio_device_info /
	 * vfio_region_info with its capability chain. *@info is malloc()ed and becomes the
	 * caller's, *@length is the number of valid bytes (at least the fixed part). Returns 0,
	 * -EINVAL (no such region), -EPROTO (impossible answer), -ENOMEM, -ENODEV (lost).
	 */
	int (*get_device_info)(struct vfio_transport *transport, uint8_t **info, uint32_t *length);
	int (*get_region_info)(struct vfio_transport *transport, uint32_t index, uint8_t **info,
			       uint32_t *length);
	/* flags and count of an IRQ index (VFIO_IRQ_INFO_*). Returns 0, -EINVAL, -ENODEV. */
	int (*get_irq_info)(struct vfio_transport *transport, uint32_t index, uint32_t *flags,
			    uint32_t *count);

	/*
	 * region_read()/region_write() - @length bytes at @offset of region @index, any length up
	 * to 1 MiB. Returns 0, or -errno: what the device's side answered, or -EIO when it moved
	 * fewer bytes, -ENODEV. A posted write reports only what is known when it is sent.
	 */
	int (*region_read)(struct vfio_transport *transport, uint32_t index, uint64_t offset,
			   void *data, uint32_t length);
	/* @count (at most 64) aligned dwords at @offsets, sent together where there is a round
	 * trip.
	 */
	int (*region_read_dwords)(struct vfio_transport *transport, uint32_t index,
				  const uint64_t *offsets, uint32_t *values, uint32_t count);
	int (*region_write)(struct vfio_transport *transport, uint32_t index, uint64_t offset,
			    const void *data, uint32_t length, bool posted);

	/*
	 * map() - mmap [offset, offset + size) of region @index read-write at *@host (which the
	 * caller reserved, page aligned; NULL: anywhere). Page aligned offset and size. Nothing is
	 * populated. *@fd and *@fd_offset receive what a DMA mapping of it needs (fd -1: none; it
	 * stays the transport's). Returns 0, -ENODEV (lost, or region without mmap fd), -EINVAL
	 * (file too short), or the errno of mmap. The caller unmaps with munmap().
	 */
	int (*map)(struct vfio_transport *transport, uint32_t index, uint64_t offset, uint64_t size,
		   void **host, int *fd, uint64_t *fd_offset);
	/* Whether the file behind a mapping still covers it: false when a server shrank it. */
	bool (*mapping_intact)(struct vfio_transport *transport, uint32_t index);

	/*
	 * set_irqs() - one VFIO_DEVICE_SET_IRQS, split only when the peer cannot take that many
	 * fds at once. @flags: VFIO_IRQ_SET_DATA_* | VFIO_IRQ_SET_ACTION_*. @fds: @count eventfds
	 * for DATA_EVENTFD (-1: detach this one), else NULL. Returns 0, -EINVAL, -ENODEV, ...
	 */
	int (*set_irqs)(struct vfio_transport *transport, uint32_t index, uint32_t flags,
			uint32_t start, uint32_t count, const int *fds);

	/* Returns 0, -EAGAIN (try again), -EOPNOTSUPP, -ENODEV ... */
	int (*reset)(struct vfio_transport *transport);

	/*
	 * release() - the device goes back to the host while others may still be inside operations:
	 * from now on all of them fail with -ENODEV, and nothing of the transport keeps the host's
	 * driver waiting (mappings are the caller's to take away first). From the event loop. NULL:
	 * nothing is left to do.
	 */
	void (*release)(struct vfio_transport *transport);

	/* Free everything. No operation may be running or follow; the event source is removed. */
	void (*close)(struct vfio_transport *transport);
};

/* Embedded as the first member by each implementation. */
struct vfio_transport {
	const struct vfio_transport_ops *ops;
	const char *name; /* "vfio-user", "vfio-group", "vfio-cdev" */
	/* What the device reaches by DMA (passthrough/iommu/address_space.h). The transport is a
	 * user of it, until close(). */
	struct address_space *space;
	/* Set by its user before the first reset: its own reset is a change of the power state,
	 * which many devices survive as they are. A hot reset is tried first. */
	bool reset_by_power_only;
	/* Set by its user while the guest drives the device: a hot reset of another function of
	 * this machine must not hit it. */
	atomic_bool busy;
};

/* What every constructor needs. */
struct vfio_transport_options {
	const char *name; /* for messages: the device's id; copied */
	const struct logger *logger;
	struct vfio_transport_events events;
	struct event_loop *loop; /* for unsolicited messages and VFIO ERR/REQ; NULL in tests */
	uint32_t timeout_ms;     /* of every wait; 0: 5000 */
};

#define VFIO_TRANSPORT_DEFAULT_TIMEOUT_MS 5000u
#define VFIO_TRANSPORT_MAX_ACCESS         (1024u * 1024u)

#endif

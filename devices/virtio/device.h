/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEVICES_VIRTIO_DEVICE_H
#define DEVICES_VIRTIO_DEVICE_H

#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "devices/virtio/state.h"
#include "devices/virtio/virtqueue.h"
#include "core/event_loop.h"
#include "core/guest_memory.h"
#include "core/log.h"

/*
 * A virtio device without its transport: identity, features, queues, and what the device type does.
 *
 * Threads: activate(), reset(), pause() and resume() are called by the transport under its lock,
 * from any thread, never while queue_notify() runs. queue_notify() and the device's own callbacks
 * run in the thread of the event loop; they must not take the transport's lock and do not need to:
 * between activate() and reset() the queues belong to that thread. config_read() and config_write()
 * come from vCPU threads, at any time.
 */
struct virtio_device;

/* What every device is created with; all of it outlives the device. */
struct virtio_environment {
	struct event_loop *loop;     /* where its callbacks run; may be a loop of its own */
	struct guest_memory *memory; /* the guest's RAM */
	const struct logger *logger; /* may be NULL */
	/* Bytes that all devices of the machine may copy a guest's data through at a time; NULL: no
	 * limit. */
	struct quota *copies;
};

struct virtio_device_ops {
	/* DRIVER_OK: the enabled queues run and the features are final. -errno: the device asks for
	 * a reset (NEEDS_RESET) and the caller logs. Optional. */
	int (*activate)(struct virtio_device *device);
	/* Required: stop, finish or cancel everything in flight, forget the driver's state. When it
	 * returns no queue and no guest memory is touched. Called only after activate(). */
	void (*reset)(struct virtio_device *device);
	/* Required: new buffers in @queue; never called for kernel queues. */
	void (*queue_notify)(struct virtio_device *device, uint16_t queue);
	/* Device configuration (2.5); @offset + @size <= config_size. Optional. */
	void (*config_read)(struct virtio_device *device, uint32_t offset, void *data,
			    uint32_t size);
	void (*config_write)(struct virtio_device *device, uint32_t offset, const void *data,
			     uint32_t size);
	/* An active device goes quiet: when pause() returns nothing is in flight and no guest
	 * memory is touched; kicks are kept. resume() looks at all queues again. Optional. */
	void (*pause)(struct virtio_device *device);
	void (*resume)(struct virtio_device *device);
	/* Required: free the device; it is not started. Works on a half-built object. */
	void (*destroy)(struct virtio_device *device);
};

/* How a device reaches its driver; implemented by virtio_pci and by the tests. Any thread. */
struct virtio_transport_ops {
	void (*queue_interrupt)(void *opaque, uint16_t queue);
	void (*config_interrupt)(void *opaque);
	/* Set NEEDS_RESET (2.1.1) and tell the driver. */
	void (*needs_reset)(void *opaque);
	/* Make queue_notify() run (again) in the loop's thread. Not for kernel queues. */
	void (*kick)(void *opaque, uint16_t queue);
	/* For kernel queues: the eventfds to hand to the kernel, or -errno. */
	int (*kick_fd)(void *opaque, uint16_t queue);
	int (*call_fd)(void *opaque, uint16_t queue);
};

/* One number for the metrics of the machine. */
struct virtio_counter {
	const char *name;
	_Atomic uint64_t value;
};

struct virtio_device {
	/* Set by the device type. */
	const struct virtio_device_ops *ops;
	const char *name; /* "disk0": in messages; owned by the device */
	uint16_t type;    /* VIRTIO_ID_* */
	uint16_t queue_count;
	uint16_t queue_max_size;
	uint16_t kernel_queues;   /* vhost: the kernel serves the first so many queues itself */
	uint64_t device_features; /* what is offered; ring features and VERSION_1 are added */
	uint32_t config_size;
	uint32_t class_code; /* PCI class, 24 bits */
	struct virtio_environment environment;
	struct virtio_counter *counters; /* may be NULL; lives as long as the device */
	uint32_t counter_count;

	/* Set by virtio_device_init() and the transport. */
	struct virtqueue *queues;
	uint64_t driver_features;
	const struct virtio_transport_ops *transport;
	void *transport_opaque;
	_Atomic uint32_t config_generation;
	_Atomic enum virtio_state state; /* changed by the transport: see virtio/state.h */
	struct log_ratelimit error_limit;
};

/*
 * virtio_device_init() - allocate the queues; the fields of the device type are set before.
 * Returns 0, -EINVAL (no queue, size no power of two or above VIRTQUEUE_MAX_SIZE) or -ENOMEM.
 */
int virtio_device_init(struct virtio_device *device);
/* Frees what init allocated (not the device). Allowed on a zeroed struct. */
void virtio_device_fini(struct virtio_device *device);

static inline bool virtio_device_has(const struct virtio_device *device, unsigned int feature)
{
	return (device->driver_features >> feature) & 1;
}

/* Send the interrupt for what was pushed, if the driver wants one. */
void virtio_device_notify(struct virtio_device *device, uint16_t queue);

/* Come back to queue_notify() later: other devices of the loop get their turn first. From callbacks
 * of the loop or from activate() and resume(). */
void virtio_device_kick(struct virtio_device *device, uint16_t queue);

/* The configuration changed: new generation, interrupt. Any thread. */
void virtio_device_config_changed(struct virtio_device *device);

/* The driver broke a rule (or the device cannot go on): log it with a rate limit, ask for a reset.
 */
void virtio_device_broken(struct virtio_device *device, const char *what);

/* Frees a device that no transport owns (yet). NULL is allowed. */
void virtio_device_destroy(struct virtio_device *device);

#endif

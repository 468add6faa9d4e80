/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEVICES_VIRTIO_STATE_H
#define DEVICES_VIRTIO_STATE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The life of a virtio device as one table (virtio 1.2, 2.1 and 3.1.1). Pure: who asks does what
 * the row says, and then the device is in the row's state. The status register that the driver
 * reads stays beside it, because its bits are only ever added (2.1.1).
 */
enum virtio_state {
	VIRTIO_STATE_RESET,        /* nobody uses it (2.4) */
	VIRTIO_STATE_ACKNOWLEDGED, /* ACKNOWLEDGE or DRIVER: somebody looks at it (3.1.1, 2-3) */
	VIRTIO_STATE_FEATURES_OK,  /* the features are final (3.1.1, 5-6) */
	VIRTIO_STATE_RUNNING,      /* DRIVER_OK: it is live (3.1.1, 8) */
	VIRTIO_STATE_NEEDS_RESET,  /* was live, met an error it cannot recover from (2.1.2) */
	VIRTIO_STATE_FAILED,       /* DRIVER_OK came, and it could not start (2.1.2) */
	VIRTIO_STATE_PAUSED,       /* live, and quiet as long as the vCPUs are paused */
	VIRTIO_STATE_PAUSED_NEEDS_RESET,
	VIRTIO_STATE_COUNT
};

enum virtio_event {
	VIRTIO_EVENT_ACKNOWLEDGE, /* the driver sets ACKNOWLEDGE or DRIVER */
	VIRTIO_EVENT_FEATURES_OK, /* sets FEATURES_OK, and the features are acceptable (2.2) */
	VIRTIO_EVENT_DRIVER_OK,   /* sets DRIVER_OK */
	VIRTIO_EVENT_START_FAILED,
	VIRTIO_EVENT_BROKEN, /* the device found an error; from any thread */
	VIRTIO_EVENT_PAUSE,
	VIRTIO_EVENT_RESUME,
	VIRTIO_EVENT_RESET, /* the driver writes 0, or the function is reset (2.4.1) */
	VIRTIO_EVENT_COUNT
};

/* What is done on the way; the order is the caller's (virtio/pci.c). */
enum virtio_action {
	VIRTIO_ACTION_NONE = 0,
	VIRTIO_ACTION_START,  /* rings, activate(), kicks; START_FAILED when that does not work */
	VIRTIO_ACTION_STOP,   /* kicks, reset(), rings */
	VIRTIO_ACTION_PAUSE,  /* kicks, pause() */
	VIRTIO_ACTION_RESUME, /* resume(), kicks */
};

struct virtio_transition {
	enum virtio_state from;
	enum virtio_event event;
	enum virtio_state to;
	enum virtio_action action;
};

/* The table, @count rows: each pair of state and event at most once. */
const struct virtio_transition *virtio_transitions(size_t *count);

/* The row of the table, or NULL: the event changes nothing in that state, and is refused where the
 * driver asked for it. */
const struct virtio_transition *virtio_transition_find(enum virtio_state from,
						       enum virtio_event event);

/* activate() was called and reset() was not. */
bool virtio_state_is_started(enum virtio_state state);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio/state.h"

#define ROW(from, event, to, action)                                                               \
	{                                                                                          \
		VIRTIO_STATE_##from, VIRTIO_EVENT_##event, VIRTIO_STATE_##to,                      \
			VIRTIO_ACTION_##action                                                     \
	}

static const struct virtio_transition transitions[] = {
	/* 3.1.1: a driver that skips a step of the greeting is not refused for it ... */
	ROW(RESET, ACKNOWLEDGE, ACKNOWLEDGED, NONE),
	ROW(RESET, FEATURES_OK, FEATURES_OK, NONE),
	ROW(ACKNOWLEDGED, FEATURES_OK, FEATURES_OK, NONE),
	/* ... but none runs whose features were not agreed on (3.1.1, 5). */
	ROW(FEATURES_OK, DRIVER_OK, RUNNING, START),
	ROW(RUNNING, START_FAILED, FAILED, NONE),
	ROW(NEEDS_RESET, START_FAILED, FAILED, NONE), /* it broke while it started */

	/* 2.1.2: one that is not live yet has nothing to stop; the bit alone tells the driver. */
	ROW(RUNNING, BROKEN, NEEDS_RESET, NONE),
	ROW(PAUSED, BROKEN, PAUSED_NEEDS_RESET, NONE),

	/* What is not live is quiet anyway. */
	ROW(RUNNING, PAUSE, PAUSED, PAUSE),
	ROW(NEEDS_RESET, PAUSE, PAUSED_NEEDS_RESET, PAUSE),
	ROW(PAUSED, RESUME, RUNNING, RESUME),
	ROW(PAUSED_NEEDS_RESET, RESUME, NEEDS_RESET, RESUME),

	/* 2.4.1: out of every state, also while the vCPUs are paused (machine reset). */
	ROW(ACKNOWLEDGED, RESET, RESET, NONE),
	ROW(FEATURES_OK, RESET, RESET, NONE),
	ROW(FAILED, RESET, RESET, NONE),
	ROW(RUNNING, RESET, RESET, STOP),
	ROW(NEEDS_RESET, RESET, RESET, STOP),
	ROW(PAUSED, RESET, RESET, STOP),
	ROW(PAUSED_NEEDS_RESET, RESET, RESET, STOP),
};

const struct virtio_transition *virtio_transitions(size_t *count)
{
	*count = sizeof(transitions) / sizeof(transitions[0]);
	return transitions;
}

const struct virtio_transition *virtio_transition_find(enum virtio_state from,
						       enum virtio_event event)
{
	for (size_t i = 0; i < sizeof(transitions) / sizeof(transitions[0]); i++)
		if (transitions[i].from == from && transitions[i].event == event)
			return &transitions[i];
	return NULL;
}

bool virtio_state_is_started(enum virtio_state state)
{
	const struct virtio_transition *reset = virtio_transition_find(state, VIRTIO_EVENT_RESET);

	return reset && reset->action == VIRTIO_ACTION_STOP;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <time.h>

#include "core/clock.h"
#include "core/ranges.h"
#include "passthrough/device/internal.h"

/* How long the vCPUs try again what the host refuses, and what ends a series of such tries. */
#define FAULT_PATIENCE_NS   (500 * CLOCK_NS_PER_MS)
#define FAULT_SERIES_GAP_NS (100 * CLOCK_NS_PER_MS)
#define FAULT_PAUSE_NS      CLOCK_NS_PER_MS

/* Under device->lock: whether a window that the guest has no more was at @gpa, or may have been. */
static bool was_ours(const struct passthrough_device *device, uint64_t gpa)
{
	const struct passthrough_cxl *cxl = device->cxl;

	if (gpa == PASSTHROUGH_GPA_UNKNOWN ||
	    (cxl && range_contains(cxl->window_base, cxl->window_size, gpa, 1)))
		return true;
	for (uint32_t i = 0; i < device->segment_count; i++) {
		const struct bar_segment *segment = &device->segments[i];

		if (segment->gpa && range_contains(segment->gpa, segment->size, gpa, 1))
			return true;
	}
	return false;
}

/*
 * Under device->lock: whether the host's refusal may be over in a moment. Resets close the memory
 * for a while, and after a CXL reset, or one that somebody else asked for, the guest has no reason
 * to enable decoding once more: what is taken away for it would be gone for good.
 */
static bool may_pass(struct passthrough_device *device)
{
	uint64_t now = clock_now_ns();

	if (now - device->fault_last > FAULT_SERIES_GAP_NS)
		device->fault_since = now;
	device->fault_last = now;
	return passthrough_life_state(&device->life) == PASSTHROUGH_RESETTING ||
	       now - device->fault_since < FAULT_PATIENCE_NS;
}

/*
 * Under device->lock. False: a reset began just now, and may end the refusal. @guess: nobody said
 * where the fault was. The guest's kernel may live in device memory: it stays then.
 */
static bool withdraw(struct passthrough_device *device, bool guess)
{
	if (!passthrough_life_move(&device->life, PASSTHROUGH_PLUGGED, PASSTHROUGH_WITHDRAWN) &&
	    passthrough_life_state(&device->life) == PASSTHROUGH_RESETTING)
		return false;
	if (guess)
		windows_take_registers(device);
	else
		windows_take_all(device);
	return true;
}

/* Under device->lock. Kernel VFIO refuses its memory for sure: the guest has turned decoding off.
 */
static bool refuses_memory(struct passthrough_device *device)
{
	return device->transport->ops->gates_memory && !atomic_load(&device->decoding) &&
	       window_find(device, PASSTHROUGH_GPA_UNKNOWN);
}

enum fault_answer {
	FAULT_NOT_OURS,
	FAULT_AGAIN, /* it may pass, or another vCPU took the window away: it is no fault then */
	FAULT_GONE,  /* the memory behind a window is gone */
	FAULT_WITHDRAWN, /* the host refuses for too long */
	FAULT_STALLED,   /* ... and only device memory is left, which no guess takes away */
};

/* Under device->lock. */
static enum fault_answer answer_fault(struct passthrough_device *device, uint64_t gpa)
{
	bool gated = device->transport->ops->gates_memory;
	bool unknown = gpa == PASSTHROUGH_GPA_UNKNOWN;
	const struct window *window =
		unknown && !gated ? window_find_broken(device) : window_find(device, gpa);

	if (!window) {
		if ((gated || !unknown || passthrough_life_is_lost(&device->life)) &&
		    was_ours(device, gpa) && may_pass(device))
			return FAULT_AGAIN;
		return FAULT_NOT_OURS;
	}
	if (!gated) {
		windows_take_all(device);
		return FAULT_GONE;
	}
	if (may_pass(device))
		return FAULT_AGAIN;
	if (!unknown || refuses_memory(device))
		return withdraw(device, false) ? FAULT_WITHDRAWN : FAULT_AGAIN;
	if (window->kind == GUEST_WINDOW_DPA && !window_find_kind(device, GUEST_WINDOW_REGISTERS))
		return FAULT_STALLED;
	return withdraw(device, true) ? FAULT_WITHDRAWN : FAULT_AGAIN;
}

/* Under device->lock. */
static bool is_proven(struct passthrough_device *device)
{
	return device->transport->ops->gates_memory ? refuses_memory(device)
						    : window_find_broken(device) != NULL;
}

int passthrough_handle_proven_fault(struct passthrough_device *device)
{
	bool proven;

	pthread_mutex_lock(&device->lock);
	proven = is_proven(device);
	pthread_mutex_unlock(&device->lock);
	return proven ? passthrough_handle_fault(device, PASSTHROUGH_GPA_UNKNOWN) : -ENOENT;
}

int passthrough_handle_fault(struct passthrough_device *device, uint64_t gpa)
{
	const struct timespec pause = {.tv_nsec = FAULT_PAUSE_NS};
	enum fault_answer answer;

	pthread_mutex_lock(&device->lock);
	answer = answer_fault(device, gpa);
	pthread_mutex_unlock(&device->lock);
	switch (answer) {
	case FAULT_AGAIN:
		nanosleep(&pause, NULL);
		return 0;
	case FAULT_STALLED:
		log_limited(device->environment.logger, &device->limit, LOG_LEVEL_WARNING,
			    device->id,
			    "the host refuses an access of the guest's and does not say where; its "
			    "memory stays, and the vCPU tries again");
		nanosleep(&pause, NULL);
		return 0;
	case FAULT_GONE:
		passthrough_lost(device, "the memory behind one of its windows is gone");
		return 0;
	case FAULT_WITHDRAWN:
		/* Decoding is off, or a reset does not end. */
		log_limited(device->environment.logger, &device->limit, LOG_LEVEL_WARNING,
			    device->id,
			    "the guest touched it (guest address 0x%" PRIx64
			    ") while the host does not "
			    "let it; its windows are gone until the guest enables memory decoding "
			    "again",
			    gpa);
		return 0;
	case FAULT_NOT_OURS:
	default:
		return -ENOENT;
	}
}

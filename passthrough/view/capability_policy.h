/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PASSTHROUGH_VIEW_CAPABILITY_POLICY_H
#define PASSTHROUGH_VIEW_CAPABILITY_POLICY_H

#include <stdbool.h>
#include <stdint.h>

/* What the guest sees of a capability of a passed-through function. */
enum capability_show {
	CAPABILITY_HIDDEN = 0, /* not in the list; reads 0 */
	CAPABILITY_COPY,       /* the device's bytes as they are, read-only */
	CAPABILITY_VIRTUAL,    /* made anew by the VMM at the same offset */
};

struct capability_policy {
	uint16_t id;
	enum capability_show show;
	const char *reason; /* why it is hidden */
};

/* The entry for a conventional or extended capability; unknown ones get one that hides. */
const struct capability_policy *capability_policy_find(bool extended, uint16_t id);

#endif

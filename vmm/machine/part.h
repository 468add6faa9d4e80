/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMM_MACHINE_PART_H
#define VMM_MACHINE_PART_H

#include <stddef.h>

#include "vmm/machine/specification.h"

/*
 * What a machine is made of beside RAM, CPUs and buses: the architecture's platform devices, each
 * virtio device, each passed-through function. All are parts, in one array, in the order in which
 * they are added. To build, describe, pause, resume, flush and destroy a machine is a loop over it.
 */
struct description;
struct machine;
struct machine_part;

/* A kind of parts. What a kind does not need is NULL, except add and remove. (What a machine is
 * saved to and loaded from will be two more steps here.) */
struct machine_part_ops {
	const char *name; /* of the kind, for messages */
	/* Before the address map is planned: what the map depends on. Returns 0 or -errno, logged.
	 */
	int (*connect)(struct machine_part *part);
	/* There are RAM and a PCI root; no guest code has run. Returns 0 or -errno, logged. */
	int (*add)(struct machine_part *part);
	/* In the thread of the event loop, before its filter is armed; vCPUs run already. Returns 0
	 * or -errno. */
	int (*begin)(struct machine_part *part);
	/* Rows for the listing of the guest physical map. */
	void (*describe)(const struct machine_part *part, struct description *description);
	/* All vCPUs are parked: no work and no interrupts until resume. */
	void (*pause)(struct machine_part *part);
	void (*resume)(struct machine_part *part);
	/* The machine has ended and the event loop too: write out what is still queued. */
	void (*flush)(struct machine_part *part);
	/* Take back what connect and add did, also when they failed half way. The vCPUs do not run.
	 */
	void (*remove)(struct machine_part *part);
};

struct machine_part {
	const struct machine_part_ops *ops;
	struct machine *machine;
	const void *wanted; /* its section of the specification; NULL: it needs none */
	void *state;        /* the kind's own; NULL: there is nothing to take away */
};

/* The platform devices; blk, net, vsock, console, rng, balloon; passed-through functions. */
#define MACHINE_MAX_PARTS (1u + MACHINE_MAX_DISKS + MACHINE_MAX_NETS + 4u + MACHINE_MAX_DEVICES)

struct machine_parts {
	struct machine_part list[MACHINE_MAX_PARTS];
	size_t count;
};

/* One more part at the end, which is not connected and not added. Returns 0 or -ENOSPC. */
int machine_parts_append(struct machine_parts *parts, const struct machine_part_ops *ops,
			 struct machine *machine, const void *wanted);

/* In order. When one fails, all are removed. Return 0 or the errno of the part. */
int machine_parts_connect(struct machine_parts *parts);
int machine_parts_add(struct machine_parts *parts);

/* In order; the first failure ends it. Returns 0 or the errno of the part. */
int machine_parts_begin(struct machine_parts *parts);

/* In order. */
void machine_parts_describe(const struct machine_parts *parts, struct description *description);
void machine_parts_pause(struct machine_parts *parts);
void machine_parts_flush(struct machine_parts *parts);

/* In reverse order. After remove there are no parts. */
void machine_parts_resume(struct machine_parts *parts);
void machine_parts_remove(struct machine_parts *parts);

/* The first part of a kind after @from (NULL: of all), or NULL. */
struct machine_part *machine_part_next(const struct machine_parts *parts,
				       const struct machine_part_ops *ops,
				       const struct machine_part *from);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PASSTHROUGH_DISCOVER_WINDOW_PLACEMENT_H
#define PASSTHROUGH_DISCOVER_WINDOW_PLACEMENT_H

#include <stdint.h>

#include "core/units.h"

/*
 * Where a CXL fixed memory window goes (CXL 9.17.1.3: base and size in units of 256 MiB). To let
 * the host use its largest pages, guest address, host mapping and device memory must agree modulo
 * that page size. Pure.
 */
#define WINDOW_GRANULARITY (256 * MIB)
#define WINDOW_HUGE_PAGE   GIB

struct window_request {
	uint64_t size;      /* of the device memory, any; rounded up to 256 MiB */
	uint64_t alignment; /* 0: 256 MiB; else a power of two of at least that */
	uint64_t congruent; /* the window's base shall equal this modulo alignment; a multiple of
			       256 MiB (what the provider shows of the host address), else 0 */
};

/* @size rounded up to whole 256 MiB; 0 when that overflows or size is 0. */
uint64_t window_round_size(uint64_t size);

/* The alignment worth having for @size bytes: 1 GiB from 1 GiB on, else 256 MiB. */
uint64_t window_alignment(uint64_t size);

/*
 * window_place() - the lowest fitting base at or above @floor whose end is at or below @limit.
 * Returns 0 and *@base, -EINVAL (request impossible) or -ENOSPC.
 */
int window_place(const struct window_request *request, uint64_t floor, uint64_t limit,
		 uint64_t *base);

/*
 * window_host_slack() - for a mapping of @size bytes that shall start at an address congruent to
 * @congruent modulo @alignment: how much address space to reserve, and where in a reservation at
 * @reserved it starts.
 */
uint64_t window_host_slack(uint64_t size, uint64_t alignment);
uint64_t window_host_start(uint64_t reserved, uint64_t alignment, uint64_t congruent);

#endif

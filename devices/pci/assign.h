/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEVICES_PCI_ASSIGN_H
#define DEVICES_PCI_ASSIGN_H

#include <stddef.h>

#include "devices/pci/root.h"

/*
 * The planner behind pci_assign_resources(): pure functions over lists of requests, one list for
 * each address space and bus. Nothing here knows a device.
 */
struct pci_request {
	uint64_t size;      /* not 0 */
	uint64_t alignment; /* power of two */
	uint64_t address;   /* result of pci_plan_place() */
	size_t tag;         /* the caller's; the order of requests changes */
};

/*
 * pci_plan_extent() - how large a window must be that starts at a multiple of the largest alignment
 * and holds all requests, rounded up to @granularity (a power of two). @alignment receives that
 * alignment, at least @granularity. No request: size 0, alignment 0. Returns 0 or -EOVERFLOW.
 */
int pci_plan_extent(struct pci_request *requests, size_t count, uint64_t granularity,
		    uint64_t *size, uint64_t *alignment);

/*
 * pci_plan_place() - give every request an address inside @window. Returns 0, or -ENOSPC with
 * *failed the tag of the first request that did not fit.
 */
int pci_plan_place(struct pci_request *requests, size_t count, const struct pci_window *window,
		   size_t *failed);

#endif

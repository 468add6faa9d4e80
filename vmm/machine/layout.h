/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMM_MACHINE_LAYOUT_H
#define VMM_MACHINE_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#include "arch/arch.h"
#include "devices/pci/root.h"
#include "vmm/machine/specification.h"

/*
 * The guest physical map as a pure plan: where RAM, CXL host bridge registers, CXL fixed windows
 * and PCI windows go between the fixed points of an architecture. Nothing here allocates or calls
 * the kernel, so that machines of any size can be planned in a test.
 */
#define LAYOUT_MAX_BRIDGES (MACHINE_MAX_DEVICES + 1)
#define LAYOUT_REASON      320u

struct layout_accelerator {
	const char *name;
	uint64_t window_size;  /* multiple of 256 MiB */
	uint64_t window_align; /* power of two, at least 256 MiB */
};

struct layout_input {
	const struct arch_map *map; /* outlives the layout */
	uint64_t ram_bytes;
	uint32_t phys_bits;       /* the guest's MAXPHYADDR */
	uint64_t dma_limit;       /* first address that an IOMMU does not translate; 0: none */
	const char *dma_limit_of; /* the device behind that IOMMU */
	const struct layout_accelerator *accelerators;
	size_t accelerator_count;
};

struct layout {
	const struct arch_map *map;
	uint64_t low_ram;                     /* bytes from map->low_ram_start */
	uint64_t high_ram;                    /* bytes from map->high_ram_start */
	uint64_t limit;                       /* first address that does not exist */
	const char *limit_of;                 /* the device whose IOMMU sets it; NULL: the CPU */
	uint64_t chbs[MACHINE_MAX_DEVICES];   /* CXL host bridge component registers, 64 KiB each */
	uint64_t window[MACHINE_MAX_DEVICES]; /* base of each fixed window */
	uint64_t window_end;                  /* first address above RAM and all windows */
	size_t accelerator_count;
};

/*
 * layout_plan() - RAM, host bridge registers and fixed windows. Returns 0 or -ENOSPC with a
 * sentence in @reason (LAYOUT_REASON bytes) that names what did not fit and what would make it fit.
 */
int layout_plan(const struct layout_input *input, struct layout *layout, char *reason);

/*
 * layout_place_pci() - address space for @count host bridges: each gets what it requires, and
 * bridge 0 the rest of the 32-bit window and of the PCI ports. 64-bit windows come after the CXL
 * windows, each aligned to its size rounded up to a power of two (at most 1 TiB). Returns 0 or
 * -ENOSPC with @reason.
 */
int layout_place_pci(const struct layout *layout, const struct pci_host_windows *required,
		     size_t count, struct pci_host_windows *placed, char *reason);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_GUEST_RAM_H
#define CORE_GUEST_RAM_H

#include <stddef.h>
#include <stdint.h>

#include "core/guest_memory.h"
#include "core/log.h"

/*
 * The host side of one RAM block: a mapping with the wanted pages, policy and alignment. Used by
 * guest_memory.c only; everybody else goes through guest_memory.h.
 */
struct guest_ram_mapping {
	void *host;     /* first byte of the block */
	int fd;         /* memfd, or -1 */
	void *reserved; /* the address range around it, with inaccessible borders */
	size_t reserved_size;
};

/*
 * guest_ram_map() - allocate the memory of one block as @options asks. The host address is
 * congruent with options->gpa modulo the huge page size (2 MiB for ordinary pages), so that KVM and
 * the kernel can use huge mappings. Returns 0 or -errno; what failed, and what would fix it, is
 * logged. On failure nothing stays mapped or open.
 */
int guest_ram_map(const struct guest_ram_options *options, const struct logger *logger,
		  struct guest_ram_mapping *mapping);

/* Unmaps and closes. Allowed on a zeroed mapping with fd -1. */
void guest_ram_unmap(struct guest_ram_mapping *mapping);

#endif

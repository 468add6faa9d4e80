/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GUEST_FW_X86_E820_H
#define GUEST_FW_X86_E820_H

#include <stddef.h>
#include <stdint.h>

/* The memory map that firmware hands to the kernel (ACPI 6.5, 15), as a pure function. */

enum e820_type {
	E820_RAM = 1,
	E820_RESERVED = 2,
	E820_ACPI = 3, /* ACPI tables: reclaimable */
};

/* As many as the boot parameters of Linux carry (boot_params.e820_table). */
#define E820_MAX 128

struct e820_range {
	uint64_t base;
	uint64_t size; /* 0: ignored */
};

struct e820_entry {
	uint64_t base;
	uint64_t size;
	enum e820_type type;
};

/*
 * Caller-owned arrays, in any order; ranges of one list may touch but not overlap in RAM.
 * Reserved cuts ACPI and both cut RAM, so the RAM list may cover the holes.
 */
struct e820_input {
	const struct e820_range *ram;
	size_t ram_count;
	const struct e820_range *reserved; /* ECAM, EBDA and ROM area, ... */
	size_t reserved_count;
	struct e820_range acpi;       /* the tables */
	const struct e820_range *cxl; /* fixed memory windows: never in the map at all */
	size_t cxl_count;
};

/*
 * e820_build() - sorted, non-overlapping, merged entries.
 * @entries: room for @capacity entries; *count receives the number written, 0 on failure.
 * Pure; any thread.
 * Returns 0; -EINVAL when a range wraps, RAM ranges overlap, more than E820_MAX input ranges are
 * given, or any range touches a CXL window; -ENOSPC when the entries do not fit.
 */
int e820_build(const struct e820_input *input, struct e820_entry *entries, size_t capacity,
	       size_t *count);

#endif

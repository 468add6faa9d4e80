/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_GUEST_MEMORY_H
#define CORE_GUEST_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/kvm.h"
#include "core/log.h"

/*
 * The guest physical map: RAM blocks and direct windows (device memory that the guest reaches
 * without an exit). The only owner of KVM memory slots, and the only way to guest RAM: no other
 * file does arithmetic on a pointer to it.
 *
 * RAM blocks are added before the first vCPU runs and stay until guest_memory_destroy(); look-ups
 * need no lock. Windows come and go at any time, from any thread; they are serialised inside.
 */
struct guest_memory;

struct guest_ram_block {
	uint64_t gpa;
	uint64_t size;
	void *host; /* start of the mapping */
	int fd;     /* memfd or hugetlb file behind it, owned by guest_memory; -1 when anonymous */
	uint64_t fd_offset; /* of the block in fd */
	uint64_t page_size; /* of the host's pages behind it: nothing smaller can be given back */
	uint32_t node;      /* guest NUMA node */
};

struct guest_ram_options {
	uint64_t gpa;       /* multiple of the page size in use */
	uint64_t size;      /* multiple of the page size in use */
	uint64_t page_size; /* 0: ordinary pages; 2 MiB or 1 GiB: hugetlb */
	bool shared;        /* MAP_SHARED memfd: needed when another process maps it (vfio-user,
			       vhost-user) */
	bool thp;           /* madvise(MADV_HUGEPAGE) when ordinary pages */
	bool prefault;      /* populate now, with prefault_threads threads */
	uint32_t prefault_threads;
	int host_node; /* host NUMA node to bind to, -1: none */
	uint32_t node; /* guest NUMA node it belongs to */
};

enum guest_window_kind {
	GUEST_WINDOW_REGISTERS, /* BAR segment mapped from a device */
	GUEST_WINDOW_DPA,       /* CXL memory behind a committed HDM decoder */
};

struct guest_window {
	const char *name; /* for the map listing and messages; copied */
	enum guest_window_kind kind;
	uint64_t gpa;  /* page aligned */
	uint64_t size; /* page multiple, not 0 */
	void *host;    /* page aligned mapping, owned by the caller, must stay until the window is
			  removed */
	bool readonly;
};

/* @vm may be NULL in unit tests: then no slot is set. Returns 0 or -ENOMEM. */
int guest_memory_create(struct guest_memory **memory, struct kvm_vm *vm,
			const struct logger *logger);

/* Removes all slots, unmaps all RAM and what was taken back. vCPUs must be stopped. NULL is
 * allowed. */
void guest_memory_destroy(struct guest_memory *memory);

/*
 * guest_memory_add_ram() - allocate a RAM block and give it to the guest. Before the first KVM_RUN,
 * one thread. Returns 0; -EINVAL (alignment, zero or wrapping size), -EEXIST (overlaps a block or
 * window), -ENOMEM, -ENOSPC (no memory slot left) or the errno of mmap/memfd_create. The message
 * says which pages were short.
 */
int guest_memory_add_ram(struct guest_memory *memory, const struct guest_ram_options *options);

/*
 * guest_memory_at() - the choke point: a host pointer to [gpa, gpa + length) of guest RAM.
 * Returns NULL when length is 0, the sum overflows, or any byte lies outside one RAM block. Any
 * thread. The guest may change the bytes at any time: read each value once.
 */
void *guest_memory_at(const struct guest_memory *memory, uint64_t gpa, uint64_t length);

/* Copy across block borders. Return 0, or -EFAULT without a guarantee about how much was copied.
 * Any thread. */
int guest_memory_read(const struct guest_memory *memory, uint64_t gpa, void *buffer,
		      uint64_t length);
int guest_memory_write(struct guest_memory *memory, uint64_t gpa, const void *buffer,
		       uint64_t length);

/*
 * guest_memory_lend() - device memory that the guest uses as ordinary RAM, so that buffers of
 * emulated devices may lie there: the three functions above reach it too, although it is no RAM
 * block. @host must stay mapped, and readable and writable, until guest_memory_take_back() or
 * guest_memory_destroy(): pointers to it are cached in rings. Nobody may munmap() it. Any thread.
 * Returns 0, -EINVAL (size 0 or wrapping), -ENOMEM or -ENOSPC (GUEST_MEMORY_LENT_MAX).
 */
#define GUEST_MEMORY_LENT_MAX 32u
int guest_memory_lend(struct guest_memory *memory, uint64_t gpa, uint64_t size, void *host);

/*
 * guest_memory_take_back() - the inverse of guest_memory_lend(), in place of munmap(@host, @size):
 * the mapping [host, host + size) ends, with everything lent in it. When it has returned, the three
 * functions above do not find the lent pieces any more, and no access of this process reaches the
 * device memory. Pointers that were handed out before do not dangle: private anonymous memory takes
 * the place of each lent piece, and its addresses stay reserved until guest_memory_destroy(). What
 * was not lent is unmapped. The range is page aligned and holds each lent piece wholly or not at
 * all. Take its windows and DMA mappings away before. Any thread. From then on the range is
 * guest_memory's, also on a failure. Returns 0, or the errno of mmap(): then a lent piece keeps
 * its old memory until guest_memory_destroy(), out of reach of new look-ups.
 */
int guest_memory_take_back(struct guest_memory *memory, void *host, size_t size);

/* The RAM blocks, ascending by gpa; valid until guest_memory_destroy(). */
const struct guest_ram_block *guest_memory_blocks(const struct guest_memory *memory, size_t *count);

/*
 * guest_memory_map_window() - one memory slot for a direct window. @id receives the handle for the
 * removal. Returns 0; -EINVAL (alignment, size 0, wrap); -EEXIST (overlaps RAM or another window);
 * -ENOSPC (no slot left) or the errno of KVM_SET_USER_MEMORY_REGION. Any thread; exactly one system
 * call.
 */
int guest_memory_map_window(struct guest_memory *memory, const struct guest_window *window,
			    uint32_t *id);

/* Takes the window away; when it returned 0, no guest access reaches it. Returns 0, -ENOENT, or the
 * errno of KVM_SET_USER_MEMORY_REGION: then it is still there. Any thread. */
int guest_memory_unmap_window(struct guest_memory *memory, uint32_t id);

/* Calls @visit for each window (ascending gpa) under the lock; visit must not call back into
 * guest_memory. */
void guest_memory_visit_windows(struct guest_memory *memory,
				void (*visit)(void *opaque, const struct guest_window *window),
				void *opaque);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "core/guest_ram.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/mempolicy.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/fd.h"
#include "core/ranges.h"
#include "core/units.h"

#define THP_SIZE             (2 * MIB)
#define PREFAULT_CHUNK       (64 * MIB)
#define PREFAULT_THREADS_MAX 64u
#define HOST_NODES_MAX       1024
#define HUGE_SHIFT           26 /* MAP_HUGE_SHIFT and MFD_HUGE_SHIFT */

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

static bool ram_is_hugetlb(const struct guest_ram_options *options)
{
	return options->page_size > (uint64_t)sysconf(_SC_PAGESIZE);
}

static unsigned int ram_huge_flags(const struct guest_ram_options *options)
{
	return (unsigned int)__builtin_ctzll(options->page_size) << HUGE_SHIFT;
}

static void ram_log(const struct guest_ram_options *options, const struct logger *logger,
		    const char *operation, int error, const char *advice)
{
	log_error(logger, "memory", "RAM at 0x%" PRIx64 " (%" PRIu64 " MiB): %s failed: %s%s%s",
		  options->gpa, options->size >> 20, operation, strerror(error), advice ? "; " : "",
		  advice ? advice : "");
}

/* Reads one number of sysfs; -1 when there is none. */
static long long ram_read_number(const char *path)
{
	char text[32];
	ssize_t length;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	length = read(fd, text, sizeof(text) - 1);
	fd_close(&fd);
	if (length <= 0)
		return -1;
	text[length] = '\0';
	return strtoll(text, NULL, 10);
}

/* Says how many huge pages there are and what to set. */
static void ram_log_huge_pages(const struct guest_ram_options *options, const struct logger *logger,
			       const char *operation, int error)
{
	uint64_t kib = options->page_size >> 10;
	uint64_t needed = options->size / options->page_size;
	char path[96];
	char advice[256];
	long long free_pages;

	snprintf(path, sizeof(path),
		 "/sys/kernel/mm/hugepages/hugepages-%" PRIu64 "kB/free_hugepages", kib);
	free_pages = ram_read_number(path);
	if (free_pages < 0)
		snprintf(advice, sizeof(advice),
			 "this kernel has no huge pages of %" PRIu64
			 " KiB: choose another hugepage_size",
			 kib);
	else
		snprintf(advice, sizeof(advice),
			 "needs %" PRIu64 " huge pages of %" PRIu64 " KiB, %lld are free: raise "
			 "/sys/kernel/mm/hugepages/hugepages-%" PRIu64 "kB/nr_hugepages",
			 needed, kib, free_pages, kib);
	ram_log(options, logger, operation, error, advice);
}

/* A memfd of the block's size that no holder of the descriptor can shrink under us. */
static int ram_open_memfd(const struct guest_ram_options *options, const struct logger *logger,
			  int *fd)
{
	bool hugetlb = ram_is_hugetlb(options);
	unsigned int flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	int result;

	if (hugetlb)
		flags |= MFD_HUGETLB | ram_huge_flags(options);
	*fd = memfd_create("cxvm-ram", flags);
	if (*fd < 0) {
		result = -errno;
		if (hugetlb)
			ram_log_huge_pages(options, logger, "memfd_create", -result);
		else
			ram_log(options, logger, "memfd_create", -result, NULL);
		return result;
	}
	if (ftruncate(*fd, (off_t)options->size) < 0) {
		result = -errno;
		ram_log(options, logger, "ftruncate", -result, NULL);
		goto fail;
	}
	/* A peer that gets the fd must not be able to make our accesses fault (SIGBUS). */
	if (fcntl(*fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
		result = -errno;
		ram_log(options, logger, "sealing the memfd", -result, NULL);
		goto fail;
	}
	return 0;
fail:
	fd_close(fd);
	return result;
}

/* Maps the block over a part of the reserved range. */
static int ram_map_block(const struct guest_ram_options *options, const struct logger *logger,
			 struct guest_ram_mapping *mapping, void *wanted)
{
	bool hugetlb = ram_is_hugetlb(options);
	int flags = MAP_FIXED;
	void *host;
	int result;

	flags |= options->shared ? MAP_SHARED : MAP_PRIVATE;
	if (mapping->fd < 0)
		flags |= MAP_ANONYMOUS;
	if (!hugetlb)
		flags |= MAP_NORESERVE;
	else if (mapping->fd < 0)
		flags |= MAP_HUGETLB | (int)ram_huge_flags(options);
	/* hugetlb is mapped with a reservation: too few pages are refused now, not by SIGBUS. */
	host = mmap(wanted, options->size, PROT_READ | PROT_WRITE, flags, mapping->fd, 0);
	if (host == MAP_FAILED) {
		result = -errno;
		if (hugetlb)
			ram_log_huge_pages(options, logger, "mmap", -result);
		else
			ram_log(options, logger, "mmap", -result,
				result == -ENOMEM ? "give the guest less memory, or raise "
						    "RLIMIT_AS or vm.max_map_count"
						  : NULL);
		return result;
	}
	mapping->host = host;
	return 0;
}

/* MPOL_BIND by the raw system call: libnuma is not worth a dependency. */
static int ram_bind(const struct guest_ram_options *options, const struct logger *logger,
		    void *host)
{
	unsigned long mask[HOST_NODES_MAX / (8 * sizeof(unsigned long))] = {0};
	unsigned int bits = 8 * sizeof(unsigned long);
	unsigned int node = (unsigned int)options->host_node;
	char advice[96];
	int result;

	mask[node / bits] = 1ul << (node % bits);
	/* The kernel takes one bit less than maxnode says. */
	if (syscall(SYS_mbind, host, options->size, MPOL_BIND, mask, HOST_NODES_MAX + 1ul, 0) < 0) {
		result = -errno;
		snprintf(advice, sizeof(advice),
			 "host NUMA node %u must be one of /sys/devices/system/node/has_memory",
			 node);
		ram_log(options, logger, "mbind", -result, advice);
		return result;
	}
	return 0;
}

struct prefault {
	uint8_t *host;
	uint64_t size;
	uint64_t chunk;
	_Atomic uint64_t next; /* offset of the first chunk that nobody has taken */
	_Atomic int error;
};

static void *prefault_run(void *argument)
{
	struct prefault *job = argument;

	while (atomic_load(&job->error) == 0) {
		uint64_t offset = atomic_fetch_add(&job->next, job->chunk);
		uint64_t length;

		if (offset >= job->size)
			break;
		length = job->size - offset;
		if (length > job->chunk)
			length = job->chunk;
		if (madvise(job->host + offset, length, MADV_POPULATE_WRITE) < 0)
			atomic_store(&job->error, errno);
	}
	return NULL;
}

static int ram_prefault(const struct guest_ram_options *options, const struct logger *logger,
			void *host)
{
	struct prefault job = {
		.host = host,
		.size = options->size,
		.chunk = options->page_size > PREFAULT_CHUNK ? options->page_size : PREFAULT_CHUNK,
	};
	uint64_t chunks = (job.size + job.chunk - 1) / job.chunk;
	uint32_t wanted = options->prefault_threads ? options->prefault_threads : 1;
	pthread_t threads[PREFAULT_THREADS_MAX];
	uint32_t started = 0;
	int result;

	if (wanted > PREFAULT_THREADS_MAX)
		wanted = PREFAULT_THREADS_MAX;
	if (wanted > chunks)
		wanted = (uint32_t)chunks;
	/* This thread is one of them; with fewer threads than wanted it only takes longer. */
	while (started + 1 < wanted &&
	       pthread_create(&threads[started], NULL, prefault_run, &job) == 0)
		started++;
	prefault_run(&job);
	for (uint32_t i = 0; i < started; i++)
		pthread_join(threads[i], NULL);

	result = atomic_load(&job.error);
	if (result == 0)
		return 0;
	if (result == EINVAL)
		ram_log(options, logger, "MADV_POPULATE_WRITE", result,
			"prefault needs Linux 5.14: switch it off");
	else if (ram_is_hugetlb(options))
		ram_log_huge_pages(options, logger, "MADV_POPULATE_WRITE", result);
	else
		ram_log(options, logger, "MADV_POPULATE_WRITE", result,
			"the host (or its cgroup or NUMA node) has too little free memory");
	return -result;
}

int guest_ram_map(const struct guest_ram_options *options, const struct logger *logger,
		  struct guest_ram_mapping *mapping)
{
	uint64_t alignment = ram_is_hugetlb(options) ? options->page_size : THP_SIZE;
	uint64_t reserved_size;
	uint64_t wanted;
	int result;

	*mapping = (struct guest_ram_mapping){.fd = -1};
	if (options->host_node >= HOST_NODES_MAX)
		return -EINVAL;
	/* Room to align, and at least one page that faults on each side. */
	if (__builtin_add_overflow(options->size, 2 * alignment, &reserved_size) ||
	    reserved_size > SIZE_MAX / 2)
		return -EINVAL;
	mapping->reserved = mmap(NULL, reserved_size, PROT_NONE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mapping->reserved == MAP_FAILED) {
		result = -errno;
		mapping->reserved = NULL;
		ram_log(options, logger, "reserving address space", -result, NULL);
		return result;
	}
	mapping->reserved_size = reserved_size;
	/*
	 * The first aligned address after the range's start, plus less than one alignment: at least
	 * a page stays inaccessible below and above the block.
	 */
	wanted = align_down((uint64_t)(uintptr_t)mapping->reserved, alignment) + alignment +
		 (options->gpa & (alignment - 1));

	result = 0;
	if (options->shared)
		result = ram_open_memfd(options, logger, &mapping->fd);
	if (result == 0)
		result = ram_map_block(options, logger, mapping, (void *)(uintptr_t)wanted);
	/* Advice only: a kernel without THP runs the guest all the same. */
	if (result == 0 && options->thp && !ram_is_hugetlb(options) &&
	    madvise(mapping->host, options->size, MADV_HUGEPAGE) < 0)
		log_debug(logger, "memory", "MADV_HUGEPAGE: %s: ordinary pages", strerror(errno));
	if (result == 0 && options->host_node >= 0)
		result = ram_bind(options, logger, mapping->host);
	if (result == 0 && options->prefault)
		result = ram_prefault(options, logger, mapping->host);
	if (result < 0)
		guest_ram_unmap(mapping);
	return result;
}

void guest_ram_unmap(struct guest_ram_mapping *mapping)
{
	int saved_errno = errno;

	if (mapping->reserved)
		munmap(mapping->reserved, mapping->reserved_size);
	errno = saved_errno;
	mapping->reserved = NULL;
	mapping->host = NULL;
	fd_close(&mapping->fd);
}

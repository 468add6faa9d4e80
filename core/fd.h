/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_FD_H
#define CORE_FD_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>
#include <unistd.h>

/* Closes *@fd when it is open, makes it -1, preserves errno. Allowed on -1. */
static inline void fd_close(int *fd)
{
	int saved_errno = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved_errno;
}

/*
 * Takes the count of an eventfd and returns whether there was one. It never waits: with a process
 * that shares the eventfd it shares O_NONBLOCK too, which that process may clear.
 */
static inline bool fd_take_count(int fd)
{
	uint64_t count;
	struct iovec part = {.iov_base = &count, .iov_len = sizeof(count)};

	return preadv2(fd, &part, 1, -1, RWF_NOWAIT) == (ssize_t)sizeof(count);
}

#endif

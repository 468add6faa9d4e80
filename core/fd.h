/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_FD_H
#define CORE_FD_H

#include <errno.h>
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

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ACCEL_SIM_FD_H
#define ACCEL_SIM_FD_H

#include <unistd.h>

/* Closes *@fd when it is open and makes it -1. Allowed on -1. */
static inline void sim_fd_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

#endif

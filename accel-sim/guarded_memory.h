/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ACCEL_SIM_GUARDED_MEMORY_H
#define ACCEL_SIM_GUARDED_MEMORY_H

#include <stddef.h>

/*
 * Copies from and to memory that another process may truncate at any time (the client's RAM, the
 * file behind the device memory): a SIGBUS during the copy becomes an error.
 */

/* sim_guarded_install() - install the SIGBUS handler; once per process. Returns 0 or -errno. */
int sim_guarded_install(void);

/* sim_guarded_copy() - memcpy(); returns 0, or -EIO when the memory is gone. Any thread. */
int sim_guarded_copy(void *to, const void *from, size_t size);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_PAGE_H
#define CORE_PAGE_H

#include <stddef.h>
#include <unistd.h>

/* Bytes of an ordinary page of the host: 4, 16 or 64 KiB. No system call. Any thread. */
static inline size_t host_page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMM_API_HOST_FORMAT_H
#define VMM_API_HOST_FORMAT_H

#include <cxvm/cxvm.h>

#include "passthrough/host/host.h"

/* The documents of cxvm host, as text or JSON. Each is for the caller to free(); NULL: no memory.
 */
char *host_format_list(const struct host_inventory *inventory, bool all, enum cxvm_format format);
char *host_format_check(const struct host_finding findings[HOST_CHECKS], unsigned int problems,
			enum cxvm_format format);
char *host_format_changes(const struct host_change *changes, size_t count, enum cxvm_format format);

#endif

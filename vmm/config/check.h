/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMM_CONFIG_CHECK_H
#define VMM_CONFIG_CHECK_H

#include "vmm/machine/specification.h"

/*
 * config_check() - every problem of a complete configuration (defaults filled in), each handed to
 * @report (may be NULL) as one line with its cause and a fix. Reads files and opens devices,
 * changes nothing. Returns how many there were.
 */
int config_check(const struct machine_config *config,
		 void (*report)(void *opaque, const char *message), void *opaque);

#endif

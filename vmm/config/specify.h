/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMM_CONFIG_SPECIFY_H
#define VMM_CONFIG_SPECIFY_H

#include "vmm/config/config.h"
#include "vmm/config/problems.h"

/*
 * config_specify() - defaults, texts and rules: what was asked for becomes what the machine is
 * built from. It looks at nothing but @config: no file, no device, no system call. Check and start
 * both begin with it, so they cannot differ. @specification borrows the strings of @config, and is
 * usable when no problem was added.
 */
void config_specify(const struct machine_config *config,
		    struct machine_specification *specification, struct problems *problems);

/* The parts of it that are about disks, network cards, consoles and so on. */
void specify_devices(const struct machine_config *config,
		     struct machine_specification *specification, struct problems *problems);

#endif

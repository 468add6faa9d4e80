/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMM_CONFIG_TEXT_H
#define VMM_CONFIG_TEXT_H

#include <sched.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/machine/specification.h"

/*
 * The texts inside of values: lists of CPUs, affinities, MAC addresses. Each is parsed here and
 * nowhere else. All are pure, and return 0 or -EINVAL with a part of a sentence in @why.
 */

/*
 * text_list() - the numbers of "0-3,5" or "[0-3,5]", @length bytes; each once, all below
 * CPU_SETSIZE. White space at the end is allowed, as sysfs has it. At least one number.
 */
int text_list(const char *text, size_t length, cpu_set_t *numbers, const char **why);

/*
 * text_affinity() - "[0@[0,2-3],1@[4]]", the outer brackets may be missing: the host CPUs of each
 * vCPU, each vCPU at most once. Fills pinned and host_cpus of @cpus.
 */
int text_affinity(const char *text, struct specification_cpus *cpus, const char **why);

/* text_mac() - "aa:bb:cc:dd:ee:ff", a unicast address. */
int text_mac(const char *text, uint8_t mac[6], const char **why);

#endif

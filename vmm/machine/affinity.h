/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMM_MACHINE_AFFINITY_H
#define VMM_MACHINE_AFFINITY_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * affinity_parse() - "[0@[0,2-3],1@[4]]" (outer brackets optional): the host CPUs of @vcpu. Pure.
 * @found says whether the vCPU is named at all. Returns 0 or -EINVAL (malformed, or a CPU number
 * that does not fit a cpu_set_t).
 */
int affinity_parse(const char *text, uint32_t vcpu, cpu_set_t *cpus, bool *found);

#endif

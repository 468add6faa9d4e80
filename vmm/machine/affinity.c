/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sched.h>
#include <string.h>

#include "vmm/machine/build.h"
#include "vmm/machine/internal.h"

int machine_set_affinity(struct machine *machine, uint32_t vcpu)
{
	const struct specification_cpus *cpus = &machine->specification->cpus;
	int result;

	if (!(cpus->pinned >> vcpu & 1) ||
	    !sched_setaffinity(0, sizeof(cpus->host_cpus[vcpu]), &cpus->host_cpus[vcpu]))
		return 0;
	result = -errno;
	log_error(machine->logger, "cpus",
		  "cannot bind vcpu%u to the host CPUs of its affinity: %s", vcpu,
		  strerror(-result));
	return result;
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMM_MACHINE_SPECIFICATION_H
#define VMM_MACHINE_SPECIFICATION_H

#include <stdbool.h>
#include <stddef.h>

#include <cxvm/cxvm.h>

#define MACHINE_MAX_VCPUS   64u
#define MACHINE_MAX_NODES   16u
#define MACHINE_MAX_DISKS   24u
#define MACHINE_MAX_NETS    16u
#define MACHINE_MAX_DEVICES 32u

/*
 * A machine's configuration with every default filled in and every string owned. Built by vmm/api
 * from the public option structs; read-only once the machine exists. The public structs are reused
 * as they are, so that there is one list of fields.
 */
struct machine_config {
	struct cxvm_cpus cpus;
	struct cxvm_memory memory;
	struct cxvm_payload payload;
	struct cxvm_numa_node nodes[MACHINE_MAX_NODES];
	size_t node_count;
	struct cxvm_disk disks[MACHINE_MAX_DISKS];
	size_t disk_count;
	struct cxvm_net nets[MACHINE_MAX_NETS];
	size_t net_count;
	bool has_vsock;
	struct cxvm_vsock vsock;
	struct cxvm_console serial;
	struct cxvm_console console;
	struct cxvm_rng rng;
	struct cxvm_balloon balloon;
	struct cxvm_device devices[MACHINE_MAX_DEVICES];
	size_t device_count;
	struct cxvm_platform platform;
};

static inline bool toggle_on(enum cxvm_toggle toggle, bool fallback)
{
	return toggle == CXVM_DEFAULT ? fallback : toggle == CXVM_ON;
}

#endif

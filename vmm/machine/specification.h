/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMM_MACHINE_SPECIFICATION_H
#define VMM_MACHINE_SPECIFICATION_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cxvm/cxvm.h>

#include "arch/arch.h"
#include "devices/virtio/rate_limiter.h"
#include "passthrough/device/options.h"

#define MACHINE_MAX_VCPUS   64u
#define MACHINE_MAX_NODES   16u
#define MACHINE_MAX_DISKS   24u
#define MACHINE_MAX_NETS    16u
#define MACHINE_MAX_DEVICES 32u

/* Room for a name that nobody gave: "disk23". */
#define SPECIFICATION_NAME 16u

/*
 * What a machine is built from: every default is filled in, every text is parsed and every rule
 * that needs no look at the host holds. vmm/config fills it. Strings belong to whoever asked for
 * the machine and outlive it, as the descriptors do.
 */

struct specification_cpus {
	struct cpu_topology topology;
	uint32_t max_phys_bits;                 /* 0: as the host */
	const char *features;                   /* for arch_cpus_create(); NULL: the host's */
	uint64_t pinned;                        /* bit n: vCPU n is bound to host_cpus[n] */
	cpu_set_t host_cpus[MACHINE_MAX_VCPUS]; /* empty for a vCPU that is not pinned */
};

struct specification_memory {
	uint64_t bytes;
	uint64_t page_size;      /* of hugetlb; 0: ordinary pages */
	enum cxvm_toggle shared; /* CXVM_DEFAULT: when a device needs it */
	bool thp;
	bool prefault;
	uint32_t prefault_threads; /* 0: as many as there are host CPUs */
};

struct specification_node {
	uint64_t bytes;
	uint64_t cpus; /* bit n: vCPU n; no vCPU is in two nodes */
	int host_node; /* -1: not bound */
};

struct specification_payload {
	const char *kernel;
	const char *initramfs; /* NULL: none */
	const char *cmdline;   /* NULL: empty */
};

struct specification_disk {
	const char *id;
	const char *path;
	bool readonly;
	bool direct;
	uint16_t num_queues;
	uint16_t queue_size;
	const char *serial; /* NULL: the id */
	struct rate_limiter_options rate_limit;
	char own_id[SPECIFICATION_NAME];
};

struct specification_net {
	const char *id;
	const char *tap;
	int fd; /* an open tap, or -1 */
	bool has_mac;
	uint8_t mac[6];
	uint16_t mtu;           /* 0: the tap's */
	enum cxvm_toggle vhost; /* CXVM_DEFAULT: when the host has it */
	uint16_t queue_size;
	struct rate_limiter_options rate_limit;
	char own_id[SPECIFICATION_NAME];
};

struct specification_vsock {
	uint64_t cid;
	const char *socket;
	bool vhost;
};

struct specification_console {
	enum cxvm_console_mode mode; /* never CXVM_CONSOLE_DEFAULT */
	const char *path;
};

struct specification_balloon {
	uint64_t bytes;
	bool deflate_on_oom;
	bool free_page_reporting;
};

struct specification_device {
	struct passthrough_options options;
	char own_id[SPECIFICATION_NAME];
};

struct specification_platform {
	enum cxvm_seccomp seccomp;
	bool boot_timer;
	bool debug_exit;
	bool pvpanic;
	uint32_t power_off_grace_ms; /* 0: never forced */
};

/* Points into itself (own_id): do not copy it. */
struct machine_specification {
	struct specification_cpus cpus;
	struct specification_memory memory;
	struct specification_node nodes[MACHINE_MAX_NODES]; /* the index is the node's number */
	size_t node_count; /* 0: none was asked for, all is in node 0 */
	struct specification_payload payload;
	struct specification_disk disks[MACHINE_MAX_DISKS];
	size_t disk_count;
	struct specification_net nets[MACHINE_MAX_NETS];
	size_t net_count;
	bool has_vsock;
	struct specification_vsock vsock;
	struct specification_console serial;
	struct specification_console console;
	bool has_rng;
	bool has_balloon;
	struct specification_balloon balloon;
	struct specification_device devices[MACHINE_MAX_DEVICES];
	size_t device_count;
	struct specification_platform platform;
};

static inline bool toggle_on(enum cxvm_toggle toggle, bool fallback)
{
	return toggle == CXVM_DEFAULT ? fallback : toggle == CXVM_ON;
}

/* The NUMA node of a vCPU: 0 when nobody said. */
static inline uint32_t specification_node_of(const struct machine_specification *specification,
					     uint32_t vcpu)
{
	for (uint32_t i = 0; i < specification->node_count; i++)
		if (specification->nodes[i].cpus >> vcpu & 1)
			return i;
	return 0;
}

#endif

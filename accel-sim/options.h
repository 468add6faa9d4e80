/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ACCEL_SIM_OPTIONS_H
#define ACCEL_SIM_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sim_class {
	SIM_CLASS_GPU,    /* 0x0302: a 3D controller with the compute engine */
	SIM_CLASS_MEMORY, /* 0x050210: a CXL memory expander with a mailbox */
};

/* Where the component register block lies in its BAR (VFIO CXL contract, sparse areas) */
enum sim_topology {
	SIM_TOPOLOGY_A, /* at the end */
	SIM_TOPOLOGY_B, /* at the start */
	SIM_TOPOLOGY_C, /* inside */
	SIM_TOPOLOGY_D, /* the block is the whole BAR */
};

/* Which generation of the VFIO CXL contract GET_INFO and the COMP_REGS region speak */
enum sim_contract {
	SIM_CONTRACT_V2,
	SIM_CONTRACT_V3,
	SIM_CONTRACT_REGIONS, /* no device capability: discovery by region type */
	SIM_CONTRACT_NONE,    /* a plain PCI device: no CXL flag, no extra regions */
};

/* What offset 0 of the COMP_REGS region is; each origin comes with that generation's write rules */
enum sim_origin {
	SIM_ORIGIN_CACHEMEM, /* v2: component block + 0x1000 */
	SIM_ORIGIN_BLOCK,    /* v3: component block */
	SIM_ORIGIN_HDM,      /* later: the HDM decoder block */
};

/* Deliberately wrong layouts and capabilities, one bit each (--broken NAME, --topology broken-NAME)
 */
enum sim_broken {
	SIM_BROKEN_ZERO_AREA = 1 << 0,      /* block == BAR with one empty sparse area */
	SIM_BROKEN_WRAPPED_AREA = 1 << 1,   /* block larger than BAR, area size wrapped */
	SIM_BROKEN_OVERLAP = 1 << 2,        /* an area covers the block */
	SIM_BROKEN_UNALIGNED = 1 << 3,      /* areas that do not start on a page */
	SIM_BROKEN_PAST_END = 1 << 4,       /* an area passes the end of the BAR */
	SIM_BROKEN_MANY_AREAS = 1 << 5,     /* nr_areas far larger than the capability */
	SIM_BROKEN_CAP_LOOP = 1 << 6,       /* device capability whose next points at itself */
	SIM_BROKEN_CAP_OUTSIDE = 1 << 7,    /* next outside the reply */
	SIM_BROKEN_CAP_SIZE = 1 << 8,       /* CXL capability of 40 bytes (v1) */
	SIM_BROKEN_CAP_INDEX = 1 << 9,      /* region indices below 9 */
	SIM_BROKEN_CAP_TWICE = 1 << 10,     /* CXL capability present twice */
	SIM_BROKEN_REGION_COUNT = 1 << 11,  /* num_regions 0xffffffff */
	SIM_BROKEN_MEMORY_SIZE = 1 << 12,   /* memory region of size 0 */
	SIM_BROKEN_NO_FD = 1 << 13,         /* MMAP flag without an fd */
	SIM_BROKEN_SHORT_FD = 1 << 14,      /* fd smaller than the region */
	SIM_BROKEN_BLOCK_OUTSIDE = 1 << 15, /* component block offset past the BAR */
	SIM_BROKEN_HDM_COUNT = 1 << 16,     /* HDM capability with a reserved decoder count code */
	SIM_BROKEN_REGION_OFFSET = 1 << 17, /* mmap offset near 2^64 */
};

struct sim_options {
	const char *socket_path;
	const char *control_path; /* NULL: none */
	enum sim_class class;
	uint16_t vendor;
	uint16_t device;
	uint32_t class_code; /* 24 bits */
	enum sim_topology topology;
	enum sim_contract contract;
	enum sim_origin origin;
	uint32_t broken;         /* enum sim_broken bits */
	int component_bar;       /* 0, 2 or 4 */
	uint64_t component_size; /* of that BAR: a power of two */
	uint64_t dpa_size;       /* bytes */
	const char *dpa_path;    /* NULL: a sparse memfd */
	uint64_t dpa_offset;     /* in that file */
	unsigned int decoders;   /* 1, 2, 4, 6, 8 or 10 */
	bool firmware_committed;
	uint64_t firmware_base; /* HPA of decoder 0 */
	bool cache_capable;
	bool config_lock;     /* DVSEC CONFIG_LOCK set from the start */
	bool map_windows;     /* offer fds for the windows and the device memory */
	unsigned int vectors; /* MSI-X vectors, 1 to 2048 */
	unsigned int queues;  /* 1 to 16 */
	uint64_t serial;
	bool verbose;
};

enum sim_options_result {
	SIM_OPTIONS_OK,
	SIM_OPTIONS_HELP,
	SIM_OPTIONS_VERSION,
	SIM_OPTIONS_BAD, /* `message` says what is wrong and what would be right */
};

/*
 * sim_options_parse() - read the command line into *options, filling every default.
 * @message: receives the text of SIM_OPTIONS_BAD. Pointers in *options are into argv.
 */
enum sim_options_result sim_options_parse(struct sim_options *options, int argc, char *const *argv,
					  char *message, size_t message_size);

/* sim_options_defaults() - an accelerator of 256 MiB, topology A, contract v2, firmware-committed.
 */
void sim_options_defaults(struct sim_options *options);

/*
 * sim_options_complete() - check the combination and derive what depends on other fields (BAR index
 * and size, ids, origin). Returns false and fills `message` when something cannot be.
 */
bool sim_options_complete(struct sim_options *options, char *message, size_t message_size);

/* sim_options_usage() - the text of --help. */
const char *sim_options_usage(void);

#endif

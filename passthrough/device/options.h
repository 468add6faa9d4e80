/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PASSTHROUGH_DEVICE_OPTIONS_H
#define PASSTHROUGH_DEVICE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * What one passed-through device is asked for, resolved: the configuration fills it and the device
 * takes it as it is. Includes nothing of the house, so that whoever fills it need not know devices.
 */

/* How a device is reached. */
enum passthrough_way_kind {
	PASSTHROUGH_WAY_NONE = 0,         /* not said: refused */
	PASSTHROUGH_WAY_VFIO_USER_SOCKET, /* name: path of a vfio-user server's socket */
	PASSTHROUGH_WAY_VFIO_USER_FD,     /* fd: a connected socket of a vfio-user server */
	PASSTHROUGH_WAY_VFIO_NAME,        /* name: kernel VFIO; group or character device */
	PASSTHROUGH_WAY_VFIO_GROUP_FD,    /* fd: its open IOMMU group; name: which of its devices */
	PASSTHROUGH_WAY_VFIO_CDEV_FD,     /* fd: its open character device; name is not used */
};

struct passthrough_way {
	enum passthrough_way_kind kind;
	const char
		*name; /* socket path, or BDF "0000:17:00.0" or sysfs path of the host's device */
	int fd;        /* socket, group or character device; -1: none */
	int iommufd;   /* VFIO_NAME and VFIO_CDEV_FD: an open /dev/iommu; -1: none given */
};

/* Who owns the DPA inside the guest; decides what the firmware tables say (SRAT). */
enum passthrough_memory {
	PASSTHROUGH_MEMORY_CXL = 0, /* the device's driver */
	/* The guest's page allocator: committed at boot, RAM in the memory map, with an affinity of
	 * its own. */
	PASSTHROUGH_MEMORY_NODE,
};

/* Whether a kind of device memory goes into the device's own DMA map. */
enum passthrough_dma_policy {
	PASSTHROUGH_DMA_TRY = 0, /* a failure is a warning */
	PASSTHROUGH_DMA_OFF,
};

/*
 * Strings and descriptors are borrowed for the time of passthrough_connect(): the device copies and
 * duplicates what it keeps, and the caller closes its own.
 */
struct passthrough_options {
	const char *id; /* "gpu0": names the device in messages and listings */
	struct passthrough_way way;
	bool allow_no_iommu; /* accept VFIO's no-IOMMU mode */
	enum passthrough_memory memory;
	enum passthrough_dma_policy dma_windows; /* BAR windows in the DMA map */
	enum passthrough_dma_policy dma_dpa;     /* committed DPA in the DMA map */
	uint32_t timeout_ms;                     /* of each wait for the device's side; 0: 5000 */
};

#define PASSTHROUGH_OPTIONS_INIT                                                                   \
	{                                                                                          \
		.way = {.fd = -1, .iommufd = -1 }                                                  \
	}

#endif

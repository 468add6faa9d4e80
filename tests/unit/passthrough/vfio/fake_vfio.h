/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_PASSTHROUGH_VFIO_FAKE_VFIO_H
#define TESTS_UNIT_PASSTHROUGH_VFIO_FAKE_VFIO_H

#include <stdbool.h>
#include <stdint.h>

#include "passthrough/vfio/vfio.h"

/*
 * A kernel with VFIO that keeps account of who is in what, and refuses what the kernel refuses: a
 * group is opened once, and is in one container; a container is closed after its groups; a device
 * is bound to one iommufd. The devices:
 *
 *   0000:17:00.0, 0000:17:00.1   group 7, vfio0 and vfio1
 *   0000:18:00.0                 group 8, vfio2
 *   0000:19:00.0                 group 9, vfio3
 */
#define FAKE_VFIO_DEVICES 4u
#define FAKE_VFIO_FILES   32u
#define FAKE_VFIO_RANGES  8u

enum fake_vfio_kind {
	FAKE_VFIO_CLOSED = 0,
	FAKE_VFIO_GROUP,
	FAKE_VFIO_CONTAINER,
	FAKE_VFIO_IOMMUFD,
	FAKE_VFIO_DEVICE,
	FAKE_VFIO_DMA_BUF,
	FAKE_VFIO_REPLACED, /* by an eventfd */
};

struct fake_vfio_range {
	uint64_t address;
	uint64_t size; /* 0: none */
	bool device_memory;
};

/* A container or an IOAS. */
struct fake_vfio_space {
	bool there;
	bool has_iommu;
	int iommufd;  /* of an IOAS */
	int attached; /* groups or devices */
	struct fake_vfio_range ranges[FAKE_VFIO_RANGES];
};

struct fake_vfio_file {
	enum fake_vfio_kind kind;
	int number; /* of the group, or index of the device */
	int space;  /* index of what it is, or is attached to; -1: none */
	int iommufd;
};

struct fake_vfio {
	bool cdev;                     /* the kernel has /dev/iommu */
	bool alone[FAKE_VFIO_DEVICES]; /* the device (its group) goes into no space with others */
	int fail_after;                /* calls that still work; -1: all */
	bool hit;                      /* ... and one did not */
	int fail_error;
	unsigned int calls;    /* open and ioctl */
	uint32_t hot_reset[4]; /* indices of the devices that it hits */
	uint32_t hot_reset_count;
	uint32_t hot_reset_groups; /* descriptors that the last one came with */
	unsigned int hot_resets;
	struct fake_vfio_file files[FAKE_VFIO_FILES];
	struct fake_vfio_space spaces[8];
};

extern struct fake_vfio fake_vfio;
extern const struct vfio_system_ops fake_vfio_system;

void fake_vfio_reset(bool cdev);

unsigned int fake_vfio_open_files(enum fake_vfio_kind kind); /* FAKE_VFIO_CLOSED: of all kinds */
unsigned int fake_vfio_spaces(void);
uint64_t fake_vfio_pinned(void); /* bytes of RAM in all spaces */
unsigned int fake_vfio_windows(void);

/* A descriptor from outside: of group @number, or (0) an iommufd. */
int fake_vfio_hand_in(int number);
/* The same file under another number. */
int fake_vfio_duplicate(int fd);

#endif

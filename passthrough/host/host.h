/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PASSTHROUGH_HOST_HOST_H
#define PASSTHROUGH_HOST_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "passthrough/host/cxl.h"
#include "passthrough/transport/pci_address.h"

/*
 * What the host has that can be passed through, what keeps it from being passed through, and how
 * to change that. Everything is read from files below one folder, so that a copy of a sysfs tree
 * is as good as a host. One thread at a time; nothing is kept between calls.
 */

/* What is not a file: stands behind a table so that tests can play the kernel. Each returns 0 or
 * -errno. */
struct host_ops {
	/* Write @text to an attribute of sysfs, in one write. */
	int (*store)(void *opaque, const char *path, const char *text);
	/* Whether a file can be opened for reading and writing. */
	int (*probe)(void *opaque, const char *path);
	/* RLIMIT_MEMLOCK of this process; UINT64_MAX: none, or not bound by it (CAP_IPC_LOCK). */
	uint64_t (*memory_lock)(void *opaque);
	/* Whether this process is root. */
	bool (*privileged)(void *opaque);
};

extern const struct host_ops host_real_ops;

struct host {
	const char *root; /* stands for "/"; "" is the host itself */
	const struct host_ops *ops;
	void *opaque;
};

#define HOST_NAME     64u
#define HOST_TEXT     320u
#define HOST_PROBLEMS 8u

#define HOST_DRIVER_CXL   "cxl-vfio-pci"
#define HOST_DRIVER_PLAIN "vfio-pci"

/* One reason against something, and what would remove it. */
struct host_problem {
	char what[HOST_TEXT];
	char fix[HOST_TEXT];
};

enum host_kind {
	HOST_KIND_OTHER = 0,
	HOST_KIND_BRIDGE,      /* never passed through */
	HOST_KIND_ACCELERATOR, /* display (class 03) or processing accelerator (class 12) */
	HOST_KIND_CXL,         /* a CXL device with memory that cxl-vfio-pci takes */
	HOST_KIND_CXL_MEMORY,  /* class 0x050210: the host's own drivers are meant to have it */
};

struct host_device {
	char address[PCI_ADDRESS_TEXT]; /* "0000:17:00.0" */
	uint16_t vendor, device;
	uint32_t class_code; /* 24 bits */
	enum host_kind kind;
	char driver[HOST_NAME];   /* "": none */
	char override[HOST_NAME]; /* driver_override; "": none */
	int iommu_group;          /* -1: none */
	uint32_t virtual_functions;
	struct host_cxl cxl;
	const char *wanted_driver; /* what cxvm host bind takes */
	bool bound;                /* to a VFIO driver */
	/* Of cxl-vfio-pci: "running", "clean", "used", "needed", "failed" or "off"; "": not its. */
	char scrub_state[16];
	uint64_t scrub_done, scrub_size; /* bytes */
	/* Why it cannot be passed through, beyond not being bound yet. */
	struct host_problem problems[HOST_PROBLEMS];
	unsigned int problem_count;
};

struct host_inventory {
	struct host_device *devices; /* all functions, by address */
	size_t count;
};

/*
 * host_inventory_read() - all PCI functions with what is wrong with each. Returns 0, -ENOENT (no
 * /sys/bus/pci/devices), -ENOMEM or another -errno. To be freed also after a failure.
 */
int host_inventory_read(const struct host *host, struct host_inventory *inventory);
void host_inventory_free(struct host_inventory *inventory);

/* By address; NULL when it is not there. */
const struct host_device *host_inventory_find(const struct host_inventory *inventory,
					      const char *address);

/* What pci_address_parse() takes, to the kernel's form. Returns 0 or -EINVAL (also when @size is
 * too small). */
int host_parse_address(const char *text, char *address, size_t size);

/*
 * host_judge() - fill in what is wrong with each device. @leave: a device of @leave_count that
 * count as given up by the host (they are bound together). host_inventory_read() did it with none.
 */
void host_judge(const struct host *host, struct host_inventory *inventory, const char *const *leave,
		size_t leave_count);

enum host_outcome {
	HOST_DONE = 0,
	HOST_ALREADY, /* nothing was to be done */
	HOST_REFUSED, /* see problem; the device is as it was */
};

struct host_change {
	char address[PCI_ADDRESS_TEXT];
	char before[HOST_NAME]; /* driver; "": none */
	char after[HOST_NAME];
	enum host_outcome outcome;
	struct host_problem problem;
};

/*
 * host_bind() - give @count devices to VFIO: @driver, or the one that fits each device when NULL.
 * All are judged before the first is touched; one that is refused leaves all as they are. When the
 * driver does not take a device, it is given back to the one it had. Returns 0, or the first
 * -errno: -EINVAL (no address), -ENOENT (no device), -EPERM (not root), -EBUSY (in use, or its
 * group is), -ENODEV (no IOMMU), -ENXIO (the driver is not loaded), -EIO (the driver refused it),
 * -ENOMEM.
 * @changes has @count entries and says it for each.
 */
int host_bind(const struct host *host, const char *const *devices, size_t count, const char *driver,
	      struct host_change *changes);

/*
 * host_unbind() - give @count devices back: the override is cleared and the kernel chooses a driver
 * again. Returns 0 or the first -errno: as above; -EBUSY: a process has it open.
 */
int host_unbind(const struct host *host, const char *const *devices, size_t count,
		struct host_change *changes);

enum host_state {
	HOST_OK = 0,
	HOST_HINT,   /* works, could be better */
	HOST_PROBLEM /* what needs it does not work */
};

/* The subjects of host_check(), in this order. */
enum host_subject {
	HOST_CHECK_KVM = 0,
	HOST_CHECK_IOMMU,
	HOST_CHECK_VFIO,
	HOST_CHECK_DRIVER,
	HOST_CHECK_HUGEPAGES,
	HOST_CHECK_MEMLOCK,
	HOST_CHECKS,
};

struct host_finding {
	const char *subject;
	enum host_state state;
	char what[HOST_TEXT];
	char fix[HOST_TEXT]; /* "" when it is HOST_OK */
};

/* host_check() - look at what passthrough needs from the host. Returns the number of problems. */
unsigned int host_check(const struct host *host, struct host_finding findings[HOST_CHECKS]);

#endif

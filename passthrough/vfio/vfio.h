/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PASSTHROUGH_VFIO_VFIO_H
#define PASSTHROUGH_VFIO_VFIO_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "passthrough/transport/transport.h"
#include "core/kvm.h"

/*
 * The transports to the kernel's VFIO: the group with a type 1 container, and the device's
 * character device with iommufd. Which one is taken: what the given fds say; otherwise the
 * character device when both it and /dev/iommu exist, else the group.
 */

/* The system calls behind them, so that tests can stand a fake in. Each returns -errno on failure.
 */
struct vfio_system_ops {
	int (*open)(void *opaque, const char *path, int flags);
	int (*close)(void *opaque, int fd);
	/* Make @fd stand for the file of @with: closes what @fd was without the number ever being
	 * free, so that a thread that is about to use it meets the wrong file at worst. */
	int (*replace)(void *opaque, int fd, int with);
	int (*ioctl)(void *opaque, int fd, unsigned long request, void *argument);
	ssize_t (*pread)(void *opaque, int fd, void *data, size_t length, uint64_t offset);
	ssize_t (*pwrite)(void *opaque, int fd, const void *data, size_t length, uint64_t offset);
	/* *@address as for vfio_transport_ops.map */
	int (*mmap)(void *opaque, int fd, uint64_t offset, size_t size, void **address);
	/* The target of a symbolic link, NUL-terminated; returns its length. */
	ssize_t (*readlink)(void *opaque, const char *path, char *target, size_t size);
	/* The first entry of a folder that begins with @prefix. Returns 0 or -ENOENT. */
	int (*find_entry)(void *opaque, const char *path, const char *prefix, char *name,
			  size_t size);
};

extern const struct vfio_system_ops vfio_real_system;

struct vfio_kernel_options {
	struct vfio_transport_options transport;
	const char *host; /* BDF or sysfs path; with fds only a name, or NULL */
	/* Owned by the transport, also on failure; -1: none. See struct passthrough_options. */
	int device_fd;
	int group_fd;
	int container_fd;
	int iommufd_fd;
	bool allow_no_iommu;
	struct kvm_vm *vm;                    /* for KVM_DEV_VFIO; NULL: not told */
	const struct vfio_system_ops *system; /* NULL: the real one */
	void *system_opaque;
};

/*
 * vfio_kernel_open() - Returns 0; -EINVAL (no BDF, fds that contradict each other), -ENOENT (no
 * such device, or not bound to a VFIO driver), -EACCES, -EBUSY (in use), -EPERM (the IOMMU group
 * has other devices that are not bound), -EOPNOTSUPP (no-IOMMU without permission, no usable
 * IOMMU), or another -errno. The log names the device, what failed and what would fix it.
 */
int vfio_kernel_open(const struct vfio_kernel_options *options, struct vfio_transport **transport);

#endif

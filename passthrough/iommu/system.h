/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PASSTHROUGH_IOMMU_SYSTEM_H
#define PASSTHROUGH_IOMMU_SYSTEM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * The system calls behind the kernel's VFIO and iommufd, so that tests can stand a fake in. Each
 * returns -errno on failure.
 */
struct vfio_system_ops {
	int (*open)(void *opaque, const char *path, int flags);
	int (*close)(void *opaque, int fd);
	/* Make @fd stand for the file of @with: closes what @fd was without the number ever being
	 * free, so that a thread that is about to use it meets the wrong file at worst. */
	int (*replace)(void *opaque, int fd, int with);
	/* Whether both are the same open file: 1, or 0 when they are not or nobody can tell. */
	int (*same_file)(void *opaque, int fd, int other);
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

/* A table with its argument; copied by everyone who keeps it. */
struct vfio_system {
	const struct vfio_system_ops *ops;
	void *opaque;
};

/* ioctl(2), again when a signal interrupted it. Returns what it returned, or -errno. */
int vfio_system_ioctl(const struct vfio_system *system, int fd, unsigned long request,
		      void *argument);

int vfio_system_open(const struct vfio_system *system, const char *path, int flags);

/* Closes *@fd when it is open, and makes it -1. */
void vfio_system_close(const struct vfio_system *system, int *fd);

/* See vfio_system_ops.replace; nothing when *@fd is closed. */
void vfio_system_replace(const struct vfio_system *system, int fd, int with);

#endif

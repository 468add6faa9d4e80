/* SPDX-License-Identifier: Apache-2.0 */
#include "passthrough/iommu/system.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static int system_open(void *opaque, const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	(void)opaque;
	return fd < 0 ? -errno : fd;
}

static int system_close(void *opaque, int fd)
{
	(void)opaque;
	return close(fd) ? -errno : 0;
}

static int system_replace(void *opaque, int fd, int with)
{
	(void)opaque;
	return dup3(with, fd, O_CLOEXEC) < 0 ? -errno : 0;
}

static int system_same_file(void *opaque, int fd, int other)
{
	pid_t self = getpid();

	(void)opaque;
	return syscall(SYS_kcmp, self, self, KCMP_FILE, fd, other) == 0;
}

static int system_ioctl(void *opaque, int fd, unsigned long request, void *argument)
{
	int result = ioctl(fd, request, argument);

	(void)opaque;
	return result < 0 ? -errno : result;
}

static ssize_t system_pread(void *opaque, int fd, void *data, size_t length, uint64_t offset)
{
	ssize_t count = pread(fd, data, length, (off_t)offset);

	(void)opaque;
	return count < 0 ? -errno : count;
}

static ssize_t system_pwrite(void *opaque, int fd, const void *data, size_t length, uint64_t offset)
{
	ssize_t count = pwrite(fd, data, length, (off_t)offset);

	(void)opaque;
	return count < 0 ? -errno : count;
}

static int system_mmap(void *opaque, int fd, uint64_t offset, size_t size, void **address)
{
	void *mapped = mmap(*address, size, PROT_READ | PROT_WRITE,
			    MAP_SHARED | (*address ? MAP_FIXED : 0), fd, (off_t)offset);

	(void)opaque;
	if (mapped == MAP_FAILED)
		return -errno;
	*address = mapped;
	return 0;
}

static ssize_t system_readlink(void *opaque, const char *path, char *target, size_t size)
{
	ssize_t length = readlink(path, target, size - 1);

	(void)opaque;
	if (length < 0)
		return -errno;
	target[length] = '\0';
	return length;
}

static int system_find_entry(void *opaque, const char *path, const char *prefix, char *name,
			     size_t size)
{
	DIR *directory = opendir(path);
	const struct dirent *entry;
	int result = -ENOENT;

	(void)opaque;
	if (!directory)
		return -errno;
	while ((entry = readdir(directory))) {
		if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0 ||
		    strlen(entry->d_name) >= size)
			continue;
		memcpy(name, entry->d_name, strlen(entry->d_name) + 1);
		result = 0;
		break;
	}
	closedir(directory);
	return result;
}

const struct vfio_system_ops vfio_real_system = {
	.open = system_open,
	.close = system_close,
	.replace = system_replace,
	.same_file = system_same_file,
	.ioctl = system_ioctl,
	.pread = system_pread,
	.pwrite = system_pwrite,
	.mmap = system_mmap,
	.readlink = system_readlink,
	.find_entry = system_find_entry,
};

int vfio_system_ioctl(const struct vfio_system *system, int fd, unsigned long request,
		      void *argument)
{
	int result;

	do
		result = system->ops->ioctl(system->opaque, fd, request, argument);
	while (result == -EINTR);
	return result;
}

int vfio_system_open(const struct vfio_system *system, const char *path, int flags)
{
	return system->ops->open(system->opaque, path, flags);
}

void vfio_system_close(const struct vfio_system *system, int *fd)
{
	if (*fd >= 0)
		system->ops->close(system->opaque, *fd);
	*fd = -1;
}

void vfio_system_replace(const struct vfio_system *system, int fd, int with)
{
	if (fd >= 0)
		system->ops->replace(system->opaque, fd, with);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "passthrough/host/host.h"

static int system_store(void *opaque, const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), result = 0;

	(void)opaque;
	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		result = -errno;
	close(fd);
	return result;
}

static int system_probe(void *opaque, const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);

	(void)opaque;
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

/* capget(2); glibc has no wrapper. */
static bool has_capability(unsigned int number)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};

	return !syscall(SYS_capget, &header, data) &&
	       (data[number / 32].effective >> (number % 32) & 1);
}

static uint64_t system_memory_lock(void *opaque)
{
	struct rlimit limit;

	(void)opaque;
	if (has_capability(CAP_IPC_LOCK) || getrlimit(RLIMIT_MEMLOCK, &limit))
		return UINT64_MAX;
	return limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : (uint64_t)limit.rlim_cur;
}

static bool system_privileged(void *opaque)
{
	(void)opaque;
	return geteuid() == 0;
}

const struct host_ops host_real_ops = {
	.store = system_store,
	.probe = system_probe,
	.memory_lock = system_memory_lock,
	.privileged = system_privileged,
};

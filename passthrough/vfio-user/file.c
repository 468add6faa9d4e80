/* SPDX-License-Identifier: Apache-2.0 */
#include "passthrough/vfio-user/file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/fd.h"

#define MOUNTINFO_MAX (1u << 20)

bool vfio_user_mount_is_served(const char *mountinfo, int mount_id)
{
	for (const char *line = mountinfo; *line;) {
		const char *end = strchr(line, '\n');
		const char *type = strstr(line, " - ");

		if (!end)
			end = line + strlen(line);
		/* proc(5): the identifier first; the type behind the separator of the options. */
		if (atoi(line) == mount_id)
			return !type || type >= end || !strncmp(type + 3, "fuse", 4);
		line = *end ? end + 1 : end;
	}
	return true;
}

/* The text of a file in /proc, to be freed; NULL: not readable. */
static char *file_read(const char *path)
{
	char *text = malloc(MOUNTINFO_MAX + 1);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t length = 0;
	ssize_t got = -1;

	while (text && fd >= 0 && length < MOUNTINFO_MAX &&
	       (got = read(fd, text + length, MOUNTINFO_MAX - length)) > 0)
		length += (size_t)got;
	fd_close(&fd);
	/* A list that was cut would hide mounts. */
	if (got != 0) {
		free(text);
		return NULL;
	}
	text[length] = '\0';
	return text;
}

const char *vfio_user_file_problem(int fd)
{
	const char *problem = "it cannot be looked up in /proc";
	char path[64], *info, *mounts;
	const char *mount;

	/* The usual case in one call: only memory (memfd, tmpfs, huge pages) has seals. */
	if (fcntl(fd, F_GET_SEALS) >= 0)
		return NULL;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = file_read(path);
	mounts = file_read("/proc/self/mountinfo");
	mount = info ? strstr(info, "mnt_id:") : NULL;
	if (info && strstr(info, "\nexp_name:"))
		problem = NULL; /* a dma-buf: a driver's memory */
	else if (mount && mounts)
		problem = vfio_user_mount_is_served(mounts, atoi(mount + strlen("mnt_id:")))
				  ? "it is on a file system that a process serves, or that this "
				    "process does not see; the server should use a memfd"
				  : NULL;
	free(info);
	free(mounts);
	return problem;
}

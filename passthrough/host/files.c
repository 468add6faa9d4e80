/* SPDX-License-Identifier: Apache-2.0 */
#include "passthrough/host/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int __attribute__((format(printf, 3, 0)))
path_format(const struct host *host, char path[HOST_PATH], const char *format, va_list arguments)
{
	int used = snprintf(path, HOST_PATH, "%s", host->root);

	if (used >= 0 && (size_t)used < HOST_PATH) {
		int more = vsnprintf(path + used, HOST_PATH - (size_t)used, format, arguments);

		if (more >= 0 && (size_t)(used + more) < HOST_PATH)
			return 0;
	}
	path[0] = '\0';
	return -ENAMETOOLONG;
}

void host_format_problem(char *what, char *fix, const char *format, va_list arguments)
{
	char both[2 * HOST_TEXT];
	char *second;

	vsnprintf(both, sizeof(both), format, arguments);
	second = strchr(both, '\n');
	if (second)
		*second++ = '\0';
	snprintf(what, HOST_TEXT, "%.*s", (int)HOST_TEXT - 1, both);
	snprintf(fix, HOST_TEXT, "%.*s", (int)HOST_TEXT - 1, second ? second : "");
}

int host_path(const struct host *host, char path[HOST_PATH], const char *format, ...)
{
	va_list arguments;
	int result;

	va_start(arguments, format);
	result = path_format(host, path, format, arguments);
	va_end(arguments);
	return result;
}

bool host_exists(const struct host *host, const char *format, ...)
{
	char path[HOST_PATH];
	va_list arguments;
	int result;

	va_start(arguments, format);
	result = path_format(host, path, format, arguments);
	va_end(arguments);
	return !result && !access(path, F_OK);
}

long host_read_bytes(const char *path, void *bytes, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t used = 0;

	if (fd < 0)
		return -errno;
	while (used < size) {
		ssize_t got = read(fd, (char *)bytes + used, size - used);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		used += (size_t)got;
	}
	close(fd);
	return (long)used;
}

void host_read_line(const char *path, char *line, size_t size)
{
	long length = host_read_bytes(path, line, size - 1);

	line[length > 0 ? length : 0] = '\0';
	line[strcspn(line, "\n")] = '\0';
}

uint64_t host_read_number(const char *path, uint64_t otherwise)
{
	unsigned long long value;
	char line[32], *end;

	host_read_line(path, line, sizeof(line));
	errno = 0;
	value = strtoull(line, &end, 0);
	return end == line || errno ? otherwise : value;
}

void host_read_link(const char *path, char *name, size_t size)
{
	char target[HOST_PATH];
	ssize_t length = readlink(path, target, sizeof(target) - 1);
	const char *last;

	name[0] = '\0';
	if (length <= 0)
		return;
	target[length] = '\0';
	last = strrchr(target, '/');
	last = last ? last + 1 : target;
	if (strlen(last) < size)
		memcpy(name, last, strlen(last) + 1);
}

bool host_link_has(const char *path, const char *part)
{
	char target[HOST_PATH];
	ssize_t length = readlink(path, target, sizeof(target) - 1);
	size_t part_length = strlen(part);
	const char *at;

	if (length <= 0)
		return false;
	target[length] = '\0';
	for (at = target; (at = strstr(at, part)); at++)
		if ((at == target || at[-1] == '/') && (!at[part_length] || at[part_length] == '/'))
			return true;
	return false;
}

int host_each(const char *path, int (*visit)(void *opaque, const char *name), void *opaque)
{
	DIR *folder = opendir(path);
	const struct dirent *entry;
	int result = 0;

	if (!folder)
		return -errno;
	while (!result && (entry = readdir(folder)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			result = visit(opaque, entry->d_name);
	closedir(folder);
	return result;
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PASSTHROUGH_HOST_FILES_H
#define PASSTHROUGH_HOST_FILES_H

#include "passthrough/host/host.h"

#include <stdarg.h>

/* Formats "what\nfix" into two texts of HOST_TEXT bytes each, cut to fit; without a newline @fix is
 * "". */
void host_format_problem(char *what, char *fix, const char *format, va_list arguments)
	__attribute__((format(printf, 3, 0)));

/* Files below the host's root. Paths are formatted; a path that is too long does not exist. */
#define HOST_PATH 512u

/* @path receives root + the formatted rest. Returns 0 or -ENAMETOOLONG (@path is "" then). */
int host_path(const struct host *host, char path[HOST_PATH], const char *format, ...)
	__attribute__((format(printf, 3, 4)));

bool host_exists(const struct host *host, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Up to @size bytes of a file. Returns how many or -errno. */
long host_read_bytes(const char *path, void *bytes, size_t size);

/* The first line of an attribute, without its newline; "" when it cannot be read. */
void host_read_line(const char *path, char *line, size_t size);

/* A number as sysfs writes it (0x prefix or decimal); @otherwise when it cannot be read. */
uint64_t host_read_number(const char *path, uint64_t otherwise);

/* The last part of a link's target; "" when there is none or it is too long. */
void host_read_link(const char *path, char *name, size_t size);

/* Whether a link's target has @part as one of its parts. */
bool host_link_has(const char *path, const char *part);

/* Calls @visit for each entry of a folder but . and .., in any order, until it returns nonzero;
 * returns that, 0 at the end, or -errno when the folder cannot be opened. */
int host_each(const char *path, int (*visit)(void *opaque, const char *name), void *opaque);

#endif

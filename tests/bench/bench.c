/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/bench.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int bench_find_guest(const char *name, char *path, size_t size)
{
	static const char *const places[] = {"", "../kvm/"};
	char program[2048];
	ssize_t length = readlink("/proc/self/exe", program, sizeof(program) - 1);

	if (length < 0)
		return -errno;
	program[length] = '\0';
	strrchr(program, '/')[1] = '\0';
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(path, size, "%s%s%s", program, places[i], name);
		if (access(path, R_OK) == 0)
			return 0;
	}
	fprintf(stderr, "the guest %s is not beside this program\n", name);
	return -ENOENT;
}

void bench_print_log(void *opaque, enum cxvm_log_level level, const char *object,
		     const char *message)
{
	(void)opaque;
	(void)level;
	fprintf(stderr, "%s: %s\n", object, message);
}

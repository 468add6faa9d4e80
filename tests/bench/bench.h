/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H

#include <cxvm/cxvm.h>
#include <stddef.h>

/*
 * The test guest @name, beside this program (installed in the lab) or where the build puts it.
 * Returns 0 and its path, or a negative errno, said on standard error.
 */
int bench_find_guest(const char *name, char *path, size_t size);

/* A cxvm_log_callback that writes to standard error. */
void bench_print_log(void *opaque, enum cxvm_log_level level, const char *object,
		     const char *message);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_PASSTHROUGH_SYSTEM_CALLS_H
#define TESTS_SIM_PASSTHROUGH_SYSTEM_CALLS_H

/*
 * system_calls_run() - run @child in a process of its own under ptrace. Between its marks
 * (system_calls_mark()) the system calls of the thread that made the marks are counted: counts[n]
 * is the number between mark n and mark n + 1. Returns the child's exit status, or -1 where ptrace
 * is not allowed.
 */
#define SYSTEM_CALLS_MARKS 64

int system_calls_run(void (*child)(void *opaque), void *opaque,
		     unsigned int counts[SYSTEM_CALLS_MARKS]);
void system_calls_mark(void);

#endif

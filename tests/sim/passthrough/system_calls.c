/* SPDX-License-Identifier: Apache-2.0 */
#include "system_calls.h"

#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

/* A system call that nothing else makes, with an impossible argument. */
#define MARK_CALL     SYS_getpgid
#define MARK_ARGUMENT 0x7eadbeefL

void system_calls_mark(void)
{
	syscall(MARK_CALL, MARK_ARGUMENT);
}

int system_calls_run(void (*child)(void *opaque), void *opaque,
		     unsigned int counts[SYSTEM_CALLS_MARKS])
{
	int mark = -1, status = 0;
	pid_t pid = fork(), stopped, marker = 0;

	memset(counts, 0, sizeof(unsigned int) * SYSTEM_CALLS_MARKS);
	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, 0, 0))
			_exit(125);
		raise(SIGSTOP);
		child(opaque);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
		return -1;
	ptrace(PTRACE_SETOPTIONS, pid, 0,
	       PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL);
	ptrace(PTRACE_SYSCALL, pid, 0, 0);
	for (;;) {
		struct __ptrace_syscall_info info = {0};
		long signal = 0;

		stopped = waitpid(-1, &status, __WALL);
		if (stopped < 0)
			return -1;
		if (WIFEXITED(status) || WIFSIGNALED(status)) {
			if (stopped != pid)
				continue;
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		}
		if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
			ptrace(PTRACE_GET_SYSCALL_INFO, stopped, sizeof(info), &info);
			if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
				if (info.entry.nr == MARK_CALL &&
				    info.entry.args[0] == (uint64_t)MARK_ARGUMENT) {
					mark++;
					marker = stopped;
				} else if (stopped == marker && mark < SYSTEM_CALLS_MARKS) {
					counts[mark]++;
				}
			}
		} else if (WSTOPSIG(status) != SIGTRAP && WSTOPSIG(status) != SIGSTOP) {
			signal = WSTOPSIG(status);
		}
		ptrace(PTRACE_SYSCALL, stopped, 0, signal);
	}
}

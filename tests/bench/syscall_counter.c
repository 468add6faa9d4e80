/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts the system calls of a command and its threads, exactly, by ptrace: before the first
 * KVM_RUN of the process, KVM_RUNs, and others afterwards, of all threads and of the thread that
 * made the first KVM_RUN. Prints one JSON object to standard error (the command keeps standard
 * output). Child processes are followed and counted too.
 *
 *   syscall-counter COMMAND [ARGUMENT...]
 */
#include <errno.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define OPTIONS                                                                                    \
	(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |  \
	 PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL)

struct counts {
	uint64_t before_run;
	uint64_t run;
	uint64_t after_run;
	uint64_t vcpu_after_run;
	pid_t vcpu;
};

static void count(struct counts *counts, pid_t thread)
{
	struct __ptrace_syscall_info info;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof(info), &info) <= 0 ||
	    info.op != PTRACE_SYSCALL_INFO_ENTRY)
		return;
	if (info.entry.nr == SYS_ioctl && info.entry.args[1] == KVM_RUN) {
		if (!counts->run++)
			counts->vcpu = thread;
	} else if (counts->run == 0) {
		counts->before_run++;
	} else {
		counts->after_run++;
		counts->vcpu_after_run += thread == counts->vcpu;
	}
}

int main(int argc, char **argv)
{
	struct counts counts = {0};
	int status, result = 1;
	pid_t child, thread;

	if (argc < 2) {
		fprintf(stderr, "usage: %s COMMAND [ARGUMENT...]\n", argv[0]);
		return 2;
	}
	child = fork();
	if (child == 0) {
		raise(SIGSTOP);
		execvp(argv[1], argv + 1);
		fprintf(stderr, "%s: %s\n", argv[1], strerror(errno));
		_exit(127);
	}
	if (child < 0 || waitpid(child, &status, WUNTRACED) != child ||
	    ptrace(PTRACE_SEIZE, child, 0, OPTIONS) < 0) {
		perror("ptrace");
		return 1;
	}
	kill(child, SIGCONT);
	ptrace(PTRACE_INTERRUPT, child, 0, 0);
	while ((thread = waitpid(-1, &status, __WALL)) > 0) {
		int signal = 0;

		if (WIFEXITED(status) || WIFSIGNALED(status)) {
			if (thread == child)
				result = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
			continue;
		}
		if (status >> 8 == (SIGTRAP | PTRACE_EVENT_EXEC << 8))
			counts = (struct counts){0};
		else if (WSTOPSIG(status) == (SIGTRAP | 0x80))
			count(&counts, thread);
		else if (status >> 16 == 0)
			signal = WSTOPSIG(status);
		ptrace(PTRACE_SYSCALL, thread, 0, signal);
	}
	fprintf(stderr,
		"{\"syscalls_before_run\": %llu, \"kvm_runs\": %llu, \"syscalls_after_run\": "
		"%llu, \"vcpu_syscalls_after_run\": %llu}\n",
		(unsigned long long)counts.before_run, (unsigned long long)counts.run,
		(unsigned long long)counts.after_run, (unsigned long long)counts.vcpu_after_run);
	return result;
}

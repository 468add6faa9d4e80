/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts the system calls of a command and its threads, exactly, by ptrace: before the first
 * KVM_RUN of the process, KVM_RUNs, and others afterwards, of all threads and of the thread that
 * made the first KVM_RUN; and how many this thread made in that exit from the guest in which it
 * added the largest memory slot. Prints one JSON object to standard error (the command keeps
 * standard output). Child processes are followed and counted too.
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
#include <sys/uio.h>
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
	/* Of the vCPU's thread since its last KVM_RUN. */
	uint64_t in_exit;
	uint64_t slot_in_exit;
	uint64_t largest_slot;
	uint64_t largest_slot_calls;
};

/* Bytes of the memory slot that a KVM_SET_USER_MEMORY_REGION of @thread is about to set. */
static uint64_t slot_size(pid_t thread, uint64_t argument)
{
	struct kvm_userspace_memory_region region = {0};
	struct iovec to = {.iov_base = &region, .iov_len = sizeof(region)};
	struct iovec from = {.iov_base = (void *)(uintptr_t)argument, .iov_len = sizeof(region)};

	return process_vm_readv(thread, &to, 1, &from, 1, 0) == sizeof(region) ? region.memory_size
									       : 0;
}

static void count_in_exit(struct counts *counts, pid_t thread,
			  const struct __ptrace_syscall_info *info)
{
	if (info->entry.nr == SYS_ioctl && info->entry.args[1] == KVM_RUN) {
		if (counts->slot_in_exit > counts->largest_slot) {
			counts->largest_slot = counts->slot_in_exit;
			counts->largest_slot_calls = counts->in_exit;
		}
		counts->in_exit = counts->slot_in_exit = 0;
		return;
	}
	counts->in_exit++;
	if (info->entry.nr == SYS_ioctl && info->entry.args[1] == KVM_SET_USER_MEMORY_REGION) {
		uint64_t size = slot_size(thread, info->entry.args[2]);

		if (size > counts->slot_in_exit)
			counts->slot_in_exit = size;
	}
}

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
	if (counts->run && thread == counts->vcpu)
		count_in_exit(counts, thread, &info);
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
		"%llu, \"vcpu_syscalls_after_run\": %llu, \"largest_slot\": %llu, "
		"\"largest_slot_calls\": %llu}\n",
		(unsigned long long)counts.before_run, (unsigned long long)counts.run,
		(unsigned long long)counts.after_run, (unsigned long long)counts.vcpu_after_run,
		(unsigned long long)counts.largest_slot,
		(unsigned long long)counts.largest_slot_calls);
	return result;
}

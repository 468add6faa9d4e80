/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/machine/seccomp.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/fd.h"
#include "vmm/machine/seccomp_lists.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

/*
 * abort() of the C library, and no other signal: a handler of the embedding process would run in a
 * thread that has no filter.
 */
static int allow_abort(scmp_filter_ctx context)
{
	return seccomp_rule_add(context, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 2,
				SCMP_A0(SCMP_CMP_MASKED_EQ, UINT32_MAX, (uint32_t)getpid()),
				SCMP_A2(SCMP_CMP_MASKED_EQ, UINT32_MAX, SIGABRT));
}

static int add_rules(scmp_filter_ctx context, enum thread_kind kind, unsigned int needs)
{
	size_t call_count, ioctl_count;
	const struct seccomp_rule *calls = seccomp_call_rules(&call_count);
	const struct seccomp_rule *ioctls = seccomp_ioctl_rules(&ioctl_count);
	int result = allow_abort(context);

	/* The allocator would like to read the number of CPUs from sysfs and has another way when
	 * it may not. */
	if (!result)
		result = seccomp_rule_add(context, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(openat), 0);

	for (size_t i = 0; i < call_count && !result; i++)
		if (seccomp_rule_applies(&calls[i], kind, needs))
			result = seccomp_rule_add_array(context, SCMP_ACT_ALLOW,
							(int)calls[i].number, calls[i].pin_count,
							calls[i].pins);
	for (size_t i = 0; i < ioctl_count && !result; i++)
		if (seccomp_rule_applies(&ioctls[i], kind, needs))
			/* The kernel looks at the low 32 bits of the request only. */
			result = seccomp_rule_add(context, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
						  SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX,
							  (uint32_t)ioctls[i].number));
	return result;
}

/* libseccomp writes a program to a file only: it is appended to @fd, and read back from *@end. */
static int export_program(scmp_filter_ctx context, int fd, off_t *end, struct sock_fprog *program)
{
	struct sock_filter filter[BPF_MAXINSNS]; /* the kernel takes no more */
	int result = seccomp_export_bpf(context, fd);
	ssize_t bytes;

	if (result)
		return result;
	bytes = pread(fd, filter, sizeof(filter), *end);
	if (bytes <= 0 || bytes % (ssize_t)sizeof(filter[0]))
		return bytes < 0 ? -errno : -EIO;
	*end += bytes;
	program->filter = malloc((size_t)bytes);
	if (!program->filter)
		return -ENOMEM;
	memcpy(program->filter, filter, (size_t)bytes);
	program->len = (unsigned short)((size_t)bytes / sizeof(filter[0]));
	return 0;
}

/*
 * KVM_RUN is the one call that counts: each exit of the guest makes it, and libseccomp sorts the
 * ioctls by their numbers. It is looked for before all others.
 */
static int put_first(struct sock_fprog *program, uint32_t request)
{
	const struct sock_filter first[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, seccomp_arch_native(), 0, 5),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, request, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	size_t length = COUNT(first) + program->len;
	struct sock_filter *filter = calloc(length, sizeof(*filter));

	if (!filter)
		return -ENOMEM;
	memcpy(filter, first, sizeof(first));
	memcpy(filter + COUNT(first), program->filter, program->len * sizeof(*filter));
	free(program->filter);
	program->filter = filter;
	program->len = (unsigned short)length;
	return 0;
}

static int build(struct sock_fprog *program, enum thread_kind kind, unsigned int needs,
		 uint32_t action, int fd, off_t *end)
{
	scmp_filter_ctx context = seccomp_init(action);
	int result;

	if (!context)
		return -ENOMEM;
	/* The hot calls are few; a binary tree keeps the rest short too. */
	result = seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (!result)
		result = seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (!result)
		result = add_rules(context, kind, needs);
	if (!result)
		result = export_program(context, fd, end, program);
	if (!result && kind == THREAD_VCPU)
		result = put_first(program, (uint32_t)KVM_RUN);
	seccomp_release(context);
	return result;
}

int seccomp_filters_create(struct seccomp_filters *filters, enum cxvm_seccomp mode,
			   unsigned int needs, const struct logger *logger)
{
	uint32_t action = mode == CXVM_SECCOMP_LOG ? SCMP_ACT_LOG : SCMP_ACT_KILL_PROCESS;
	int fd, result = 0;
	off_t end = 0;

	memset(filters, 0, sizeof(*filters));
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		result = -errno;
	if (mode == CXVM_SECCOMP_OFF)
		return 0;
	fd = memfd_create("seccomp", MFD_CLOEXEC);
	if (fd < 0)
		result = -errno;
	for (unsigned int kind = 0; kind < THREAD_KINDS && !result; kind++)
		result = build(&filters->programs[kind], (enum thread_kind)kind, needs, action, fd,
			       &end);
	fd_close(&fd);
	if (result) {
		log_error(logger, "seccomp",
			  "cannot build the filters: %s; --seccomp=off runs without them",
			  strerror(-result));
		seccomp_filters_destroy(filters);
	}
	return result;
}

void seccomp_filters_destroy(struct seccomp_filters *filters)
{
	for (unsigned int kind = 0; kind < THREAD_KINDS; kind++)
		free(filters->programs[kind].filter);
	memset(filters, 0, sizeof(*filters));
}

int seccomp_filters_arm(const struct seccomp_filters *filters, enum thread_kind kind)
{
	const struct sock_fprog *program = &filters->programs[kind];

	if (!program->filter)
		return 0;
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, program))
		return -errno;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/machine/seccomp.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/if_tun.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <linux/vfio.h>
#include <linux/vhost.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define VCPU (1u << THREAD_VCPU)
#define IO   (1u << THREAD_IO)
#define BOTH (VCPU | IO)

struct allowed {
	long number; /* of the system call, or of the ioctl request */
	unsigned int kinds;
};

/* One reason per line. */
/* clang-format off */
static const struct allowed calls[] = {
	{ SCMP_SYS(read), BOTH },            /* eventfds, timers, tap, sockets, input */
	{ SCMP_SYS(readv), BOTH },           /* tap and vsock into guest buffers */
	{ SCMP_SYS(write), BOTH },           /* eventfds, serial output, log lines */
	{ SCMP_SYS(writev), BOTH },          /* tap and vsock from guest buffers */
	{ SCMP_SYS(pread64), BOTH },         /* VFIO regions, disk identification */
	{ SCMP_SYS(pwrite64), BOTH },        /* VFIO regions */
	{ SCMP_SYS(preadv), IO },            /* disk requests without io_uring */
	{ SCMP_SYS(pwritev), IO },           /* the same */
	{ SCMP_SYS(preadv2), IO },           /* the same */
	{ SCMP_SYS(pwritev2), IO },          /* the same, with RWF_DSYNC */
	{ SCMP_SYS(fallocate), IO },         /* discard and write-zeroes on files */
	{ SCMP_SYS(fdatasync), BOTH },       /* flush; also when a device is reset by its driver */
	{ SCMP_SYS(io_uring_setup), BOTH },  /* the ring is made when the driver starts the disk */
	{ SCMP_SYS(io_uring_register), BOTH },
	{ SCMP_SYS(io_uring_enter), BOTH },  /* disk requests; draining at a reset */
	{ SCMP_SYS(futex), BOTH },           /* locks */
	{ SCMP_SYS(epoll_wait), IO },        /* the event loop */
	{ SCMP_SYS(epoll_pwait), IO },
	{ SCMP_SYS(epoll_ctl), BOTH },       /* devices add their sources when drivers start them */
	{ SCMP_SYS(eventfd2), BOTH },        /* interrupt vectors are made when they are first used */
	{ SCMP_SYS(timerfd_create), BOTH },  /* rate limits, serial output batches */
	{ SCMP_SYS(timerfd_settime), BOTH },
	{ SCMP_SYS(poll), BOTH },            /* MSI-X pending bits, waits for a vfio-user server */
	{ SCMP_SYS(ppoll), BOTH },
	{ SCMP_SYS(sendto), BOTH },          /* vfio-user and vsock */
	{ SCMP_SYS(sendmsg), BOTH },
	{ SCMP_SYS(recvfrom), BOTH },
	{ SCMP_SYS(recvmsg), BOTH },
	{ SCMP_SYS(accept4), IO },           /* serial and vsock sockets */
	{ SCMP_SYS(connect), IO },           /* guest-initiated vsock connections */
	{ SCMP_SYS(shutdown), BOTH },
	{ SCMP_SYS(getsockopt), BOTH },
	{ SCMP_SYS(setsockopt), BOTH },
	{ SCMP_SYS(fcntl), BOTH },           /* non-blocking mode of accepted sockets */
	{ SCMP_SYS(close), BOTH },           /* fds of connections, rings and vectors */
	{ SCMP_SYS(dup3), IO },              /* a device that the host takes back: its files go, their numbers stay */
	{ SCMP_SYS(fstat), BOTH },
	{ SCMP_SYS(newfstatat), BOTH },      /* is the socket file still ours */
	{ SCMP_SYS(lseek), BOTH },
	{ SCMP_SYS(munmap), BOTH },
	{ SCMP_SYS(mremap), BOTH },
	{ SCMP_SYS(madvise), BOTH },         /* allocator, balloon */
	{ SCMP_SYS(brk), BOTH },
	{ SCMP_SYS(getrandom), BOTH },       /* the entropy device; the allocator */
	{ SCMP_SYS(clock_gettime), BOTH },   /* log stamps where the vDSO cannot */
	{ SCMP_SYS(gettimeofday), BOTH },
	{ SCMP_SYS(clock_nanosleep), BOTH }, /* the bounded retry of a device reset */
	{ SCMP_SYS(rt_sigtimedwait), VCPU }, /* takes the signal that ended KVM_RUN */
	{ SCMP_SYS(rt_sigprocmask), BOTH },  /* the C library around thread ends */
	{ SCMP_SYS(rt_sigreturn), BOTH },
	{ SCMP_SYS(rt_sigaction), BOTH },    /* abort() */
	{ SCMP_SYS(tgkill), BOTH },          /* a vCPU that stops the machine; abort() */
	{ SCMP_SYS(gettid), BOTH },
	{ SCMP_SYS(getpid), BOTH },
	{ SCMP_SYS(sched_yield), BOTH },
	{ SCMP_SYS(sched_getaffinity), BOTH }, /* the allocator counts CPUs when a thread first allocates */
	{ SCMP_SYS(restart_syscall), BOTH },
	{ SCMP_SYS(exit), BOTH },            /* the thread ends */
	{ SCMP_SYS(exit_group), BOTH },
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	{ SCMP_SYS(sigaltstack), BOTH },     /* run-time of the sanitizers */
	{ SCMP_SYS(readlink), BOTH },
	{ SCMP_SYS(open), BOTH },
	{ SCMP_SYS(prctl), BOTH },
#endif
};

static const struct allowed ioctls[] = {
	{ (long)KVM_RUN, VCPU },
	{ (long)KVM_GET_REGS, VCPU },               /* where the guest was, for the message of a failure */
	{ (long)KVM_KVMCLOCK_CTRL, BOTH },
	{ (long)KVM_SET_USER_MEMORY_REGION, BOTH }, /* windows follow BARs and HDM decoders */
	{ (long)KVM_IRQFD, BOTH },                  /* vectors are masked and unmasked */
	{ (long)KVM_SET_GSI_ROUTING, BOTH },
	{ (long)KVM_IOEVENTFD, BOTH },              /* notify registers follow BARs */
	{ (long)KVM_IRQ_LINE, BOTH },
	{ (long)KVM_SIGNAL_MSI, BOTH },
	{ (long)VFIO_DEVICE_SET_IRQS, BOTH },
	{ (long)VFIO_DEVICE_RESET, BOTH },
	{ (long)VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, BOTH }, /* devices without a reset of their own */
	{ (long)VFIO_DEVICE_PCI_HOT_RESET, BOTH },          /* the same */
	{ (long)KVM_SET_DEVICE_ATTR, BOTH },        /* KVM forgets a VFIO file when its device goes */
	{ (long)VFIO_DEVICE_FEATURE, BOTH },        /* dma-buf after a reset */
	{ (long)VFIO_IOMMU_MAP_DMA, BOTH },
	{ (long)VFIO_IOMMU_UNMAP_DMA, BOTH },
	{ 0x3b85, BOTH },                           /* IOMMU_IOAS_MAP */
	{ 0x3b86, BOTH },                           /* IOMMU_IOAS_UNMAP */
	{ 0x3b8f, BOTH },                           /* IOMMU_IOAS_MAP_FILE */
	{ (long)TUNSETOFFLOAD, BOTH },              /* the driver's choice of offloads */
	{ (long)TUNSETVNETHDRSZ, BOTH },
	{ (long)VHOST_SET_FEATURES, BOTH },         /* vhost starts and stops with the driver */
	{ (long)VHOST_SET_MEM_TABLE, BOTH },
	{ (long)VHOST_SET_VRING_NUM, BOTH },
	{ (long)VHOST_SET_VRING_ADDR, BOTH },
	{ (long)VHOST_SET_VRING_BASE, BOTH },
	{ (long)VHOST_GET_VRING_BASE, BOTH },
	{ (long)VHOST_SET_VRING_KICK, BOTH },
	{ (long)VHOST_SET_VRING_CALL, BOTH },
	{ (long)VHOST_SET_VRING_ERR, BOTH },
	{ (long)VHOST_NET_SET_BACKEND, BOTH },
	{ (long)VHOST_VSOCK_SET_GUEST_CID, BOTH },
	{ (long)VHOST_VSOCK_SET_RUNNING, BOTH },
};
/* clang-format on */

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

/* vsock connections to the host: UNIX sockets and nothing else. */
static int allow_unix_sockets(scmp_filter_ctx context)
{
	return seccomp_rule_add(context, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
				SCMP_A0(SCMP_CMP_EQ, 1 /* AF_UNIX */, 0));
}

/* The allocator, rings, device windows; nothing that could be executed. */
static int allow_mappings_without_code(scmp_filter_ctx context)
{
	const int mapping_calls[] = {SCMP_SYS(mmap), SCMP_SYS(mprotect)};
	int result = 0;

	for (size_t i = 0; i < COUNT(mapping_calls) && !result; i++)
		result = seccomp_rule_add(context, SCMP_ACT_ALLOW, mapping_calls[i], 1,
					  SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	return result;
}

static int add_rules(scmp_filter_ctx context, enum thread_kind kind)
{
	int result = allow_mappings_without_code(context);

	if (!result && kind == THREAD_IO)
		result = allow_unix_sockets(context);
	/* The allocator would like to read the number of CPUs from sysfs and has another way when
	 * it may not. */
	if (!result)
		result = seccomp_rule_add(context, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(openat), 0);

	for (size_t i = 0; i < COUNT(calls) && !result; i++)
		if (calls[i].kinds & 1u << kind)
			result = seccomp_rule_add(context, SCMP_ACT_ALLOW, (int)calls[i].number, 0);
	for (size_t i = 0; i < COUNT(ioctls) && !result; i++)
		if (ioctls[i].kinds & 1u << kind)
			/* The kernel looks at the low 32 bits of the request only. */
			result = seccomp_rule_add(context, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
						  SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX,
							  (uint32_t)ioctls[i].number));
	return result;
}

/* libseccomp writes the program to a file only; read it back. */
static int export_program(scmp_filter_ctx context, struct sock_fprog *program)
{
	int result, fd = memfd_create("seccomp", MFD_CLOEXEC);
	off_t bytes;

	if (fd < 0)
		return -errno;
	result = seccomp_export_bpf(context, fd);
	bytes = result ? 0 : lseek(fd, 0, SEEK_END);
	if (!result && (bytes <= 0 || bytes % (off_t)sizeof(struct sock_filter)))
		result = -EIO;
	if (!result) {
		program->filter = malloc((size_t)bytes);
		program->len = (unsigned short)((size_t)bytes / sizeof(struct sock_filter));
		if (!program->filter)
			result = -ENOMEM;
		else if (pread(fd, program->filter, (size_t)bytes, 0) != bytes)
			result = -EIO;
	}
	close(fd);
	return result;
}

/*
 * KVM_RUN is the one call that counts: each exit of the guest makes it, and libseccomp sorts the
 * ioctls by their numbers. It is looked for before all others.
 */
static int put_first(struct sock_fprog *program, uint32_t request)
{
	const struct sock_filter first[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 5),
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

static int build(struct sock_fprog *program, enum thread_kind kind, uint32_t action)
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
		result = add_rules(context, kind);
	if (!result)
		result = export_program(context, program);
	if (!result && kind == THREAD_VCPU)
		result = put_first(program, (uint32_t)KVM_RUN);
	seccomp_release(context);
	return result;
}

int seccomp_filters_create(struct seccomp_filters *filters, enum cxvm_seccomp mode,
			   const struct logger *logger)
{
	uint32_t action = mode == CXVM_SECCOMP_LOG ? SCMP_ACT_LOG : SCMP_ACT_KILL_PROCESS;
	int result = 0;

	memset(filters, 0, sizeof(*filters));
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		result = -errno;
	if (mode == CXVM_SECCOMP_OFF)
		return 0;
	for (unsigned int kind = 0; kind < THREAD_KINDS && !result; kind++)
		result = build(&filters->programs[kind], (enum thread_kind)kind, action);
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

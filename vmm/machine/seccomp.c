/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/machine/seccomp.h"

#include <errno.h>
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
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/fd.h"
#include "wire/iommufd.h"

#define VCPU    (1u << THREAD_VCPU)
#define IO      (1u << THREAD_IO)
#define MACHINE (1u << THREAD_MACHINE)
#define GUEST   (VCPU | IO)      /* those that a guest drives */
#define CHANGE  (VCPU | MACHINE) /* those that change what a guest sees of a device */
#define ALL     (VCPU | IO | MACHINE)

struct allowed {
	long number; /* of the system call, or of the ioctl request */
	unsigned int kinds;
};

/* One reason per line. */
/* clang-format off */
static const struct allowed calls[] = {
	{ SCMP_SYS(read), ALL },                          /* eventfds, timers, tap, sockets, input */
	{ SCMP_SYS(readv), GUEST },                       /* tap and vsock into guest buffers */
	{ SCMP_SYS(write), ALL },                         /* eventfds, serial output, log lines */
	{ SCMP_SYS(writev), GUEST },                      /* tap and vsock from guest buffers */
	{ SCMP_SYS(pread64), ALL },                       /* VFIO regions, disk identification */
	{ SCMP_SYS(pwrite64), ALL },                      /* VFIO regions */
	{ SCMP_SYS(preadv), IO },                         /* disk requests without io_uring */
	{ SCMP_SYS(pwritev), IO },                        /* the same */
	{ SCMP_SYS(preadv2), IO },                        /* the same */
	{ SCMP_SYS(pwritev2), IO },                       /* the same, with RWF_DSYNC */
	{ SCMP_SYS(fallocate), IO },                      /* discard and write-zeroes on files */
	{ SCMP_SYS(fdatasync), GUEST },                   /* flush; also when a device is reset by its driver */
	{ SCMP_SYS(io_uring_setup), GUEST },              /* the ring is made when the driver starts the disk */
	{ SCMP_SYS(io_uring_register), GUEST },
	{ SCMP_SYS(io_uring_enter), GUEST },              /* disk requests; draining at a reset */
	{ SCMP_SYS(futex), ALL },                         /* locks */
	{ SCMP_SYS(epoll_wait), IO | MACHINE },           /* the event loops */
	{ SCMP_SYS(epoll_pwait), IO | MACHINE },
	{ SCMP_SYS(epoll_ctl), ALL },                     /* devices add their sources when drivers start them */
	{ SCMP_SYS(eventfd2), ALL },                      /* interrupt vectors are made when they are first used */
	{ SCMP_SYS(timerfd_create), ALL },                /* rate limits, serial output batches */
	{ SCMP_SYS(timerfd_settime), ALL },
	{ SCMP_SYS(poll), ALL },                          /* MSI-X pending bits, waits for a vfio-user server */
	{ SCMP_SYS(ppoll), ALL },
	{ SCMP_SYS(sendto), ALL },                        /* vfio-user and vsock */
	{ SCMP_SYS(sendmsg), ALL },
	{ SCMP_SYS(recvfrom), ALL },
	{ SCMP_SYS(recvmsg), ALL },
	{ SCMP_SYS(accept4), IO },                        /* serial and vsock sockets */
	{ SCMP_SYS(connect), IO },                        /* guest-initiated vsock connections */
	{ SCMP_SYS(shutdown), ALL },                       /* ends of vsock connections; a vfio-user server that broke the protocol */
	{ SCMP_SYS(fcntl), GUEST },                       /* non-blocking mode of accepted sockets */
	{ SCMP_SYS(close), ALL },                         /* fds of connections, rings and vectors */
	{ SCMP_SYS(dup3), MACHINE },                      /* a device that the host takes back: its files go, their numbers stay */
	{ SCMP_SYS(fstat), ALL },
	{ SCMP_SYS(newfstatat), GUEST },                  /* is the socket file still ours */
	{ SCMP_SYS(lseek), GUEST },
	{ SCMP_SYS(munmap), ALL },
	{ SCMP_SYS(mremap), ALL },
	{ SCMP_SYS(madvise), ALL },                       /* allocator, balloon */
	{ SCMP_SYS(brk), ALL },
	{ SCMP_SYS(getrandom), ALL },                     /* the entropy device; the allocator */
	{ SCMP_SYS(clock_gettime), ALL },                 /* log stamps where the vDSO cannot */
	{ SCMP_SYS(gettimeofday), ALL },
	{ SCMP_SYS(clock_nanosleep), VCPU },              /* the bounded retries of a device reset and of a refused access */
	{ SCMP_SYS(rt_sigtimedwait), VCPU },              /* takes the signal that ended KVM_RUN */
	{ SCMP_SYS(rt_sigprocmask), ALL },                /* the C library around thread ends */
	{ SCMP_SYS(rt_sigreturn), ALL },
	{ SCMP_SYS(rt_sigaction), ALL },                  /* abort() */
	{ SCMP_SYS(tgkill), ALL },                        /* a vCPU that stops the machine; abort() */
	{ SCMP_SYS(gettid), ALL },
	{ SCMP_SYS(getpid), ALL },
	{ SCMP_SYS(sched_yield), ALL },
	{ SCMP_SYS(sched_getaffinity), ALL },             /* the allocator counts CPUs when a thread first allocates */
	{ SCMP_SYS(restart_syscall), ALL },
	{ SCMP_SYS(exit), ALL },                          /* the thread ends */
	{ SCMP_SYS(exit_group), ALL },
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	{ SCMP_SYS(sigaltstack), ALL },                   /* run-time of the sanitizers */
	{ SCMP_SYS(readlink), ALL },
	{ SCMP_SYS(open), ALL },
	{ SCMP_SYS(prctl), ALL },
#endif
};

static const struct allowed ioctls[] = {
	{ (long)KVM_RUN, VCPU },
	{ (long)KVM_GET_REGS, VCPU },                                 /* where the guest was, for the message of a failure */
	{ (long)KVM_KVMCLOCK_CTRL, GUEST },
	{ (long)KVM_SET_USER_MEMORY_REGION, CHANGE },                 /* windows follow BARs and HDM decoders, and go when a device is lost */
	{ (long)KVM_IRQFD, ALL },                                     /* vectors are masked and unmasked */
	{ (long)KVM_SET_GSI_ROUTING, ALL },
	{ (long)KVM_IOEVENTFD, ALL },                                 /* notify registers follow BARs */
	{ (long)KVM_IRQ_LINE, ALL },
	{ (long)KVM_SIGNAL_MSI, ALL },
	{ (long)VFIO_DEVICE_SET_IRQS, CHANGE },                       /* interrupts of a device are set up and taken away */
	{ (long)VFIO_DEVICE_RESET, VCPU },                            /* the guest resets its device */
	{ (long)VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, VCPU },           /* devices without a reset of their own */
	{ (long)VFIO_DEVICE_PCI_HOT_RESET, VCPU },                    /* the same */
	{ (long)KVM_SET_DEVICE_ATTR, MACHINE },                       /* KVM forgets a VFIO file that the host takes back */
	{ (long)VFIO_DEVICE_FEATURE, VCPU },                          /* dma-buf after a reset */
	{ (long)VFIO_IOMMU_MAP_DMA, VCPU },                           /* windows and device memory of a BAR or decoder that moved */
	{ (long)VFIO_IOMMU_UNMAP_DMA, CHANGE },                       /* the same, and at a loss */
	{ (long)IOMMUFD_IOAS_MAP, VCPU },                             /* the same by iommufd */
	{ (long)IOMMUFD_IOAS_UNMAP, CHANGE },                         /* the same */
	{ (long)IOMMUFD_IOAS_MAP_FILE, VCPU },                        /* the same */
	{ (long)TUNSETOFFLOAD, GUEST },                               /* the driver's choice of offloads */
	{ (long)TUNSETVNETHDRSZ, GUEST },
	{ (long)VHOST_SET_FEATURES, GUEST },                          /* vhost starts and stops with the driver */
	{ (long)VHOST_SET_MEM_TABLE, GUEST },
	{ (long)VHOST_SET_VRING_NUM, GUEST },
	{ (long)VHOST_SET_VRING_ADDR, GUEST },
	{ (long)VHOST_SET_VRING_BASE, GUEST },
	{ (long)VHOST_GET_VRING_BASE, GUEST },
	{ (long)VHOST_SET_VRING_KICK, GUEST },
	{ (long)VHOST_SET_VRING_CALL, GUEST },
	{ (long)VHOST_SET_VRING_ERR, GUEST },
	{ (long)VHOST_NET_SET_BACKEND, GUEST },
	{ (long)VHOST_VSOCK_SET_GUEST_CID, GUEST },
	{ (long)VHOST_VSOCK_SET_RUNNING, GUEST },
};
/* clang-format on */

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

/* vsock connections to the host: UNIX sockets and nothing else. */
static int allow_unix_sockets(scmp_filter_ctx context)
{
	return seccomp_rule_add(context, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
				SCMP_A0(SCMP_CMP_EQ, AF_UNIX, 0));
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

static int build(struct sock_fprog *program, enum thread_kind kind, uint32_t action, int fd,
		 off_t *end)
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
		result = export_program(context, fd, end, program);
	if (!result && kind == THREAD_VCPU)
		result = put_first(program, (uint32_t)KVM_RUN);
	seccomp_release(context);
	return result;
}

int seccomp_filters_create(struct seccomp_filters *filters, enum cxvm_seccomp mode,
			   const struct logger *logger)
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
		result = build(&filters->programs[kind], (enum thread_kind)kind, action, fd, &end);
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

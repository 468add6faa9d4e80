/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/machine/seccomp_lists.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/kvm.h>
#include <linux/vfio.h>
#include <linux/vhost.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "vmm/machine/seccomp.h"
#include "wire/iommufd.h"

#define VCPU    (1u << THREAD_VCPU)
#define IO      (1u << THREAD_IO)
#define MACHINE (1u << THREAD_MACHINE)
#define GUEST   (VCPU | IO)      /* those that a guest drives */
#define CHANGE  (VCPU | MACHINE) /* those that change what a guest sees of a device */
#define ALL     (VCPU | IO | MACHINE)

#define DISK          SECCOMP_NEED_DISK
#define NET           SECCOMP_NEED_NET
#define VSOCK         SECCOMP_NEED_VSOCK
#define CONSOLE       SECCOMP_NEED_CONSOLE
#define SERIAL        SECCOMP_NEED_SERIAL
#define SERIAL_SOCKET SECCOMP_NEED_SERIAL_SOCKET
#define VFIO          SECCOMP_NEED_VFIO
#define VFIO_USER     SECCOMP_NEED_VFIO_USER
#define VHOST_NET     SECCOMP_NEED_VHOST_NET
#define VHOST_VSOCK   SECCOMP_NEED_VHOST_VSOCK
#define VHOST         (VHOST_NET | VHOST_VSOCK)
#define FUNCTION      (VFIO | VFIO_USER)

/* clang-format off */
#define CALL(name, threads, machines)                                                              \
	{ .number = SCMP_SYS(name), .kinds = (threads), .needs = (machines) }
#define CALL_IF(name, threads, machines, pin)                                                      \
	{ .number = SCMP_SYS(name), .kinds = (threads), .needs = (machines), .pin_count = 1,       \
	  .pins = { pin } }
#define IOCTL(request, threads, machines)                                                          \
	{ .number = (long)(request), .kinds = (threads), .needs = (machines) }

/* Argument @index, of which the kernel looks at the low 32 bits: none but @bits, or @value. */
#define NOTHING_BUT(index, bits) { (index), SCMP_CMP_MASKED_EQ, (uint32_t)~(uint32_t)(bits), 0 }
#define WITHOUT(index, bits)     { (index), SCMP_CMP_MASKED_EQ, (bits), 0 }
#define EXACTLY(index, value)    { (index), SCMP_CMP_MASKED_EQ, UINT32_MAX, (value) }

/* One reason per line. A call that is listed twice has two uses. */
static const struct seccomp_rule calls[] = {
	CALL(read, ALL, 0),                                             /* eventfds, timers, tap, sockets, input */
	CALL(readv, GUEST, NET | VSOCK | CONSOLE),                      /* into guest buffers */
	CALL(write, ALL, 0),                                            /* eventfds, serial output, log lines */
	CALL(writev, GUEST, NET | VSOCK | CONSOLE),                     /* from guest buffers */
	CALL(pread64, ALL, VFIO),                                       /* regions */
	CALL(pwrite64, ALL, VFIO),                                      /* regions */
	CALL_IF(preadv2, ALL, 0, EXACTLY(5, RWF_NOWAIT)),               /* eventfds that another process may have made to block */
	CALL(preadv, IO, DISK),                                         /* requests without io_uring */
	CALL(pwritev, IO, DISK),                                        /* the same */
	CALL(fallocate, IO, DISK),                                      /* the same: discard and write-zeroes */
	CALL(fdatasync, IO, DISK),                                      /* the same: flush */
	CALL(io_uring_enter, IO, DISK),                                 /* rings that were made and restricted before */
	CALL(futex, ALL, 0),                                            /* locks */
	CALL(epoll_wait, IO | MACHINE, 0),                              /* the event loops */
	CALL(epoll_pwait, IO | MACHINE, 0),
	CALL(epoll_ctl, ALL, 0),                                        /* devices add their sources when drivers start them */
	CALL(eventfd2, ALL, 0),                                         /* interrupt vectors are made when they are first used */
	CALL(timerfd_create, ALL, 0),                                   /* rate limits, serial output batches */
	CALL(timerfd_settime, ALL, 0),
	CALL(poll, ALL, 0),                                             /* MSI-X pending bits, disk requests at a reset, a vfio-user server */
	CALL(ppoll, ALL, 0),
	CALL(sendto, ALL, SERIAL | CONSOLE | VSOCK),                    /* output to a socket */
	CALL_IF(sendmsg, ALL, VSOCK | VFIO_USER, NOTHING_BUT(2, MSG_NOSIGNAL | MSG_DONTWAIT)),
	CALL(recvfrom, GUEST, CONSOLE | VSOCK),                         /* the console's pair of sockets, the first line of a connection */
	CALL(recvmsg, ALL, VSOCK | VFIO_USER),
	CALL_IF(accept4, IO, VSOCK | SERIAL_SOCKET, EXACTLY(3, SOCK_CLOEXEC | SOCK_NONBLOCK)),
	CALL_IF(socket, IO, VSOCK, EXACTLY(0, AF_UNIX)),
	CALL_IF(connect, IO, VSOCK, EXACTLY(2, sizeof(struct sockaddr_un))), /* what a guest asks for */
	CALL(shutdown, ALL, VSOCK | VFIO_USER),                         /* ends of connections; a server that broke the protocol */
	CALL_IF(fcntl, IO, CONSOLE, EXACTLY(1, F_DUPFD_CLOEXEC)),       /* output that has to wait */
	CALL_IF(fcntl, ALL, VFIO_USER, EXACTLY(1, F_GET_SEALS)),        /* may a server's file be mapped */
	CALL(close, ALL, 0),                                            /* connections, vectors */
	CALL(dup3, MACHINE, FUNCTION),                                  /* a device that the host takes back: its files go, their numbers stay */
	CALL(fstat, ALL, 0),
	CALL(newfstatat, GUEST, 0),                                     /* fstat() of newer C libraries */
	CALL(lseek, GUEST, 0),                                          /* the C library's streams, of a log callback */
	CALL_IF(mmap, ALL, 0, WITHOUT(2, PROT_EXEC)),                    /* allocator, windows; nothing that could be executed */
	CALL_IF(mprotect, ALL, 0, WITHOUT(2, PROT_EXEC)),
	CALL(munmap, ALL, 0),
	CALL(mremap, ALL, 0),
	CALL(madvise, ALL, 0),                                          /* allocator, balloon */
	CALL(brk, ALL, 0),
	CALL(getrandom, ALL, 0),                                        /* the entropy device; the allocator */
	CALL(clock_gettime, ALL, 0),                                    /* log stamps where the vDSO cannot */
	CALL(gettimeofday, ALL, 0),
	CALL(clock_nanosleep, VCPU, FUNCTION),                          /* the bounded retries of a device reset and of a refused access */
	CALL(rt_sigtimedwait, VCPU, 0),                                 /* takes the signal that ended KVM_RUN */
	CALL(rt_sigprocmask, ALL, 0),                                   /* the C library around thread ends; abort() */
	CALL(rt_sigreturn, ALL, 0),
	CALL(gettid, ALL, 0),                                           /* abort() */
	CALL(getpid, ALL, 0),                                           /* the same */
	CALL(sched_yield, ALL, 0),
	CALL(sched_getaffinity, ALL, 0),                                /* the allocator counts CPUs when a thread first allocates */
	CALL(restart_syscall, ALL, 0),
	CALL(exit, ALL, 0),                                             /* the thread ends */
	CALL(exit_group, ALL, 0),
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	CALL(sigaltstack, ALL, 0),                                      /* run-time of the sanitizers */
	CALL(readlink, ALL, 0),
	CALL(open, ALL, 0),
	CALL(prctl, ALL, 0),
#endif
};

static const struct seccomp_rule ioctls[] = {
	IOCTL(KVM_RUN, VCPU, 0),
	IOCTL(KVM_GET_REGS, VCPU, 0),                                   /* where the guest was, for the message of a failure */
	IOCTL(KVM_SET_USER_MEMORY_REGION, CHANGE, FUNCTION),            /* windows follow BARs and HDM decoders, and go when a device is lost */
	IOCTL(KVM_IRQFD, ALL, 0),                                       /* vectors are masked and unmasked */
	IOCTL(KVM_SET_GSI_ROUTING, ALL, 0),
	IOCTL(KVM_IOEVENTFD, ALL, 0),                                   /* notify registers follow BARs */
	IOCTL(KVM_IRQ_LINE, ALL, 0),
	IOCTL(VFIO_DEVICE_SET_IRQS, CHANGE, VFIO),                      /* interrupts of a device are set up and taken away */
	IOCTL(VFIO_DEVICE_RESET, VCPU, VFIO),                           /* the guest resets its device */
	IOCTL(VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, VCPU, VFIO),          /* devices without a reset of their own */
	IOCTL(VFIO_DEVICE_PCI_HOT_RESET, VCPU, VFIO),                   /* the same */
	IOCTL(KVM_SET_DEVICE_ATTR, MACHINE, VFIO),                      /* KVM forgets a VFIO file that the host takes back */
	IOCTL(VFIO_DEVICE_FEATURE, VCPU, VFIO),                         /* dma-buf after a reset */
	IOCTL(VFIO_IOMMU_MAP_DMA, VCPU, VFIO),                          /* windows and device memory of a BAR or decoder that moved */
	IOCTL(VFIO_IOMMU_UNMAP_DMA, CHANGE, VFIO),                      /* the same, and at a loss */
	IOCTL(IOMMUFD_IOAS_MAP, VCPU, VFIO),                            /* the same by iommufd */
	IOCTL(IOMMUFD_IOAS_UNMAP, CHANGE, VFIO),                        /* the same */
	IOCTL(IOMMUFD_IOAS_MAP_FILE, VCPU, VFIO),                       /* the same */
	IOCTL(TUNSETOFFLOAD, GUEST, NET),                               /* the driver's choice of offloads */
	IOCTL(VHOST_SET_FEATURES, GUEST, VHOST),                        /* vhost starts and stops with the driver */
	IOCTL(VHOST_SET_MEM_TABLE, GUEST, VHOST),
	IOCTL(VHOST_SET_VRING_NUM, GUEST, VHOST),
	IOCTL(VHOST_SET_VRING_ADDR, GUEST, VHOST),
	IOCTL(VHOST_SET_VRING_BASE, GUEST, VHOST),
	IOCTL(VHOST_GET_VRING_BASE, GUEST, VHOST),
	IOCTL(VHOST_SET_VRING_KICK, GUEST, VHOST),
	IOCTL(VHOST_SET_VRING_CALL, GUEST, VHOST),
	IOCTL(VHOST_NET_SET_BACKEND, GUEST, VHOST_NET),
	IOCTL(VHOST_VSOCK_SET_RUNNING, GUEST, VHOST_VSOCK),
};
/* clang-format on */

const struct seccomp_rule *seccomp_call_rules(size_t *count)
{
	*count = sizeof(calls) / sizeof(calls[0]);
	return calls;
}

const struct seccomp_rule *seccomp_ioctl_rules(size_t *count)
{
	*count = sizeof(ioctls) / sizeof(ioctls[0]);
	return ioctls;
}

bool seccomp_rule_applies(const struct seccomp_rule *rule, unsigned int kind, unsigned int needs)
{
	return (rule->kinds & 1u << kind) && (!rule->needs || (rule->needs & needs));
}

static unsigned int console_needs(const struct specification_console *console)
{
	if (console->mode == CXVM_CONSOLE_OFF || console->mode == CXVM_CONSOLE_NULL)
		return 0;
	return console->mode == CXVM_CONSOLE_SOCKET ? SERIAL | SERIAL_SOCKET : SERIAL;
}

unsigned int seccomp_needs_of(const struct machine_specification *specification)
{
	unsigned int needs =
		console_needs(&specification->serial) | console_needs(&specification->console);

	if (specification->console.mode != CXVM_CONSOLE_OFF)
		needs |= CONSOLE;
	if (specification->disk_count)
		needs |= DISK;
	for (size_t i = 0; i < specification->net_count; i++)
		needs |= specification->nets[i].vhost == CXVM_OFF ? NET : NET | VHOST_NET;
	if (specification->has_vsock)
		needs |= specification->vsock.vhost ? VHOST_VSOCK : VSOCK;
	for (size_t i = 0; i < specification->device_count; i++) {
		enum passthrough_way_kind kind = specification->devices[i].options.way.kind;

		needs |= kind == PASSTHROUGH_WAY_VFIO_USER_SOCKET ||
					 kind == PASSTHROUGH_WAY_VFIO_USER_FD
				 ? VFIO_USER
				 : VFIO;
	}
	return needs;
}

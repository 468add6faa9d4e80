/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/if_tun.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <linux/vfio.h>
#include <linux/vhost.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/machine/seccomp.h"
#include "vmm/machine/seccomp_lists.h"
#include "wire/iommufd.h"

/* Each case is a process of its own, which arms a filter and makes one call. */
static const struct logger silent;

static void call_nothing(void)
{
}
static void call_execve(void)
{
	char *const arguments[] = {(char *)"/bin/true", NULL};

	syscall(SYS_execve, "/bin/true", arguments, NULL);
}
static void call_ptrace(void)
{
	syscall(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0);
}
static void call_fork(void)
{
	syscall(SYS_fork);
}
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
static void call_open(void)
{
	syscall(SYS_open, "/etc/passwd", 0);
}
#endif
/* Refused, not fatal: the allocator asks and has another way. */
static void call_openat(void)
{
	if (syscall(SYS_openat, -100, "/etc/passwd", 0) >= 0)
		syscall(SYS_exit_group, 77);
}
static void call_bind(void)
{
	syscall(SYS_bind, 0, NULL, 0);
}
static void call_connect(void)
{
	syscall(SYS_connect, -1, NULL, sizeof(struct sockaddr_un));
}
static void call_connect_inet(void)
{
	syscall(SYS_connect, -1, NULL, sizeof(struct sockaddr_in6));
}
static void call_socket_unix(void)
{
	syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0);
}
static void call_socket_inet(void)
{
	syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
}
static void call_kvm_run(void)
{
	syscall(SYS_ioctl, -1, KVM_RUN, 0);
}
static void call_kvm_create_vm(void)
{
	syscall(SYS_ioctl, -1, KVM_CREATE_VM, 0);
}
static void call_mmap(void)
{
	syscall(SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}
static void call_mmap_code(void)
{
	syscall(SYS_mmap, 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}
static void call_mprotect_code(void)
{
	syscall(SYS_mprotect, 0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC);
}
static void call_write(void)
{
	syscall(SYS_write, -1, "", 1);
}

static void call_preadv(void)
{
	syscall(SYS_preadv, -1, NULL, 0, 0, 0);
}
static void call_io_uring_enter(void)
{
	syscall(SYS_io_uring_enter, -1, 0, 0, 0, NULL, 0);
}
static void call_io_uring_setup(void)
{
	syscall(SYS_io_uring_setup, 1, NULL);
}
static void call_io_uring_register(void)
{
	syscall(SYS_io_uring_register, -1, 0, NULL, 0);
}
static void call_rt_sigaction(void)
{
	syscall(SYS_rt_sigaction, SIGUSR1, NULL, NULL, 8);
}
static void call_tgkill_other_process(void)
{
	syscall(SYS_tgkill, getppid(), getppid(), SIGABRT);
}
static void call_tgkill_other_signal(void)
{
	syscall(SYS_tgkill, getpid(), gettid(), SIGUSR1);
}
/* To a thread that there is not. */
static void call_tgkill_abort(void)
{
	syscall(SYS_tgkill, getpid(), INT32_MAX, SIGABRT);
}
static void call_fcntl_setfl(void)
{
	syscall(SYS_fcntl, -1, F_SETFL, O_ASYNC);
}
static void call_fcntl_setown(void)
{
	syscall(SYS_fcntl, -1, F_SETOWN, 1);
}
static void call_fcntl_duplicate(void)
{
	syscall(SYS_fcntl, -1, F_DUPFD_CLOEXEC, 0);
}
static void call_fcntl_seals(void)
{
	syscall(SYS_fcntl, -1, F_GET_SEALS);
}
static void call_sendmsg(void)
{
	syscall(SYS_sendmsg, -1, NULL, MSG_NOSIGNAL | MSG_DONTWAIT);
}
static void call_sendmsg_fastopen(void)
{
	syscall(SYS_sendmsg, -1, NULL, MSG_NOSIGNAL | MSG_FASTOPEN);
}
static void call_accept4(void)
{
	syscall(SYS_accept4, -1, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}
static void call_preadv2_nowait(void)
{
	syscall(SYS_preadv2, -1, NULL, 0, -1, -1, RWF_NOWAIT);
}
static void call_preadv2(void)
{
	syscall(SYS_preadv2, -1, NULL, 0, 0, 0, 0);
}
static void call_pread(void)
{
	syscall(SYS_pread64, -1, NULL, 0, 0);
}
static void call_vhost(void)
{
	syscall(SYS_ioctl, -1, VHOST_SET_FEATURES, 0);
}
static void call_tun(void)
{
	syscall(SYS_ioctl, -1, TUNSETOFFLOAD, 0);
}
static void call_dup3(void)
{
	syscall(SYS_dup3, -1, -1, 0);
}
static void call_kvm_set_device_attr(void)
{
	syscall(SYS_ioctl, -1, KVM_SET_DEVICE_ATTR, 0);
}
static void call_kvm_set_memory(void)
{
	syscall(SYS_ioctl, -1, KVM_SET_USER_MEMORY_REGION, 0);
}
static void call_vfio_map_dma(void)
{
	syscall(SYS_ioctl, -1, VFIO_IOMMU_MAP_DMA, 0);
}
static void call_ioas_unmap(void)
{
	syscall(SYS_ioctl, -1, IOMMUFD_IOAS_UNMAP, 0);
}
static void call_vfio_reset(void)
{
	syscall(SYS_ioctl, -1, VFIO_DEVICE_RESET, 0);
}
static void call_timerfd_settime(void)
{
	syscall(SYS_timerfd_settime, -1, 0, NULL, NULL);
}

/* Returns the wait status of the process. */
static int status_with(enum cxvm_seccomp mode, unsigned int needs, enum thread_kind kind,
		       void (*call)(void))
{
	int status;
	pid_t child = fork();

	if (!child) {
		struct seccomp_filters filters;

		if (seccomp_filters_create(&filters, mode, needs, &silent) ||
		    seccomp_filters_arm(&filters, kind))
			syscall(SYS_exit_group, 99);
		call();
		syscall(SYS_exit_group, 0);
	}
	cr_assert_gt(child, 0);
	cr_assert_eq(waitpid(child, &status, 0), child);
	return status;
}

/* In a machine that has everything. */
static int status_of(enum cxvm_seccomp mode, enum thread_kind kind, void (*call)(void))
{
	return status_with(mode, SECCOMP_NEED_ALL, kind, call);
}

static const struct {
	const char *name;
	void (*call)(void);
	bool vcpu, io, machine; /* allowed there */
} cases[] = {
	{"nothing", call_nothing, true, true, true},
	{"write", call_write, true, true, true},
	{"openat", call_openat, true, true, true},
	{"execve", call_execve, false, false, false},
	{"ptrace", call_ptrace, false, false, false},
	{"fork", call_fork, false, false, false},
	{"bind", call_bind, false, false, false},
	{"connect", call_connect, false, true, false},
	{"socket AF_UNIX", call_socket_unix, false, true, false},
	{"socket AF_INET", call_socket_inet, false, false, false},
	{"KVM_RUN", call_kvm_run, true, false, false},
	{"mmap", call_mmap, true, true, true},
	{"mmap of code", call_mmap_code, false, false, false},
	{"mprotect to code", call_mprotect_code, false, false, false},
	{"preadv of a disk", call_preadv, false, true, false},
	{"io_uring_enter", call_io_uring_enter, false, true, false},
	{"io_uring_setup", call_io_uring_setup, false, false, false},
	{"io_uring_register", call_io_uring_register, false, false, false},
	{"rt_sigaction", call_rt_sigaction, false, false, false},
	{"tgkill of another process", call_tgkill_other_process, false, false, false},
	{"tgkill with another signal", call_tgkill_other_signal, false, false, false},
	{"tgkill of abort()", call_tgkill_abort, true, true, true},
	{"fcntl F_SETFL", call_fcntl_setfl, false, false, false},
	{"fcntl F_SETOWN", call_fcntl_setown, false, false, false},
	{"fcntl F_DUPFD_CLOEXEC", call_fcntl_duplicate, false, true, false},
	{"fcntl F_GET_SEALS", call_fcntl_seals, true, true, true},
	{"sendmsg", call_sendmsg, true, true, true},
	{"sendmsg MSG_FASTOPEN", call_sendmsg_fastopen, false, false, false},
	{"connect AF_INET6", call_connect_inet, false, false, false},
	{"preadv2 RWF_NOWAIT", call_preadv2_nowait, true, true, true},
	{"preadv2 of a disk", call_preadv2, false, false, false},
	{"dup3", call_dup3, false, false, true},
	{"KVM_SET_DEVICE_ATTR", call_kvm_set_device_attr, false, false, true},
	{"KVM_SET_USER_MEMORY_REGION", call_kvm_set_memory, true, false, true},
	{"VFIO_IOMMU_MAP_DMA", call_vfio_map_dma, true, false, false},
	{"IOMMU_IOAS_UNMAP", call_ioas_unmap, true, false, true},
	{"VFIO_DEVICE_RESET", call_vfio_reset, true, false, false},
	{"timerfd_settime", call_timerfd_settime, true, true, true},
	{"KVM_CREATE_VM", call_kvm_create_vm, false, false, false},
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	{"open", call_open, false, false, false},
#endif
};

static void expect(const char *name, const char *thread, int status, bool allowed)
{
	if (allowed)
		cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0,
			  "%s in %s: status 0x%x, it should be allowed", name, thread, status);
	else
		cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS,
			  "%s in %s: status 0x%x, it should be killed", name, thread, status);
}

Test(seccomp, forbidden_calls_end_the_process)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		expect(cases[i].name, "vcpu",
		       status_of(CXVM_SECCOMP_ON, THREAD_VCPU, cases[i].call), cases[i].vcpu);
		expect(cases[i].name, "io", status_of(CXVM_SECCOMP_ON, THREAD_IO, cases[i].call),
		       cases[i].io);
		expect(cases[i].name, "machine",
		       status_of(CXVM_SECCOMP_ON, THREAD_MACHINE, cases[i].call), cases[i].machine);
		expect(cases[i].name, "default",
		       status_of(CXVM_SECCOMP_DEFAULT, THREAD_VCPU, cases[i].call), cases[i].vcpu);
	}
}

/* What only a device needs is refused in a machine without it, in every thread. */
static const struct {
	const char *name;
	void (*call)(void);
	unsigned int needs; /* any of these allows it somewhere */
} owned[] = {
	{"io_uring_enter", call_io_uring_enter, SECCOMP_NEED_DISK},
	{"preadv", call_preadv, SECCOMP_NEED_DISK},
	{"connect", call_connect, SECCOMP_NEED_VSOCK},
	{"socket AF_UNIX", call_socket_unix, SECCOMP_NEED_VSOCK},
	{"accept4", call_accept4, SECCOMP_NEED_VSOCK | SECCOMP_NEED_SERIAL_SOCKET},
	{"sendmsg", call_sendmsg, SECCOMP_NEED_VSOCK | SECCOMP_NEED_VFIO_USER},
	{"fcntl F_DUPFD_CLOEXEC", call_fcntl_duplicate, SECCOMP_NEED_CONSOLE},
	{"fcntl F_GET_SEALS", call_fcntl_seals, SECCOMP_NEED_VFIO_USER},
	{"dup3", call_dup3, SECCOMP_NEED_VFIO | SECCOMP_NEED_VFIO_USER},
	{"pread64", call_pread, SECCOMP_NEED_VFIO},
	{"VFIO_DEVICE_RESET", call_vfio_reset, SECCOMP_NEED_VFIO},
	{"VFIO_IOMMU_MAP_DMA", call_vfio_map_dma, SECCOMP_NEED_VFIO},
	{"IOMMU_IOAS_UNMAP", call_ioas_unmap, SECCOMP_NEED_VFIO},
	{"KVM_SET_USER_MEMORY_REGION", call_kvm_set_memory,
	 SECCOMP_NEED_VFIO | SECCOMP_NEED_VFIO_USER},
	{"VHOST_SET_FEATURES", call_vhost, SECCOMP_NEED_VHOST_NET | SECCOMP_NEED_VHOST_VSOCK},
	{"TUNSETOFFLOAD", call_tun, SECCOMP_NEED_NET},
};

Test(seccomp, what_no_device_needs_is_refused, .timeout = 60)
{
	for (size_t i = 0; i < sizeof(owned) / sizeof(owned[0]); i++) {
		bool somewhere = false;

		for (unsigned int kind = 0; kind < THREAD_KINDS; kind++) {
			unsigned int others = SECCOMP_NEED_ALL & ~owned[i].needs;

			expect(owned[i].name, "a machine without its device",
			       status_with(CXVM_SECCOMP_ON, others, kind, owned[i].call), false);
			for (unsigned int need = 1; need < SECCOMP_NEED_ALL; need <<= 1)
				if (need & owned[i].needs)
					somewhere |= !WIFSIGNALED(status_with(CXVM_SECCOMP_ON, need,
									      kind, owned[i].call));
		}
		cr_assert(somewhere, "%s is allowed nowhere", owned[i].name);
	}
}

/* A machine needs what its specification has, and nothing else. */
Test(seccomp, needs_follow_the_specification)
{
	static struct machine_specification wanted;

	wanted.serial.mode = CXVM_CONSOLE_NULL;
	wanted.console.mode = CXVM_CONSOLE_OFF;
	wanted.nets[0].vhost = CXVM_OFF;
	wanted.devices[0].options.way.kind = PASSTHROUGH_WAY_VFIO_USER_SOCKET;
	wanted.devices[1].options.way.kind = PASSTHROUGH_WAY_VFIO_NAME;
	cr_expect_eq(seccomp_needs_of(&wanted), 0);
	wanted.disk_count = 1;
	cr_expect_eq(seccomp_needs_of(&wanted), SECCOMP_NEED_DISK);
	wanted.net_count = 1;
	wanted.serial.mode = CXVM_CONSOLE_SOCKET;
	cr_expect_eq(seccomp_needs_of(&wanted), SECCOMP_NEED_DISK | SECCOMP_NEED_NET |
							SECCOMP_NEED_SERIAL |
							SECCOMP_NEED_SERIAL_SOCKET);
	wanted.disk_count = 0;
	wanted.net_count = 2; /* the second takes what the host has */
	wanted.serial.mode = CXVM_CONSOLE_STDIO;
	wanted.console.mode = CXVM_CONSOLE_NULL;
	wanted.has_vsock = true;
	wanted.device_count = 1;
	cr_expect_eq(seccomp_needs_of(&wanted),
		     SECCOMP_NEED_NET | SECCOMP_NEED_VHOST_NET | SECCOMP_NEED_SERIAL |
			     SECCOMP_NEED_CONSOLE | SECCOMP_NEED_VSOCK | SECCOMP_NEED_VFIO_USER);
	wanted.net_count = 0;
	wanted.vsock.vhost = true;
	wanted.device_count = 2;
	cr_expect_eq(seccomp_needs_of(&wanted), SECCOMP_NEED_VHOST_VSOCK | SECCOMP_NEED_SERIAL |
							SECCOMP_NEED_CONSOLE |
							SECCOMP_NEED_VFIO_USER | SECCOMP_NEED_VFIO);
}

static unsigned int count_rules(const struct seccomp_rule *rules, size_t count, unsigned int kind,
				unsigned int needs, bool vfio_only)
{
	unsigned int numbers = 0;

	for (size_t i = 0; i < count; i++) {
		bool seen = !seccomp_rule_applies(&rules[i], kind, needs) ||
			    (vfio_only && _IOC_TYPE((unsigned int)rules[i].number) != VFIO_TYPE);

		for (size_t j = 0; j < i && !seen; j++)
			seen = rules[j].number == rules[i].number &&
			       seccomp_rule_applies(&rules[j], kind, needs);
		numbers += !seen;
	}
	return numbers;
}

/* The figures of the benchmark: of a machine that has everything, and of one that has nothing. */
Test(seccomp, counts)
{
	const unsigned int beside = 2; /* ioctl, tgkill; openat is refused */
	size_t call_count, ioctl_count;
	const struct seccomp_rule *calls = seccomp_call_rules(&call_count);
	const struct seccomp_rule *ioctls = seccomp_ioctl_rules(&ioctl_count);
	unsigned int vcpu_calls, vcpu_ioctls, vfio_ioctls = 0, least_calls, least_ioctls;

	vcpu_calls = count_rules(calls, call_count, THREAD_VCPU, SECCOMP_NEED_ALL, false) + beside;
	vcpu_ioctls = count_rules(ioctls, ioctl_count, THREAD_VCPU, SECCOMP_NEED_ALL, false);
	least_calls = count_rules(calls, call_count, THREAD_VCPU, 0, false) + beside;
	least_ioctls = count_rules(ioctls, ioctl_count, THREAD_VCPU, 0, false);
	for (unsigned int kind = 0; kind < THREAD_KINDS; kind++) {
		unsigned int count =
			count_rules(ioctls, ioctl_count, kind, SECCOMP_NEED_VFIO, true);

		vfio_ioctls = count > vfio_ioctls ? count : vfio_ioctls;
	}
	printf("BENCH vcpu_syscalls %u\nBENCH vcpu_ioctls %u\nBENCH vfio_ioctls %u\n", vcpu_calls,
	       vcpu_ioctls, vfio_ioctls);
	cr_log_info("a vCPU without devices: %u calls, %u ioctls", least_calls, least_ioctls);
	cr_expect_leq(vcpu_ioctls, 31u);
	cr_expect_leq(vfio_ioctls, 9u);
	cr_expect_leq(least_ioctls, 7u);
	/* They were 52 calls and 34 ioctls. A sanitizer needs calls of its own, which are in the
	 * lists then. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	cr_expect_leq(vcpu_calls, 46u);
	cr_expect_leq(least_calls, 38u);
#endif
}

Test(seccomp, off_and_log_end_nothing)
{
	expect("ptrace", "off", status_of(CXVM_SECCOMP_OFF, THREAD_VCPU, call_ptrace), true);
	expect("ptrace", "log", status_of(CXVM_SECCOMP_LOG, THREAD_VCPU, call_ptrace), true);
}

static void status_line(const char *key, int expected)
{
	char line[256];
	int value = -1;
	FILE *file = fopen("/proc/self/status", "r");

	cr_assert_not_null(file);
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, key, strlen(key)))
			sscanf(line + strlen(key), " %d", &value);
	fclose(file);
	cr_assert_eq(value, expected, "%s %d", key, value);
}

Test(seccomp, no_new_privileges_in_every_mode)
{
	struct seccomp_filters filters;

	status_line("NoNewPrivs:", 0);
	cr_assert_eq(seccomp_filters_create(&filters, CXVM_SECCOMP_OFF, SECCOMP_NEED_ALL, &silent),
		     0);
	status_line("NoNewPrivs:", 1);
	cr_assert_eq(seccomp_filters_arm(&filters, THREAD_VCPU), 0);
	status_line("Seccomp:", 0);
	seccomp_filters_destroy(&filters);
}

/* What the filter answers, and after how many of its instructions. */
static uint32_t judge(const struct sock_fprog *program, const struct seccomp_data *data,
		      unsigned int *steps)
{
	uint32_t value = 0, memory[BPF_MEMWORDS] = {0};

	*steps = 0;
	for (unsigned int at = 0; at < program->len; at++) {
		const struct sock_filter *one = &program->filter[at];

		++*steps;
		switch (one->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			memcpy(&value, (const uint8_t *)data + one->k, sizeof(value));
			break;
		case BPF_ST:
			memory[one->k] = value;
			break;
		case BPF_LD | BPF_MEM:
			value = memory[one->k];
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			value &= one->k;
			break;
		case BPF_JMP | BPF_JA:
			at += one->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			at += value == one->k ? one->jt : one->jf;
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			at += value > one->k ? one->jt : one->jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			at += value >= one->k ? one->jt : one->jf;
			break;
		case BPF_RET | BPF_K:
			return one->k;
		default:
			cr_assert(false, "instruction %#x", one->code);
		}
	}
	cr_assert(false, "the program has no end");
	return 0;
}

/* Every exit of the guest pays for it. */
Test(seccomp, kvm_run_is_found_first)
{
	struct seccomp_data data = {.nr = SYS_ioctl, .arch = AUDIT_ARCH_X86_64};
	struct seccomp_filters filters;
	unsigned int steps;

	cr_assert_eq(seccomp_filters_create(&filters, CXVM_SECCOMP_ON, SECCOMP_NEED_ALL, &silent),
		     0);
	data.args[1] = KVM_RUN;
	cr_expect_eq(judge(&filters.programs[THREAD_VCPU], &data, &steps), SECCOMP_RET_ALLOW);
	cr_expect_leq(steps, 7u);
	cr_expect_neq(judge(&filters.programs[THREAD_IO], &data, &steps), SECCOMP_RET_ALLOW);
	cr_expect_neq(judge(&filters.programs[THREAD_MACHINE], &data, &steps), SECCOMP_RET_ALLOW);
	data.args[1] = KVM_CREATE_VM;
	cr_expect_neq(judge(&filters.programs[THREAD_VCPU], &data, &steps), SECCOMP_RET_ALLOW);
	/* Neither another call with this argument, nor one of another architecture. */
	data.args[1] = KVM_RUN;
	data.nr = SYS_execve;
	cr_expect_neq(judge(&filters.programs[THREAD_VCPU], &data, &steps), SECCOMP_RET_ALLOW);
	data.nr = SYS_ioctl;
	data.arch = AUDIT_ARCH_I386;
	cr_expect_neq(judge(&filters.programs[THREAD_VCPU], &data, &steps), SECCOMP_RET_ALLOW);
	seccomp_filters_destroy(&filters);
}

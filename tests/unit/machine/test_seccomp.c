/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <linux/vfio.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/machine/seccomp.h"
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
	syscall(SYS_connect, -1, NULL, 0);
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
static int status_of(enum cxvm_seccomp mode, enum thread_kind kind, void (*call)(void))
{
	int status;
	pid_t child = fork();

	if (!child) {
		struct seccomp_filters filters;

		if (seccomp_filters_create(&filters, mode, &silent) ||
		    seccomp_filters_arm(&filters, kind))
			syscall(SYS_exit_group, 99);
		call();
		syscall(SYS_exit_group, 0);
	}
	cr_assert_gt(child, 0);
	cr_assert_eq(waitpid(child, &status, 0), child);
	return status;
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
	{"io_uring_enter", call_io_uring_enter, true, true, false},
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
	cr_assert_eq(seccomp_filters_create(&filters, CXVM_SECCOMP_OFF, &silent), 0);
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

	cr_assert_eq(seccomp_filters_create(&filters, CXVM_SECCOMP_ON, &silent), 0);
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

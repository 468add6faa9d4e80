/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/machine/vcpu.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "core/fd.h"
#include "core/page.h"
#include "vmm/machine/thread.h"

#ifdef __SANITIZE_THREAD__
#define VCPU_STACK_BYTES ((size_t)2 * 1024 * 1024) /* its run time keeps much in each thread */
#else
#define VCPU_STACK_BYTES ((size_t)256 * 1024)
#endif
#ifndef KVM_EXIT_MEMORY_FAULT
#define KVM_EXIT_MEMORY_FAULT 39 /* Linux 6.8; uapi: u64 flags, gpa, size */
#endif
#define KERNEL_SIGSET 8u /* bytes of the kernel's sigset_t, which KVM_SET_SIGNAL_MASK takes */

enum run_request { RUN_GO, RUN_PAUSE, RUN_STOP };

struct vcpu {
	struct vcpu_set *set;
	uint32_t index;
	int fd;
	struct kvm_run *run;
	pthread_t thread;
	bool thread_created;
	bool dead; /* reported through stopped(); waits for the end */
	struct vcpu_counters counters;
};

struct vcpu_set {
	const struct kvm_vm *vm;
	const struct logger *logger;
	struct bus *mmio;
	struct bus *pio;
	struct vcpu_callbacks callbacks;
	uint32_t count;
	int kick_signal;
	void *stacks;
	size_t stacks_bytes;
	atomic_int request; /* enum run_request, read at every exit without the lock */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint32_t parked; /* threads that are outside the guest and wait */
	struct vcpu vcpus[];
};

static int vcpu_ioctl(const struct vcpu *vcpu, unsigned long request, void *argument)
{
	const struct kvm_vm *vm = vcpu->set->vm;

	return vm->ops->ioctl(vm->ops_opaque, vcpu->fd, request, argument);
}

int vcpu_set_create(struct vcpu_set **result, const struct kvm_vm *vm, uint32_t count,
		    struct bus *mmio, struct bus *pio, const struct vcpu_callbacks *callbacks,
		    const struct logger *logger)
{
	struct vcpu_set *set = calloc(1, sizeof(*set) + count * sizeof(set->vcpus[0]));

	if (!set)
		return -ENOMEM;
	set->vm = vm;
	set->logger = logger;
	set->mmio = mmio;
	set->pio = pio;
	set->callbacks = *callbacks;
	set->kick_signal = SIGRTMIN;
	atomic_init(&set->request, RUN_GO);
	pthread_mutex_init(&set->lock, NULL);
	pthread_cond_init(&set->changed, NULL);
	for (uint32_t i = 0; i < count; i++) {
		struct vcpu *vcpu = &set->vcpus[i];

		vcpu->set = set;
		vcpu->index = i;
		set->count = i + 1;
		vcpu->run = MAP_FAILED;
		/* The vCPU number is the APIC ID that KVM gives its local APIC; CPUID must say the
		 * same. */
		vcpu->fd = kvm_vm_ioctl(vm, KVM_CREATE_VCPU, (void *)(uintptr_t)i);
		if (vcpu->fd >= 0)
			vcpu->run = mmap(NULL, vm->vcpu_run_size, PROT_READ | PROT_WRITE,
					 MAP_SHARED, vcpu->fd, 0);
		if (vcpu->fd < 0 || vcpu->run == MAP_FAILED) {
			int error = vcpu->fd < 0 ? vcpu->fd : -errno;

			log_error(logger, "kvm", "cannot create vCPU %u of %u: %s", i, count,
				  strerror(-error));
			vcpu_set_destroy(set);
			return error;
		}
	}
	*result = set;
	return 0;
}

int vcpu_set_configure(struct vcpu_set *set, struct arch_cpus *cpus)
{
	int result = 0;

	for (uint32_t i = 0; i < set->count && !result; i++)
		result = arch_cpus_set_up(cpus, i, set->vcpus[i].fd);
	return result;
}

int vcpu_set_boot(struct vcpu_set *set, const struct arch_cpus *cpus,
		  const struct arch_kernel *kernel)
{
	return arch_cpus_set_boot(cpus, set->vcpus[0].fd, kernel);
}

static void count_up(_Atomic uint64_t *counter, uint64_t times)
{
	/* Only the vCPU's own thread writes it: no read-modify-write needed. */
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + times,
			      memory_order_relaxed);
}

static void serve_mmio(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	uint32_t size = run->mmio.len;
	bool claimed;

	count_up(&vcpu->counters.mmio_exits, 1);
	if (size > sizeof(run->mmio.data))
		return;
	claimed = run->mmio.is_write
			  ? bus_write(vcpu->set->mmio, run->mmio.phys_addr, run->mmio.data, size)
			  : bus_read(vcpu->set->mmio, run->mmio.phys_addr, run->mmio.data, size);
	if (!claimed)
		count_up(&vcpu->counters.unclaimed, 1);
}

static void __attribute__((format(printf, 3, 4)))
report(struct vcpu *vcpu, enum vcpu_stop reason, const char *format, ...)
{
	char detail[200];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(detail, sizeof(detail), format, arguments);
	va_end(arguments);
	vcpu->dead = true;
	vcpu->set->callbacks.stopped(vcpu->set->callbacks.opaque, vcpu->index, reason, detail);
}

static struct arch_vcpu arch_view(const struct vcpu *vcpu)
{
	return (struct arch_vcpu){
		.vm = vcpu->set->vm,
		.fd = vcpu->fd,
		.run = vcpu->run,
		.index = vcpu->index,
		.ports = vcpu->set->pio,
	};
}

static void serve_arch_exit(struct vcpu *vcpu)
{
	const struct arch_vcpu view = arch_view(vcpu);
	struct arch_exit_report details;

	switch (arch_serve_exit(&view, &details)) {
	case ARCH_EXIT_SERVED:
		break;
	case ARCH_EXIT_PORTS:
		count_up(&vcpu->counters.pio_exits, 1);
		count_up(&vcpu->counters.unclaimed, details.unclaimed);
		break;
	case ARCH_EXIT_CRASHED:
		report(vcpu, VCPU_STOP_TRIPLE_FAULT, "%s", details.detail);
		break;
	case ARCH_EXIT_ERROR:
		report(vcpu, VCPU_STOP_KVM_ERROR, "%s", details.detail);
		break;
	}
}

static void serve_exit(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	switch (run->exit_reason) {
	case KVM_EXIT_MMIO:
		serve_mmio(vcpu);
		break;
	case KVM_EXIT_INTR:
		break;
	case KVM_EXIT_FAIL_ENTRY:
		report(vcpu, VCPU_STOP_KVM_ERROR,
		       "the CPU refused to enter the guest (hardware reason 0x%" PRIx64 ")",
		       (uint64_t)run->fail_entry.hardware_entry_failure_reason);
		break;
	default:
		serve_arch_exit(vcpu);
		break;
	}
}

/* Wait outside the guest while a pause lasts. Returns false when the thread shall end. */
static bool park(struct vcpu *vcpu)
{
	struct vcpu_set *set = vcpu->set;
	const struct timespec now = {0};
	sigset_t kick;
	bool go_on;

	pthread_mutex_lock(&set->lock);
	set->parked++;
	pthread_cond_broadcast(&set->changed);
	while (atomic_load(&set->request) == RUN_PAUSE ||
	       (vcpu->dead && atomic_load(&set->request) != RUN_STOP))
		pthread_cond_wait(&set->changed, &set->lock);
	set->parked--;
	go_on = atomic_load(&set->request) == RUN_GO;
	/*
	 * The kick stays pending outside KVM_RUN; take it, or every KVM_RUN from now on would
	 * return at once. Not earlier: a second pause may have kicked a thread that had not yet
	 * seen the end of the first one. Kicks are sent under the lock, so none can come between.
	 */
	sigemptyset(&kick);
	sigaddset(&kick, set->kick_signal);
	while (sigtimedwait(&kick, NULL, &now) > 0)
		;
	pthread_mutex_unlock(&set->lock);
	return go_on;
}

/* A thread that cannot be set up is dead: it parks instead of entering the guest. */
static void begin(struct vcpu *vcpu)
{
	const struct vcpu_callbacks *callbacks = &vcpu->set->callbacks;
	char name[16];
	int error;

	snprintf(name, sizeof(name), "vcpu%u", vcpu->index);
	prctl(PR_SET_NAME, name);
	error = callbacks->thread_started
			? callbacks->thread_started(callbacks->opaque, vcpu->index)
			: 0;
	if (error)
		report(vcpu, VCPU_STOP_KVM_ERROR, "the thread of vCPU %u could not be set up: %s",
		       vcpu->index, strerror(-error));
}

static uint64_t fault_address(const struct kvm_run *run)
{
	uint64_t gpa;

	if (run->exit_reason != KVM_EXIT_MEMORY_FAULT)
		return VCPU_GPA_UNKNOWN;
	memcpy(&gpa, (const uint8_t *)&run->hw + sizeof(uint64_t), sizeof(gpa));
	return gpa;
}

static void report_lost_memory(struct vcpu *vcpu)
{
	const struct arch_vcpu view = arch_view(vcpu);

	report(vcpu, VCPU_STOP_KVM_ERROR,
	       "the guest touched memory that the host cannot provide (%s 0x%" PRIx64 ")",
	       arch_instruction_pointer_name, arch_instruction_pointer(&view));
}

static void *vcpu_thread(void *opaque)
{
	struct vcpu *vcpu = opaque;
	struct vcpu_set *set = vcpu->set;

	begin(vcpu);
	for (;;) {
		int result;

		if (vcpu->dead ||
		    atomic_load_explicit(&set->request, memory_order_acquire) != RUN_GO) {
			if (!park(vcpu))
				return NULL;
			continue;
		}
		result = vcpu_ioctl(vcpu, KVM_RUN, NULL);
		count_up(&vcpu->counters.exits, 1);
		if (result >= 0) {
			serve_exit(vcpu);
		} else if (result == -EFAULT) {
			if (!set->callbacks.memory_fault ||
			    !set->callbacks.memory_fault(set->callbacks.opaque, vcpu->index,
							 fault_address(vcpu->run)))
				report_lost_memory(vcpu);
		} else if (result != -EINTR && result != -EAGAIN) {
			report(vcpu, VCPU_STOP_KVM_ERROR, "KVM_RUN failed: %s", strerror(-result));
		}
	}
}

static int set_signal_mask(const struct vcpu *vcpu)
{
	struct {
		struct kvm_signal_mask header;
		uint64_t blocked;
	} __attribute__((packed)) mask = {
		.header = {.len = KERNEL_SIGSET},
		.blocked = ~(UINT64_C(1) << (vcpu->set->kick_signal - 1)),
	};

	return vcpu_ioctl(vcpu, KVM_SET_SIGNAL_MASK, &mask);
}

static int start_thread(struct vcpu *vcpu)
{
	struct vcpu_set *set = vcpu->set;
	uint8_t *stack = (uint8_t *)set->stacks + vcpu->index * VCPU_STACK_BYTES;
	const size_t guard = host_page_size();
	pthread_attr_t attributes;
	sigset_t all;
	int error;

	error = set_signal_mask(vcpu);
	if (error < 0)
		return error;
	/* Below each stack: a guest must not get past its end. */
	if (mprotect(stack, guard, PROT_NONE))
		return -errno;
	sigfillset(&all);
	pthread_attr_init(&attributes);
	pthread_attr_setsigmask_np(&attributes, &all);
	/* One mapping for all stacks: a system call less per vCPU than stacks of their own. */
	pthread_attr_setstack(&attributes, stack + guard, VCPU_STACK_BYTES - guard);
	error = pthread_create(&vcpu->thread, &attributes, vcpu_thread, vcpu);
	pthread_attr_destroy(&attributes);
	vcpu->thread_created = !error;
	return -error;
}

int vcpu_set_start(struct vcpu_set *set)
{
	int error = 0;

	set->stacks_bytes = set->count * VCPU_STACK_BYTES;
	set->stacks = mmap(NULL, set->stacks_bytes, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
	if (set->stacks == MAP_FAILED) {
		set->stacks = NULL;
		return -errno;
	}
	/*
	 * The boot vCPU comes first: it boots while the threads of the others are made. An INIT or
	 * a SIPI that it sends meanwhile waits in the in-kernel local APIC of its target.
	 */
	for (uint32_t i = 0; i < set->count && !error; i++)
		error = start_thread(&set->vcpus[i]);
	if (error) {
		log_error(set->logger, "vcpu", "cannot start the vCPU threads: %s",
			  strerror(-error));
		vcpu_set_stop(set);
	}
	return error;
}

/* Threads that are in the guest, or about to enter it, leave; those that wait look at the request
 * again. */
static void kick_all(struct vcpu_set *set)
{
	for (uint32_t i = 0; i < set->count; i++)
		if (set->vcpus[i].thread_created)
			pthread_kill(set->vcpus[i].thread, set->kick_signal);
}

void vcpu_set_pause(struct vcpu_set *set)
{
	pthread_mutex_lock(&set->lock);
	if (atomic_load(&set->request) == RUN_GO) {
		atomic_store(&set->request, RUN_PAUSE);
		kick_all(set);
		while (set->parked < set->count && atomic_load(&set->request) == RUN_PAUSE)
			pthread_cond_wait(&set->changed, &set->lock);
		for (uint32_t i = 0; i < set->count; i++) {
			const struct arch_vcpu view = arch_view(&set->vcpus[i]);

			arch_vcpu_paused(&view);
		}
	}
	pthread_mutex_unlock(&set->lock);
}

void vcpu_set_resume(struct vcpu_set *set)
{
	pthread_mutex_lock(&set->lock);
	if (atomic_load(&set->request) == RUN_PAUSE)
		atomic_store(&set->request, RUN_GO);
	pthread_cond_broadcast(&set->changed);
	pthread_mutex_unlock(&set->lock);
}

void vcpu_set_stop(struct vcpu_set *set)
{
	pthread_mutex_lock(&set->lock);
	atomic_store(&set->request, RUN_STOP);
	kick_all(set);
	pthread_cond_broadcast(&set->changed);
	pthread_mutex_unlock(&set->lock);
	for (uint32_t i = 0; i < set->count; i++) {
		char name[16];

		snprintf(name, sizeof(name), "vcpu%u", i);
		if (set->vcpus[i].thread_created)
			machine_thread_join(set->vcpus[i].thread, name, THREAD_JOIN_PATIENCE_MS,
					    set->logger);
		set->vcpus[i].thread_created = false;
	}
	if (set->stacks)
		munmap(set->stacks, set->stacks_bytes);
	set->stacks = NULL;
}

void vcpu_set_destroy(struct vcpu_set *set)
{
	if (!set)
		return;
	vcpu_set_stop(set);
	for (uint32_t i = 0; i < set->count; i++) {
		if (set->vcpus[i].run && set->vcpus[i].run != MAP_FAILED)
			munmap(set->vcpus[i].run, set->vm->vcpu_run_size);
		fd_close(&set->vcpus[i].fd);
	}
	pthread_cond_destroy(&set->changed);
	pthread_mutex_destroy(&set->lock);
	free(set);
}

void vcpu_set_counters(const struct vcpu_set *set, uint64_t *exits, uint64_t *mmio, uint64_t *pio,
		       uint64_t *unclaimed)
{
	*exits = *mmio = *pio = *unclaimed = 0;
	for (uint32_t i = 0; i < set->count; i++) {
		const struct vcpu_counters *counters = &set->vcpus[i].counters;

		*exits += atomic_load_explicit(&counters->exits, memory_order_relaxed);
		*mmio += atomic_load_explicit(&counters->mmio_exits, memory_order_relaxed);
		*pio += atomic_load_explicit(&counters->pio_exits, memory_order_relaxed);
		*unclaimed += atomic_load_explicit(&counters->unclaimed, memory_order_relaxed);
	}
}

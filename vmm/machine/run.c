/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "vmm/machine/internal.h"

void machine_exit(struct machine *machine, enum cxvm_exit_reason reason, uint32_t code,
		  const char *format, ...)
{
	va_list arguments;

	pthread_mutex_lock(&machine->life.exit_lock);
	if (machine->life.exit.reason == CXVM_EXIT_NONE) {
		machine->life.exit.reason = reason;
		machine->life.exit.code = code;
		va_start(arguments, format);
		vsnprintf(machine->life.exit.message, sizeof(machine->life.exit.message), format,
			  arguments);
		va_end(arguments);
	}
	pthread_mutex_unlock(&machine->life.exit_lock);
	event_loop_stop(machine->platform.loop);
}

static void send_control(struct machine *machine, unsigned int request)
{
	const uint64_t one = 1;
	int saved_errno = errno;
	ssize_t written;

	atomic_fetch_or(&machine->life.control, request);
	written = write(machine->life.control_fd, &one, sizeof(one));
	(void)written; /* an eventfd refuses only when it is readable already */
	errno = saved_errno;
}

void machine_stop(struct machine *machine)
{
	send_control(machine, CONTROL_STOP);
}

void machine_power_button(struct machine *machine)
{
	send_control(machine, CONTROL_POWER_BUTTON);
}

static void grace_expired(void *opaque, uint32_t events)
{
	struct machine *machine = opaque;

	(void)events;
	machine_exit(machine, CXVM_EXIT_STOPPED, 0,
		     "the guest did not power off within %u ms after the power button",
		     machine->config->platform.power_off_grace_ms);
}

static void serve_control(void *opaque, uint32_t events)
{
	struct machine *machine = opaque;
	unsigned int requests;
	uint64_t value;
	ssize_t got = read(machine->life.control_fd, &value, sizeof(value));

	(void)got;
	(void)events;
	requests = atomic_exchange(&machine->life.control, 0);
	if (requests & CONTROL_STOP) {
		machine_exit(machine, CXVM_EXIT_STOPPED, 0, "stopped by request");
		return;
	}
	if (requests & CONTROL_POWER_BUTTON) {
		uint64_t grace_ms = machine->config->platform.power_off_grace_ms;

		log_info(machine->logger, "machine", "power button pressed");
		machine_press_power_button(machine);
		if (grace_ms && !machine->life.grace_timer &&
		    !event_loop_add_timer(machine->platform.loop, grace_expired, machine,
					  &machine->life.grace_timer))
			event_timer_set(machine->life.grace_timer, grace_ms * 1000000, 0);
	}
}

/* Under the lock: a pause must not come before there are threads that can be paused. */
static int start_vcpus(struct machine *machine)
{
	int result = -EINVAL;

	pthread_mutex_lock(&machine->life.lock);
	if (machine->life.phase == MACHINE_READY)
		result = vcpu_set_start(machine->cpus.vcpus);
	if (!result)
		machine->life.phase = MACHINE_RUNNING;
	pthread_mutex_unlock(&machine->life.lock);
	return result;
}

/*
 * The event loop has a thread of its own, so that the caller's thread keeps its signals and gets no
 * filter that would outlive the machine.
 */
static void *io_thread(void *opaque)
{
	struct machine *machine = opaque;
	int error;

	prctl(PR_SET_NAME, "cxvm-io");
	error = seccomp_filters_arm(&machine->life.filters, THREAD_IO);
	if (error)
		machine_exit(machine, CXVM_EXIT_VMM_FAULT, 0, "cannot arm seccomp: %s",
			     strerror(-error));
	else
		error = event_loop_run(machine->platform.loop);
	if (error)
		machine_exit(machine, CXVM_EXIT_VMM_FAULT, 0, "the event loop failed: %s",
			     strerror(-error));
	return NULL;
}

static int start_io_thread(struct machine *machine, pthread_t *thread)
{
	pthread_attr_t attributes;
	sigset_t all;
	int error;

	sigfillset(&all);
	pthread_attr_init(&attributes);
	pthread_attr_setsigmask_np(&attributes, &all);
	error = pthread_create(thread, &attributes, io_thread, machine);
	pthread_attr_destroy(&attributes);
	return -error;
}

int machine_run(struct machine *machine, struct cxvm_exit *result)
{
	size_t size = result->size;
	pthread_t thread;
	int error;

	error = seccomp_filters_create(&machine->life.filters, machine->config->platform.seccomp,
				       machine->logger);
	if (!error)
		error = event_loop_add(machine->platform.loop, machine->life.control_fd, EPOLLIN,
				       serve_control, machine, &machine->life.control_source);
	if (!error)
		error = start_io_thread(machine, &thread);
	if (error)
		return error;
	error = start_vcpus(machine);
	if (error)
		event_loop_stop(machine->platform.loop);
	else if (machine->life.started)
		machine->life.started(machine->life.started_opaque);
	pthread_join(thread, NULL);

	pthread_mutex_lock(&machine->life.lock);
	machine->life.phase = MACHINE_ENDED;
	/* A pause may have left them parked; stopping releases them. */
	vcpu_set_stop(machine->cpus.vcpus);
	pthread_mutex_unlock(&machine->life.lock);
	machine_flush_platform_devices(machine);
	machine_flush_virtio(machine);
	*result = machine->life.exit;
	result->size = size;
	return error;
}

int machine_pause(struct machine *machine)
{
	int result = -EINVAL;

	/* Held throughout: the end of the run waits for a pause that is under way. */
	pthread_mutex_lock(&machine->life.lock);
	if (machine->life.phase == MACHINE_RUNNING) {
		vcpu_set_pause(machine->cpus.vcpus);
		machine_pause_virtio(machine);
		machine->life.phase = MACHINE_PAUSED;
		result = 0;
	}
	pthread_mutex_unlock(&machine->life.lock);
	return result;
}

int machine_resume(struct machine *machine)
{
	int result = -EINVAL;

	pthread_mutex_lock(&machine->life.lock);
	if (machine->life.phase == MACHINE_PAUSED) {
		machine_resume_virtio(machine);
		vcpu_set_resume(machine->cpus.vcpus);
		machine->life.phase = MACHINE_RUNNING;
		result = 0;
	}
	pthread_mutex_unlock(&machine->life.lock);
	return result;
}

void machine_get_counters(const struct machine *machine, struct cxvm_counters *counters)
{
	vcpu_set_counters(machine->cpus.vcpus, &counters->exits, &counters->mmio_exits,
			  &counters->pio_exits, &counters->unclaimed_accesses);
	counters->component_register_accesses = machine_component_accesses(machine);
}

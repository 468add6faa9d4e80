/* SPDX-License-Identifier: Apache-2.0 */
/* The caller's side of a machine's life: run, pause, resume. */
#include <errno.h>
#include <string.h>

#include "vmm/machine/functions.h"
#include "vmm/machine/internal.h"
#include "vmm/machine/seccomp_lists.h"
#include "vmm/machine/thread.h"

void machine_stop(struct machine *machine)
{
	machine_post(machine, MACHINE_REQUEST_STOP);
}

void machine_power_button(struct machine *machine)
{
	machine_post(machine, MACHINE_REQUEST_POWER_BUTTON);
}

/* Under life.lock. Returns 0 or -EINVAL. */
static int take_step(struct machine *machine, enum machine_step step)
{
	int next = machine_phase_after(machine->life.phase, step);

	if (next < 0)
		return next;
	machine->life.phase = (enum machine_phase)next;
	return 0;
}

/* Under the lock: a pause must not come before there are threads that can be paused. */
static int start_vcpus(struct machine *machine)
{
	int result = -EINVAL;

	pthread_mutex_lock(&machine->life.lock);
	if (machine_phase_after(machine->life.phase, MACHINE_START) >= 0)
		result = vcpu_set_start(machine->cpus.vcpus);
	if (!result)
		result = take_step(machine, MACHINE_START);
	pthread_mutex_unlock(&machine->life.lock);
	return result;
}

/*
 * The event loop of the devices has a thread of its own, so that the caller's thread keeps its
 * signals and gets no filter that would outlive the machine.
 */
static void *io_thread(void *opaque)
{
	struct machine *machine = opaque;
	int error = machine_parts_begin(&machine->parts);

	if (!error)
		error = machine_thread_begin(&machine->life.filters, THREAD_IO);
	if (!error)
		error = event_loop_run(machine->platform.loop);
	if (error)
		machine_exit(machine, CXVM_EXIT_VMM_FAULT, 0,
			     "the thread of the devices failed: %s", strerror(-error));
	return NULL;
}

/* The vCPUs go first, while the loop still answers what they wait for. */
static void end(struct machine *machine)
{
	pthread_mutex_lock(&machine->life.lock);
	take_step(machine, MACHINE_END);
	/* A pause may have left them parked; stopping releases them. */
	vcpu_set_stop(machine->cpus.vcpus);
	pthread_mutex_unlock(&machine->life.lock);
	event_loop_stop(machine->platform.loop);
}

int machine_run(struct machine *machine, struct cxvm_exit *result)
{
	size_t size = result->size;
	pthread_t io, control;
	int error, io_error;

	error = seccomp_filters_create(&machine->life.filters,
				       machine->specification->platform.seccomp,
				       seccomp_needs_of(machine->specification), machine->logger);
	if (!error)
		error = start_vcpus(machine);
	if (error) {
		end(machine);
		return error;
	}
	while (sem_wait(&machine->life.boot_begins) && errno == EINTR)
		;
	/* What the guest asks of a device meanwhile waits in an eventfd. */
	error = io_error = machine_thread_start(&io, io_thread, machine);
	if (!error)
		error = machine_control_start(machine, &control);
	if (!error) {
		if (machine->life.started)
			machine->life.started(machine->life.started_opaque);
		pthread_join(control, NULL);
	}
	end(machine);
	if (!io_error)
		machine_thread_join(io, machine_thread_name(THREAD_IO), THREAD_JOIN_PATIENCE_MS,
				    machine->logger);
	machine_parts_flush(&machine->parts);
	*result = machine->life.exit;
	result->size = size;
	return error;
}

int machine_pause(struct machine *machine)
{
	int result;

	/* Held throughout: the end of the run waits for a pause that is under way. */
	pthread_mutex_lock(&machine->life.lock);
	result = take_step(machine, MACHINE_PAUSE);
	if (!result) {
		vcpu_set_pause(machine->cpus.vcpus);
		machine_parts_pause(&machine->parts);
	}
	pthread_mutex_unlock(&machine->life.lock);
	return result;
}

int machine_resume(struct machine *machine)
{
	int result;

	pthread_mutex_lock(&machine->life.lock);
	result = take_step(machine, MACHINE_RESUME);
	if (!result) {
		machine_parts_resume(&machine->parts);
		vcpu_set_resume(machine->cpus.vcpus);
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

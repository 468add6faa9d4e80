/* SPDX-License-Identifier: Apache-2.0 */
/* The machine's thread: it serves what others post. */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "core/clock.h"
#include "vmm/machine/functions.h"
#include "vmm/machine/internal.h"
#include "vmm/machine/platform.h"
#include "vmm/machine/thread.h"

static void serve_stop(struct machine *machine)
{
	machine_exit(machine, CXVM_EXIT_STOPPED, 0, "stopped by request");
}

static void grace_expired(void *opaque, uint32_t events)
{
	struct machine *machine = opaque;

	(void)events;
	machine_exit(machine, CXVM_EXIT_STOPPED, 0,
		     "the guest did not power off within %u ms after the power button",
		     machine->specification->platform.power_off_grace_ms);
}

static void serve_power_button(struct machine *machine)
{
	struct machine_life *life = &machine->life;
	uint64_t grace_ms = machine->specification->platform.power_off_grace_ms;

	log_info(machine->logger, "machine", "power button pressed");
	machine_press_power_button(machine);
	if (grace_ms && !life->grace_timer &&
	    !event_loop_add_timer(life->loop, grace_expired, machine, &life->grace_timer))
		event_timer_set(life->grace_timer, grace_ms * CLOCK_NS_PER_MS, 0);
}

static void (*const handlers[MACHINE_REQUESTS])(struct machine *machine) = {
	[MACHINE_REQUEST_STOP] = serve_stop,
	[MACHINE_REQUEST_POWER_BUTTON] = serve_power_button,
	[MACHINE_REQUEST_SERVE_FUNCTIONS] = machine_serve_functions,
};

static void serve_requests(void *opaque, uint32_t events)
{
	struct machine *machine = opaque;
	unsigned int requests;
	uint64_t count;
	ssize_t got = read(machine->life.request_fd, &count, sizeof(count));

	(void)got;
	(void)events;
	requests = atomic_exchange(&machine->life.requests, 0);
	/* Who stops a machine wants nothing else of it. */
	if (requests & 1u << MACHINE_REQUEST_STOP)
		requests = 1u << MACHINE_REQUEST_STOP;
	for (unsigned int i = 0; i < MACHINE_REQUESTS; i++)
		if (requests & 1u << i)
			handlers[i](machine);
}

static void look_after_devices(void *opaque)
{
	struct machine *machine = opaque;

	watchdog_look(&machine->life.io_watchdog, machine->logger);
}

static void *control_thread(void *opaque)
{
	struct machine *machine = opaque;
	int error = machine_thread_begin(&machine->life.filters, THREAD_MACHINE);

	if (!error)
		error = event_loop_run(machine->life.loop);
	if (error)
		machine_exit(machine, CXVM_EXIT_VMM_FAULT, 0, "the machine's thread failed: %s",
			     strerror(-error));
	return NULL;
}

int machine_control_start(struct machine *machine, pthread_t *thread)
{
	int result = 0;

	watchdog_init(&machine->life.io_watchdog, machine->platform.loop,
		      machine_thread_name(THREAD_IO));
	event_loop_set_tick(machine->life.loop, WATCHDOG_LOOK_MS, look_after_devices, machine);
	if (!machine->life.request_source)
		result = event_loop_add(machine->life.loop, machine->life.request_fd, EPOLLIN,
					serve_requests, machine, &machine->life.request_source);
	return result ? result : machine_thread_start(thread, control_thread, machine);
}

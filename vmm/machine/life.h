/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMM_MACHINE_LIFE_H
#define VMM_MACHINE_LIFE_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdint.h>

#include <cxvm/cxvm.h>

#include "core/event_loop.h"
#include "vmm/machine/phase.h"
#include "vmm/machine/seccomp.h"
#include "vmm/machine/watchdog.h"

/*
 * The life of a machine and the thread that owns its changes, "cxvm-machine".
 *
 * Who may post, who may wait:
 *
 * - machine_post() only sets a bit and writes to an eventfd. Any thread may post, with any lock
 *   held, also a signal handler. It never waits and never fails.
 * - The handlers run in the machine's thread, one at a time, without locks. They may wait for the
 *   PCI root's lock and for a device's, so whoever holds one of these must not wait for a handler.
 *   Nobody can: there is no call that posts and waits.
 * - Callbacks of an event loop (virtio queues, hosts' ends of consoles, a vfio-user server's
 *   messages) may post. They must not wait for a vCPU or for the machine's thread.
 * - A vCPU thread serves BAR moves, HDM commits and resets itself, under the PCI root's lock: the
 *   guest waits for them anyway, and a hop to another thread would only make it wait longer. It may
 *   post; it must not wait for the machine's thread, nor for an end or a pause, which wait for it.
 * - machine_pause(), machine_resume() and the end of machine_run() wait for every vCPU under
 *   life.lock. They run in threads of the caller.
 */

enum machine_request {
	MACHINE_REQUEST_STOP = 0,
	MACHINE_REQUEST_POWER_BUTTON,
	MACHINE_REQUEST_SERVE_FUNCTIONS, /* a passed-through function wants passthrough_serve() */
	MACHINE_REQUESTS
};

struct machine_life {
	uint64_t start_ns;
	void (*started)(void *opaque);
	void *started_opaque;
	struct seccomp_filters filters;

	/*
	 * Posted when the boot vCPU's thread is about to enter the guest. Only then the other
	 * threads are made: on a host with few CPUs they would delay the boot.
	 */
	sem_t boot_begins;

	pthread_mutex_t lock; /* phase */
	enum machine_phase phase;

	/* The machine's thread, apart from that of the devices, which guests can keep busy. */
	struct event_loop *loop;
	atomic_uint requests; /* bit n: enum machine_request n is posted */
	int request_fd;       /* eventfd: there are some */
	struct event_source *request_source;
	struct event_source *grace_timer; /* NULL: the power button was not pressed */
	struct watchdog io_watchdog;      /* over the thread of the devices */

	pthread_mutex_t exit_lock;
	struct cxvm_exit exit; /* reason NONE until the first machine_exit() */
};

struct machine;

/* machine_life_init() - what posting needs, before anything that may post. Returns 0 or -errno;
 * machine_life_destroy() is due in either case. */
int machine_life_init(struct machine_life *life);
void machine_life_destroy(struct machine_life *life);

/* Any thread, any lock, async-signal-safe; keeps errno. */
void machine_post(struct machine *machine, enum machine_request request);

/* The first call decides why the machine stops; later ones are ignored. Any thread, any lock of a
 * device; ends the machine's thread, for which machine_run() waits. */
void machine_exit(struct machine *machine, enum cxvm_exit_reason reason, uint32_t code,
		  const char *format, ...) __attribute__((format(printf, 4, 5)));

/* control.c: the machine's thread, until machine_exit(). Returns 0 or -errno of pthread_create().
 */
int machine_control_start(struct machine *machine, pthread_t *thread);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/machine/life.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/fd.h"
#include "vmm/machine/internal.h"

int machine_life_init(struct machine_life *life)
{
	sem_init(&life->boot_begins, 0, 0);
	pthread_mutex_init(&life->lock, NULL);
	pthread_mutex_init(&life->exit_lock, NULL);
	atomic_init(&life->requests, 0);
	life->request_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return life->request_fd < 0 ? -errno : event_loop_create(&life->loop);
}

void machine_life_destroy(struct machine_life *life)
{
	event_source_remove(life->grace_timer);
	event_source_remove(life->request_source);
	event_loop_destroy(life->loop);
	fd_close(&life->request_fd);
	seccomp_filters_destroy(&life->filters);
	pthread_mutex_destroy(&life->exit_lock);
	pthread_mutex_destroy(&life->lock);
	sem_destroy(&life->boot_begins);
}

void machine_post(struct machine *machine, enum machine_request request)
{
	const uint64_t one = 1;
	int saved_errno = errno;
	ssize_t written;

	atomic_fetch_or(&machine->life.requests, 1u << request);
	written = write(machine->life.request_fd, &one, sizeof(one));
	(void)written; /* an eventfd refuses only when it is readable already */
	errno = saved_errno;
}

void machine_exit(struct machine *machine, enum cxvm_exit_reason reason, uint32_t code,
		  const char *format, ...)
{
	struct machine_life *life = &machine->life;
	va_list arguments;

	pthread_mutex_lock(&life->exit_lock);
	if (life->exit.reason == CXVM_EXIT_NONE) {
		life->exit.reason = reason;
		life->exit.code = code;
		va_start(arguments, format);
		vsnprintf(life->exit.message, sizeof(life->exit.message), format, arguments);
		va_end(arguments);
	}
	pthread_mutex_unlock(&life->exit_lock);
	event_loop_stop(life->loop);
}

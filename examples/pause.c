/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a machine in a thread, pauses and resumes it, prints its counters and stops it:
 *
 *   pause KERNEL
 *
 * Build: cc pause.c $(pkg-config --cflags --libs cxvm) -pthread
 */
#include <cxvm/cxvm.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void *run(void *opaque)
{
	struct cxvm_exit ended = {.size = sizeof(ended)};
	int error = cxvm_run(opaque, &ended);

	if (error)
		printf("not run: %s\n", strerror(-error));
	else
		printf("ended: %s\n", ended.message);
	return NULL;
}

/* Waits for the machine to leave @state. Returns false when it ended or nothing came. */
static bool wait_for_change(struct cxvm *vm, enum cxvm_state state)
{
	struct pollfd change = {.fd = cxvm_event_fd(vm), .events = POLLIN};
	uint64_t count;

	while (cxvm_get_state(vm) == state) {
		if (poll(&change, 1, 10000) <= 0 || read(change.fd, &count, sizeof(count)) < 0)
			return false;
	}
	return cxvm_get_state(vm) != CXVM_STATE_STOPPED;
}

static uint64_t print_counters(struct cxvm *vm, const char *when)
{
	struct cxvm_counters counters = {.size = sizeof(counters)};

	cxvm_get_counters(vm, &counters);
	printf("%s: %" PRIu64 " exits, %" PRIu64 " of them ports, %" PRIu64 " MMIO\n", when,
	       counters.exits, counters.pio_exits, counters.mmio_exits);
	return counters.exits;
}

int main(int argc, char **argv)
{
	const struct timespec moment = {.tv_nsec = 100000000};
	struct cxvm_create_options options = {.size = sizeof(options)};
	struct cxvm_payload payload = {.size = sizeof(payload)};
	uint64_t paused, later;
	pthread_t thread;
	struct cxvm *vm;
	int status = 1;

	if (argc != 2) {
		fprintf(stderr, "usage: pause KERNEL\n");
		return 2;
	}
	payload.kernel = argv[1];
	if (cxvm_create(&vm, &options))
		return 1;
	/* The descriptor is made before the thread that changes the state. */
	if (cxvm_event_fd(vm) < 0 || cxvm_set_payload(vm, &payload) ||
	    pthread_create(&thread, NULL, run, vm)) {
		cxvm_destroy(vm);
		return 1;
	}
	if (wait_for_change(vm, CXVM_STATE_CREATED) && !cxvm_pause(vm)) {
		paused = print_counters(vm, "paused");
		nanosleep(&moment, NULL);
		later = print_counters(vm, "still paused");
		status = paused == later ? 0 : 1;
		if (cxvm_resume(vm))
			status = 1;
		nanosleep(&moment, NULL);
		if (print_counters(vm, "resumed") <= later)
			status = 1;
	}
	cxvm_stop(vm);
	pthread_join(thread, NULL);
	cxvm_destroy(vm);
	return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Boots a Linux guest and pauses it again and again on its way, until it powers off:
 *
 *   pause-linux KERNEL INITRAMFS CMDLINE SERIAL-FILE
 *
 * While it is paused it must not make a single exit; afterwards it must go on, and power off by
 * itself. For the lab: the tiny guests of this directory test the states themselves.
 */
#include <cxvm/cxvm.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define PAUSES_MAX 1000u

struct runner {
	struct cxvm *vm;
	struct cxvm_exit ended;
	int error;
};

static void *run(void *opaque)
{
	struct runner *runner = opaque;

	runner->error = cxvm_run(runner->vm, &runner->ended);
	return NULL;
}

static void print_log(void *opaque, enum cxvm_log_level level, const char *subsystem,
		      const char *message)
{
	(void)opaque;
	if (level <= CXVM_LOG_WARNING)
		fprintf(stderr, "%s: %s\n", subsystem, message);
}

static void wait_ms(long milliseconds)
{
	const struct timespec time = {.tv_sec = milliseconds / 1000,
				      .tv_nsec = milliseconds % 1000 * 1000000};

	nanosleep(&time, NULL);
}

static uint64_t exits(struct cxvm *vm)
{
	struct cxvm_counters counters = {.size = sizeof(counters)};

	return cxvm_get_counters(vm, &counters) ? 0 : counters.exits;
}

int main(int argc, char **argv)
{
	const struct cxvm_create_options options = {.size = sizeof(options), .log = print_log};
	struct runner runner = {.ended = {.size = sizeof(runner.ended)}};
	unsigned int pauses = 0, moved = 0;
	pthread_t thread;

	if (argc != 5) {
		fprintf(stderr, "usage: pause-linux KERNEL INITRAMFS CMDLINE SERIAL-FILE\n");
		return 2;
	}
	const struct cxvm_payload payload = {.size = sizeof(payload),
					     .kernel = argv[1],
					     .initramfs = argv[2],
					     .cmdline = argv[3]};
	const struct cxvm_console serial = {
		.size = sizeof(serial), .mode = CXVM_CONSOLE_FILE, .path = argv[4]};

	if (cxvm_create(&runner.vm, &options) || cxvm_set_payload(runner.vm, &payload) ||
	    cxvm_set_serial(runner.vm, &serial) || cxvm_set_option(runner.vm, "cpus", "2") ||
	    cxvm_set_option(runner.vm, "memory", "512M"))
		return 1;
	if (pthread_create(&thread, NULL, run, &runner))
		return 1;
	while (cxvm_get_state(runner.vm) != CXVM_STATE_STOPPED && pauses < PAUSES_MAX) {
		uint64_t before, after;

		wait_ms(200);
		if (cxvm_pause(runner.vm))
			continue; /* not running yet, or no longer */
		before = exits(runner.vm);
		wait_ms(50);
		after = exits(runner.vm);
		moved += before != after;
		pauses++;
		if (cxvm_resume(runner.vm)) {
			fprintf(stderr, "not resumed after pause %u\n", pauses);
			return 1;
		}
	}
	pthread_join(thread, NULL);
	printf("pause-linux: %u pauses, the guest moved in %u of them, end: %s\n", pauses, moved,
	       runner.error ? strerror(-runner.error) : runner.ended.message);
	cxvm_destroy(runner.vm);
	return runner.error || runner.ended.reason != CXVM_EXIT_POWEROFF || moved || pauses < 5;
}

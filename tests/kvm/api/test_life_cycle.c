/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/kvm/api/machine_run.h"

#define LIMIT .timeout = 60

static struct machine_run run, other;

static uint64_t exits_of(const struct machine_run *machine)
{
	struct cxvm_counters counters = {.size = sizeof(counters)};

	cr_assert_eq(cxvm_get_counters(machine->vm, &counters), 0);
	return counters.exits;
}

static void wait_for_exits(const struct machine_run *machine, uint64_t more)
{
	uint64_t start = exits_of(machine);

	while (exits_of(machine) < start + more)
		usleep(500); /* the test's time limit ends this */
}

static bool event_is_set(struct machine_run *machine)
{
	struct pollfd event = {.fd = cxvm_event_fd(machine->vm), .events = POLLIN};
	uint64_t value;

	if (poll(&event, 1, 0) != 1)
		return false;
	cr_assert_eq(read(event.fd, &value, sizeof(value)), (ssize_t)sizeof(value));
	return true;
}

Test(life_cycle, every_state_and_what_it_allows, LIMIT)
{
	const struct cxvm_memory memory = {.size = sizeof(memory)};
	struct cxvm_counters counters = {.size = sizeof(counters)};

	machine_run_require_kvm();
	machine_run_create(&run, "spin", NULL);
	cr_assert_not(event_is_set(&run));
	machine_run_start(&run);
	machine_run_wait_running(&run);

	cr_assert_eq(cxvm_get_state(run.vm), CXVM_STATE_RUNNING, "%s", run.log);
	cr_assert(event_is_set(&run), "the change to RUNNING");
	cr_assert_not(event_is_set(&run), "reading clears it");
	cr_assert_eq(cxvm_set_memory(run.vm, &memory), -EBUSY);
	cr_assert_eq(cxvm_set_option(run.vm, "disk", "/x"), -EBUSY);
	cr_assert_eq(cxvm_load_json(run.vm, "{}", 2), -EBUSY);
	cr_assert_eq(cxvm_run(run.vm, NULL), -EBUSY);
	cr_assert_eq(cxvm_resume(run.vm), -EINVAL);
	wait_for_exits(&run, 50);

	cr_assert_eq(cxvm_pause(run.vm), 0);
	cr_assert_eq(cxvm_get_state(run.vm), CXVM_STATE_PAUSED);
	cr_assert(event_is_set(&run), "the change to PAUSED");
	cr_assert_eq(cxvm_pause(run.vm), -EINVAL);
	cr_assert_eq(cxvm_set_memory(run.vm, &memory), -EBUSY);
	cr_assert_eq(cxvm_run(run.vm, NULL), -EBUSY);
	cr_assert_eq(cxvm_power_button(run.vm), 0);

	cr_assert_eq(cxvm_resume(run.vm), 0);
	cr_assert_eq(cxvm_get_state(run.vm), CXVM_STATE_RUNNING);
	cr_assert(event_is_set(&run), "the change back");
	wait_for_exits(&run, 50);

	cr_assert_eq(cxvm_stop(run.vm), 0);
	machine_run_join(&run);
	cr_assert_eq(run.result, 0);
	cr_assert_eq(run.exit.reason, CXVM_EXIT_STOPPED);
	cr_assert_eq(cxvm_get_state(run.vm), CXVM_STATE_STOPPED);
	cr_assert(event_is_set(&run), "the change to STOPPED");
	cr_assert_eq(cxvm_pause(run.vm), -EINVAL);
	cr_assert_eq(cxvm_resume(run.vm), -EINVAL);
	cr_assert_eq(cxvm_power_button(run.vm), -EINVAL);
	cr_assert_eq(cxvm_stop(run.vm), 0);
	cr_assert_eq(cxvm_run(run.vm, NULL), -EBUSY, "a machine runs once");
	cr_assert_eq(cxvm_set_memory(run.vm, &memory), -EBUSY);
	cr_assert_eq(cxvm_get_counters(run.vm, &counters), 0);
	cr_assert_geq(counters.exits, 100, "they stay readable");
	cr_assert_leq(counters.pio_exits + counters.mmio_exits, counters.exits);
	cr_assert_geq(counters.pio_exits, 100);
	cxvm_destroy(run.vm);
}

Test(life_cycle, stop_before_run, LIMIT)
{
	machine_run_require_kvm();
	machine_run_create(&run, "spin", NULL);
	cr_assert_eq(cxvm_stop(run.vm), 0);
	cr_assert_eq(cxvm_run(run.vm, &run.exit), 0, "%s", run.log);
	cr_assert_eq(run.exit.reason, CXVM_EXIT_STOPPED);
	cr_assert_eq(cxvm_get_state(run.vm), CXVM_STATE_STOPPED);
	cxvm_destroy(run.vm);
}

static void *stop_at_once(void *opaque)
{
	cxvm_stop(opaque);
	return NULL;
}

/* Wherever the start is, a stop ends it. */
Test(life_cycle, stop_during_the_start, LIMIT)
{
	machine_run_require_kvm();
	for (unsigned int i = 0; i < 12; i++) {
		pthread_t stopper;

		machine_run_create(&run, "spin", NULL);
		machine_run_start(&run);
		usleep(i * 3000);
		cr_assert_eq(pthread_create(&stopper, NULL, stop_at_once, run.vm), 0);
		machine_run_join(&run);
		pthread_join(stopper, NULL);
		cr_assert_eq(run.result, 0, "%s", run.log);
		cr_assert_eq(run.exit.reason, CXVM_EXIT_STOPPED);
		cxvm_destroy(run.vm);
	}
}

Test(life_cycle, two_machines_at_the_same_time, LIMIT)
{
	machine_run_require_kvm();
	machine_run_create(&run, "spin", NULL);
	machine_run_create(&other, "spin", NULL);
	machine_run_start(&run);
	machine_run_start(&other);
	machine_run_wait_running(&run);
	machine_run_wait_running(&other);
	wait_for_exits(&run, 50);
	wait_for_exits(&other, 50);
	/* One stands still, the other goes on. */
	cr_assert_eq(cxvm_pause(run.vm), 0);
	cr_assert_eq(cxvm_get_state(other.vm), CXVM_STATE_RUNNING);
	wait_for_exits(&other, 50);
	cr_assert_eq(cxvm_stop(run.vm), 0);
	machine_run_join(&run);
	wait_for_exits(&other, 50);
	cr_assert_eq(cxvm_stop(other.vm), 0);
	machine_run_join(&other);
	cr_assert_eq(other.exit.reason, CXVM_EXIT_STOPPED);
	cxvm_destroy(run.vm);
	cxvm_destroy(other.vm);
}

struct storm {
	struct cxvm *vm;
	bool pauses;
};

static void *storm(void *opaque)
{
	const struct storm *one = opaque;
	int result;

	for (unsigned int i = 0; i < 200; i++) {
		result = one->pauses ? cxvm_pause(one->vm) : cxvm_resume(one->vm);
		cr_assert(result == 0 || result == -EINVAL);
	}
	return NULL;
}

/* Pauses and resumes from several threads: no result but 0 and -EINVAL, and it still runs. */
Test(life_cycle, pause_and_resume_from_four_threads, LIMIT)
{
	pthread_t threads[4];
	struct storm storms[4];

	machine_run_require_kvm();
	machine_run_create(&run, "spin", NULL);
	machine_run_start(&run);
	machine_run_wait_running(&run);
	for (unsigned int i = 0; i < 4; i++) {
		storms[i] = (struct storm){run.vm, i & 1};
		cr_assert_eq(pthread_create(&threads[i], NULL, storm, &storms[i]), 0);
	}
	for (unsigned int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	cxvm_resume(run.vm);
	cr_assert_eq(cxvm_get_state(run.vm), CXVM_STATE_RUNNING);
	wait_for_exits(&run, 50);
	cxvm_stop(run.vm);
	machine_run_join(&run);
	cxvm_destroy(run.vm);
}

/* A start that fails leaves the machine in CREATED: it can be corrected and started. */
Test(life_cycle, a_failed_start_can_be_corrected, LIMIT)
{
	char option[512];

	machine_run_require_kvm();
	machine_run_create(&run, "end", "how=4");
	machine_run_set(&run, "payload", "kernel=/nonexistent");
	cr_assert_eq(cxvm_run(run.vm, &run.exit), -ENOENT);
	cr_assert_eq(cxvm_get_state(run.vm), CXVM_STATE_CREATED);
	cr_assert(strstr(run.log, "/nonexistent"), "%s", run.log);
	snprintf(option, sizeof(option), "kernel=%s/guest-end", GUEST_DIR);
	machine_run_set(&run, "payload", option);
	cr_assert_eq(cxvm_run(run.vm, &run.exit), 0, "%s", run.log);
	cr_assert_eq(run.exit.reason, CXVM_EXIT_POWEROFF);
	cxvm_destroy(run.vm);
}

Test(life_cycle, descriptions, LIMIT)
{
	static const char *const starts[] = {"Guest physical map", "{", "<svg"};
	char *text;

	machine_run_require_kvm();
	machine_run_create(&run, "spin", NULL);
	for (int format = CXVM_FORMAT_TEXT; format <= CXVM_FORMAT_SVG; format++) {
		cr_assert_eq(cxvm_describe(run.vm, (enum cxvm_format)format, &text), 0);
		cr_assert_eq(strncmp(text, starts[format], strlen(starts[format])), 0, "%s", text);
		free(text);
	}
	cr_assert_eq(cxvm_describe(run.vm, (enum cxvm_format)99, &text), -EINVAL);
	cr_assert_eq(cxvm_get_state(run.vm), CXVM_STATE_CREATED);
	machine_run_start(&run);
	machine_run_wait_running(&run);
	cr_assert_eq(cxvm_describe(run.vm, CXVM_FORMAT_TEXT, &text), 0);
	cr_assert(strstr(text, "64 MiB  RAM"), "%s", text);
	free(text);
	cxvm_stop(run.vm);
	machine_run_join(&run);
	cxvm_destroy(run.vm);
}

/* How many of the machine's own threads have a filter, and how many other ones of this process.
 * KVM may add a worker to a process, which inherits from the vCPU that needed it first. */
static void threads_with_filter(unsigned int *own, unsigned int *others)
{
	char command[160], name[32];
	FILE *lines;

	*own = *others = 0;
	snprintf(command, sizeof(command),
		 "awk '/^Name:/ { name = $2 } /^Seccomp:/ && $2 == 2 { print name }' "
		 "/proc/%d/task/*/status",
		 getpid());
	lines = popen(command, "r");
	cr_assert_not_null(lines);
	while (fscanf(lines, "%31s", name) == 1) {
		if (!strcmp(name, "vcpu0") || !strcmp(name, "vcpu1") || !strcmp(name, "cxvm-io") ||
		    !strcmp(name, "cxvm-machine"))
			++*own;
		else if (strncmp(name, "kvm", 3))
			++*others;
	}
	pclose(lines);
}

Test(seccomp, a_guest_runs_under_the_filters, LIMIT)
{
	unsigned int own, others;

	machine_run_require_kvm();
	machine_run_create(&run, "spin", NULL);
	machine_run_set(&run, "platform", "seccomp=on");
	machine_run_set(&run, "cpus", "2");
	machine_run_start(&run);
	machine_run_wait_running(&run);
	wait_for_exits(&run, 100);
	/* A thread arms its filter before it does anything else, but the guest runs already. The
	 * test's time limit ends this. */
	do
		threads_with_filter(&own, &others);
	while (own < 4);
	cr_assert_eq(own, 4, "two vCPUs, the devices' and the machine's thread, not %u", own);
	cr_assert_eq(others, 0, "the caller's threads have none");
	cxvm_stop(run.vm);
	machine_run_join(&run);
	cr_assert_eq(run.exit.reason, CXVM_EXIT_STOPPED);
	cxvm_destroy(run.vm);
}

Test(seccomp, off_is_off, LIMIT)
{
	unsigned int own, others;

	machine_run_require_kvm();
	machine_run_create(&run, "spin", NULL);
	machine_run_set(&run, "platform", "seccomp=off");
	machine_run_start(&run);
	machine_run_wait_running(&run);
	wait_for_exits(&run, 100);
	threads_with_filter(&own, &others);
	cr_assert_eq(own + others, 0);
	cxvm_stop(run.vm);
	machine_run_join(&run);
	cxvm_destroy(run.vm);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What the machine's own thread promises: it does not depend on that of the devices. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/kvm/harness.h"
#include "tests/sim/protocol/client.h"

#define LIMIT .timeout = 60

/* Whether the thread @entry of this process has this name. */
static bool thread_has_name(const char *entry, const char *wanted)
{
	char path[300], name[32] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%s/comm", entry);
	file = fopen(path, "r");
	if (!file)
		return false; /* it has ended */
	if (fscanf(file, "%31s", name) != 1)
		name[0] = '\0';
	fclose(file);
	return !strcmp(name, wanted);
}

static bool thread_exists(const char *wanted)
{
	DIR *tasks = opendir("/proc/self/task");
	const struct dirent *entry;
	bool found = false;

	cr_assert_not_null(tasks);
	while (!found && (entry = readdir(tasks)))
		found = entry->d_name[0] != '.' && thread_has_name(entry->d_name, wanted);
	closedir(tasks);
	return found;
}

/* sim_finish() of a server that was killed. */
static void bury(const struct sim_process *sim)
{
	int status;

	waitpid(sim->pid, &status, 0);
	unlink(sim->socket);
	unlink(sim->control);
	rmdir(sim->directory);
}

/* A server dies, and the program that embeds the library does not return from its log callback:
 * the thread of the devices is stuck in the middle of an event. */
static void hold_devices(struct guest *guest, struct sim_process *sim)
{
	const char *arguments[] = {"--topology", "A", "--dpa", "256M", NULL};
	char held[16];

	guest_require_kvm();
	sim_spawn(sim, arguments);
	guest->name = "spin";
	guest->devices[0] = sim->socket;
	guest->held_line = "the device is lost";
	guest_start(guest);
	while (cxvm_get_state(guest->vm) != CXVM_STATE_RUNNING)
		usleep(1000); /* the test's time limit ends this */
	cr_assert(thread_exists("vcpu0"));
	kill(sim->pid, SIGKILL);
	sem_wait(&guest->line_held);
	snprintf(held, sizeof(held), "%d", guest->held_thread);
	cr_assert(thread_has_name(held, "cxvm-io"));
}

Test(control, a_stop_is_served_while_the_devices_are_held_up, LIMIT)
{
	static struct guest guest;
	struct sim_process sim;

	hold_devices(&guest, &sim);
	cr_assert_eq(cxvm_stop(guest.vm), 0);
	while (thread_exists("vcpu0"))
		usleep(1000); /* the test's time limit ends this */
	cr_assert(thread_exists("cxvm-io"), "it is still held up");
	sem_post(&guest.line_released);
	guest_wait(&guest);
	cr_assert_eq(guest.result, 0, "%s", guest.log);
	cr_assert_eq(guest.exit.reason, CXVM_EXIT_STOPPED);
	bury(&sim);
}

Test(control, the_power_button_and_its_grace_work_while_the_devices_are_held_up, LIMIT)
{
	static struct guest guest = {.power_off_grace_ms = 50};
	struct sim_process sim;

	hold_devices(&guest, &sim);
	/* The guest does not listen, so the grace runs out. */
	cr_assert_eq(cxvm_power_button(guest.vm), 0);
	while (thread_exists("vcpu0"))
		usleep(1000); /* the test's time limit ends this */
	cr_assert(thread_exists("cxvm-io"), "it is still held up");
	sem_post(&guest.line_released);
	guest_wait(&guest);
	cr_assert_eq(guest.result, 0, "%s", guest.log);
	cr_assert_eq(guest.exit.reason, CXVM_EXIT_STOPPED);
	cr_assert(strstr(guest.exit.message, "within 50 ms"), "%s", guest.exit.message);
	bury(&sim);
}

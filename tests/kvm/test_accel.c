/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/kvm/harness.h"
#include "tests/sim/protocol/client.h"

#define LIMIT   .timeout = 120
#define PATTERN 0x0123456789abcdefull

static struct guest guest;

/* The guest programs decoders, uses device memory, runs jobs and takes interrupts; the host finds
 * what it wrote in the server's file. */
static void whole_way(const char *topology, const char *contract, bool committed)
{
	char path[] = "/tmp/cxvm-accel-XXXXXX";
	const char *arguments[] = {"--topology", topology, "--contract",
				   contract,     "--dpa",  "256M",
				   "--dpa-file", path,     committed ? NULL : "--uncommitted",
				   NULL};
	int fd = mkstemp(path);
	struct sim_process sim;
	uint64_t value = 0;

	guest_require_kvm();
	cr_assert_eq(ftruncate(fd, 256 << 20), 0);
	sim_spawn(&sim, arguments);
	guest = (struct guest){.name = "accel",
			       .cmdline = committed ? "committed=1" : NULL,
			       .devices = {sim.socket}};
	guest_must_pass(&guest);
	cr_expect_eq(pread(fd, &value, sizeof(value), 0), sizeof(value));
	cr_expect_eq(value, PATTERN);
	cr_expect_eq(pread(fd, &value, sizeof(value), 0x1ffff8), sizeof(value));
	cr_expect_eq(value, ~PATTERN);
	cr_expect_eq(pread(fd, &value, sizeof(value), 0x3ff8), sizeof(value));
	cr_expect_eq(value, 0xcafe0002cafe0002u);
	cr_expect_gt(guest.counters.component_register_accesses, 10u);
	cr_expect_str_empty(guest.log);
	sim_finish(&sim);
	close(fd);
	unlink(path);
}

static void every_contract(const char *topology)
{
	static const char *const contracts[] = {"v2", "v3", "regions"};

	for (unsigned int i = 0; i < 3; i++) {
		whole_way(topology, contracts[i], true);
		whole_way(topology, contracts[i], false);
	}
}

Test(accel, topology_a, LIMIT)
{
	every_contract("A");
}

Test(accel, topology_b, LIMIT)
{
	every_contract("B");
}

Test(accel, topology_c, LIMIT)
{
	every_contract("C");
}

Test(accel, topology_d, LIMIT)
{
	every_contract("D");
}

static struct cxvm_counters count(const char *socket, const char *cmdline)
{
	guest = (struct guest){
		.name = "accel_count", .cmdline = cmdline, .seconds = 100, .devices = {socket}};
	guest_must_pass(&guest);
	return guest.counters;
}

Test(accel, accesses_that_exit_and_accesses_that_do_not, .timeout = 400)
{
	struct cxvm_counters none, window, dpa, component;
	struct sim_process sim;

	guest_require_kvm();
	sim_spawn(&sim, (const char *[]){"--topology", "C", NULL});
	none = count(sim.socket, "window=0");
	window = count(sim.socket, "window=1000000");
	dpa = count(sim.socket, "dpa=1000000");
	component = count(sim.socket, "component=1000");
	cr_expect_eq(window.mmio_exits, none.mmio_exits,
		     "1,000,000 accesses to a window: %ld exits",
		     (long)(window.mmio_exits - none.mmio_exits));
	cr_expect_eq(dpa.mmio_exits, none.mmio_exits, "1,000,000 accesses to DPA: %ld exits",
		     (long)(dpa.mmio_exits - none.mmio_exits));
	cr_expect_eq(component.mmio_exits, none.mmio_exits + 1000, "one exit each: %ld",
		     (long)(component.mmio_exits - none.mmio_exits));
	cr_expect_eq(component.component_register_accesses,
		     none.component_register_accesses + 1000);
	/* KVM_RUN comes back for what the host does too, but nowhere near once for each access. */
	cr_expect_lt(window.exits, none.exits + 10000);
	cr_expect_lt(dpa.exits, none.exits + 10000);
	sim_finish(&sim);
}

static void two(struct sim_process sims[2], const char *cmdline)
{
	guest_require_kvm();
	for (int i = 0; i < 2; i++)
		sim_spawn(&sims[i], (const char *[]){"--uncommitted", "--decoders", "4", NULL});
	guest = (struct guest){.name = "accel_faults",
			       .cmdline = cmdline,
			       .seconds = 90,
			       .devices = {sims[0].socket, sims[1].socket}};
}

Test(accel_faults, guest_hammers_component_registers_and_configuration, LIMIT)
{
	struct sim_process sims[2];

	two(sims, "hammer=1");
	guest_must_pass(&guest);
	for (int i = 0; i < 2; i++)
		cr_expect_eq(sim_finish(&sims[i]), 0);
}

Test(accel_faults, resets_during_use, LIMIT)
{
	struct sim_process sims[2];

	two(sims, "resets=1");
	guest_must_pass(&guest);
	cr_expect_geq(sim_stat(&sims[0], "resets"), 10);
	cr_expect_eq(sim_stat(&sims[1], "resets"), 0);
	for (int i = 0; i < 2; i++)
		cr_expect_eq(sim_finish(&sims[i]), 0);
}

static unsigned int lines_with(const char *text, const char *word)
{
	unsigned int lines = 0;

	for (; text && (text = strstr(text, word)); text = strchr(text, '\n'))
		lines++;
	return lines;
}

static void wait_until_ready(const struct guest *started)
{
	char text[256];
	size_t length;
	FILE *file;

	do {
		usleep(1000); /* the test's time limit ends this */
		file = fopen(started->serial_path, "r");
		cr_assert_not_null(file, "ended early: %s", started->exit.message);
		length = fread(text, 1, sizeof(text) - 1, file);
		fclose(file);
	} while (!memmem(text, length, "ready\n", 6));
}

/* @control: what the first server is told, NULL: it is killed. */
static void lose_first(const char *control, const char *cmdline)
{
	struct sim_process sims[2];
	int status;

	two(sims, cmdline);
	guest_start(&guest);
	wait_until_ready(&guest);
	if (control)
		json_decref(sim_control(&sims[0], control));
	else
		kill(sims[0].pid, SIGKILL);
	guest_wait(&guest);
	cr_assert_eq(guest.result, 0, "%s", guest.log);
	cr_expect(guest.exit.reason == CXVM_EXIT_DEBUG && guest.exit.code == GUEST_PASS,
		  "%s: reason %d, code 0x%x; it printed:\n%s\nlog:\n%s",
		  control ? control : "killed", guest.exit.reason, guest.exit.code, guest.serial,
		  guest.log);
	cr_expect_eq(lines_with(guest.log, "lost"), 1u, "%s: said %u times:\n%s",
		     control ? control : "killed", lines_with(guest.log, "lost"), guest.log);
	if (!control) {
		waitpid(sims[0].pid, &status, 0);
		unlink(sims[0].socket);
		unlink(sims[0].control);
		rmdir(sims[0].directory);
	} else {
		kill(sims[0].pid, SIGCONT);
		sim_finish(&sims[0]);
	}
	sim_finish(&sims[1]);
}

Test(accel_faults, killed_server, LIMIT)
{
	lose_first(NULL, "lost=1");
}

Test(accel_faults, dropped_connection, LIMIT)
{
	lose_first("{\"command\":\"drop\"}", "lost=1");
}

Test(accel_faults, stalled_server, LIMIT)
{
	lose_first("{\"command\":\"stall\"}", "lost=1 flr=1");
}

/* Surprise link down: the guest's windows and configuration space read all-ones. */
Test(accel_faults, link_down, LIMIT)
{
	lose_first("{\"command\":\"link\",\"state\":\"down\"}", "lost=1");
}

Test(accel_faults, server_that_wants_its_device_back, LIMIT)
{
	lose_first("{\"command\":\"interrupt\",\"index\":\"request\",\"vector\":0}", "lost=1");
}

static void interrupt(struct sim_process *sim, unsigned int vector, unsigned int count)
{
	char control[128];

	snprintf(control, sizeof(control),
		 "{\"command\":\"interrupt\",\"index\":\"msix\",\"vector\":%u,\"count\":%u}",
		 vector, count);
	json_decref(sim_control(sim, control));
}

Test(accel_faults, spurious_and_lost_interrupts, LIMIT)
{
	struct sim_process sims[2];

	two(sims, "interrupts=1");
	guest_start(&guest);
	wait_until_ready(&guest);
	interrupt(&sims[0], 9, 1000);
	interrupt(&sims[0], 3, 3);
	json_decref(sim_control(&sims[0], "{\"command\":\"lose-interrupts\",\"count\":2}"));
	interrupt(&sims[1], 3, 1); /* on with it */
	guest_wait(&guest);
	cr_assert_eq(guest.result, 0, "%s", guest.log);
	cr_expect(guest.exit.reason == CXVM_EXIT_DEBUG && guest.exit.code == GUEST_PASS,
		  "reason %d, code 0x%x; it printed:\n%s", guest.exit.reason, guest.exit.code,
		  guest.serial);
	cr_expect_str_empty(guest.log);
	for (int i = 0; i < 2; i++)
		cr_expect_eq(sim_finish(&sims[i]), 0);
}

/* A lie in the middle of a run, at each of the messages that a running guest causes. */
Test(accel_faults, lying_server, .timeout = 300)
{
	static const char *const kinds[] = {"no-reply", "wrong-id",  "wrong-command", "huge-size",
					    "garbage",  "truncated", "not-a-reply"};
	char control[128];

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		snprintf(control, sizeof(control),
			 "{\"command\":\"fault\",\"kind\":\"%s\",\"on\":\"reset\",\"times\":0}",
			 kinds[i]);
		lose_first(control, "lost=1 flr=1");
	}
}

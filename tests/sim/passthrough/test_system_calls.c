/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

#include "sim_machine.h"
#include "system_calls.h"
#include "tests/sim/protocol/client.h"

struct run {
	struct sim_process *sims;
	unsigned int devices;
	bool committed;
	int result;
};

static uint64_t component_base;

static void find_component(void *opaque, const struct passthrough_segment *segment)
{
	(void)opaque;
	if (segment->kind == PASSTHROUGH_SEGMENT_COMPONENT)
		component_base = segment->gpa;
}

static uint64_t hdm_base(struct sim_machine *machine)
{
	for (uint32_t i = 1; i < 8; i++) {
		uint32_t entry =
			(uint32_t)sim_machine_read(machine, component_base + 0x1000 + 4 * i, 4);

		if ((entry & 0xffff) == 5)
			return component_base + 0x1000 + (entry >> 20);
	}
	return 0;
}

/* Marks: 0 before each attach, 1 after it, ... */
static void attach_all(void *opaque)
{
	struct run *run = opaque;
	struct passthrough_device *devices[8];
	struct sim_machine machine;

	sim_machine_up(&machine);
	/* As in a machine: it is there, and runs later. */
	cr_assert_eq(event_loop_create(&machine.loop), 0);
	for (unsigned int i = 0; i < run->devices; i++) {
		system_calls_mark();
		if (sim_machine_connect(&machine, run->sims[i].socket, i, &devices[i]) ||
		    sim_machine_plug(&machine, devices[i], i))
			_exit(1);
	}
	system_calls_mark();
	_exit(0);
}

static unsigned int spawn(struct sim_process *sims, unsigned int count, const char *dpa,
			  const char *last)
{
	const char *arguments[] = {"--topology", "C", "--dpa", dpa, last, NULL};

	for (unsigned int i = 0; i < count; i++)
		sim_spawn(&sims[i], arguments);
	return count;
}

/* The least that each device cost in several runs: replies to calls that were sent together come in
 * one read or in several, depending on how quick the server was. */
Test(system_calls, attach_of_one_and_of_the_eighth, .timeout = 60)
{
	unsigned int least[8];

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
	cr_skip("sanitizers make system calls of their own");
#endif
	memset(least, 0xff, sizeof(least));
	for (int round = 0; round < 5; round++) {
		unsigned int counts[SYSTEM_CALLS_MARKS];
		struct sim_process sims[8];
		struct run run = {.sims = sims, .devices = spawn(sims, 8, LARGE_DPA, NULL)};
		int status = system_calls_run(attach_all, &run, counts);

		if (status == -1 || status == 125)
			cr_skip("ptrace is not allowed here");
		cr_assert_eq(status, 0);
		for (unsigned int i = 0; i < 8; i++) {
			if (counts[i] < least[i])
				least[i] = counts[i];
			sim_finish(&sims[i]);
		}
	}
	/* Two DMA maps (RAM and DPA) of two calls each are not counted by the budget of 60. */
	for (unsigned int i = 0; i < 8; i++)
		cr_expect_leq(least[i], 60u + 4, "device %u: %u system calls", i, least[i]);
	cr_expect_leq(least[7], least[1], "the 8th costs %u, the 2nd %u", least[7], least[1]);
}

/* A device whose component registers are in place; returns where its HDM decoders are. */
static uint64_t attach_one(struct run *run, struct sim_machine *machine,
			   struct passthrough_device **device)
{
	if (sim_machine_connect(machine, run->sims[0].socket, 0, device) ||
	    sim_machine_plug(machine, *device, 0))
		_exit(1);
	sim_machine_place(machine, 0, *device);
	passthrough_visit_segments(*device, find_component, NULL);
	return hdm_base(machine);
}

static void prepare_commit(struct sim_machine *machine, uint64_t hdm,
			   struct passthrough_device *device)
{
	uint64_t base = sim_machine_window(0), size = passthrough_get_facts(device)->dpa_size;

	sim_machine_write(machine, hdm + 4, 2, 4);
	sim_machine_write(machine, hdm + 0x10, (uint32_t)base, 4);
	sim_machine_write(machine, hdm + 0x14, base >> 32, 4);
	sim_machine_write(machine, hdm + 0x18, (uint32_t)size, 4);
	sim_machine_write(machine, hdm + 0x1c, size >> 32, 4);
}

static bool committed(struct sim_machine *machine, uint64_t hdm)
{
	return (sim_machine_read(machine, hdm + 0x20, 4) & 0xc00) == 0x400;
}

static void commit(void *opaque)
{
	struct run *run = opaque;
	struct passthrough_device *device;
	struct sim_machine machine;
	uint64_t hdm;

	sim_machine_up(&machine);
	hdm = attach_one(run, &machine, &device);
	system_calls_mark(); /* 0: component registers */
	for (int i = 0; i < 1000; i++)
		sim_machine_read(&machine, component_base + 0x1000, 4);
	prepare_commit(&machine, hdm, device);
	system_calls_mark(); /* 1: commit */
	sim_machine_write(&machine, hdm + 0x20, 0x200, 4);
	system_calls_mark();
	_exit(committed(&machine, hdm) ? 0 : 2);
}

Test(system_calls, component_registers_and_commit, .timeout = 60)
{
	static const char *const sizes[] = {"256M", LARGE_DPA};

	for (int i = 0; i < 2; i++) {
		unsigned int counts[SYSTEM_CALLS_MARKS];
		struct sim_process sim;
		struct run run = {.sims = &sim,
				  .devices = spawn(&sim, 1, sizes[i], "--uncommitted")};
		int status = system_calls_run(commit, &run, counts);

		if (status == -1 || status == 125)
			cr_skip("ptrace is not allowed here");
		cr_assert_eq(status, 0, "%s: %d", sizes[i], status);
		cr_expect_eq(counts[0], 0u, "component registers cost %u system calls", counts[0]);
		/* The memory slot is the third one, which needs a VM. */
		cr_expect_eq(counts[1], 2u, "%s: commit costs %u", sizes[i], counts[1]);
		sim_finish(&sim);
	}
}

/* As in a machine: the event loop is woken by the reply as well, and must leave it to the caller.
 */
static void commit_beside_a_loop(void *opaque)
{
	struct run *run = opaque;
	struct passthrough_device *device;
	struct sim_machine machine;
	uint64_t hdm;

	sim_machine_up(&machine);
	sim_machine_run_loop(&machine);
	hdm = attach_one(run, &machine, &device);
	prepare_commit(&machine, hdm, device);
	for (int i = 0; i < SYSTEM_CALLS_MARKS / 2; i++) {
		sim_machine_settle_loop(&machine);
		system_calls_mark();
		sim_machine_write(&machine, hdm + 0x20, 0x200, 4);
		system_calls_mark();
		if (!committed(&machine, hdm))
			_exit(2);
		sim_machine_write(&machine, hdm + 0x20, 0, 4);
	}
	_exit(0);
}

Test(system_calls, commit_beside_an_event_loop, .timeout = 60)
{
	unsigned int counts[SYSTEM_CALLS_MARKS];
	struct sim_process sim;
	struct run run = {.sims = &sim, .devices = spawn(&sim, 1, LARGE_DPA, "--uncommitted")};
	int status = system_calls_run(commit_beside_a_loop, &run, counts);

	if (status == -1 || status == 125)
		cr_skip("ptrace is not allowed here");
	cr_assert_eq(status, 0, "%d", status);
	for (int i = 0; i < SYSTEM_CALLS_MARKS; i += 2)
		cr_expect_eq(counts[i], 2u, "commit %d costs %u", i / 2, counts[i]);
	sim_finish(&sim);
}

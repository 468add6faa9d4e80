/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "sim_machine.h"
#include "tests/sim/protocol/client.h"

struct seen {
	uint64_t component; /* where the block is mapped */
	uint64_t direct;    /* bytes */
	uint64_t dpa;
	unsigned int dpa_count;
};

static void on_segment(void *opaque, const struct passthrough_segment *segment)
{
	struct seen *seen = opaque;

	if (segment->kind == PASSTHROUGH_SEGMENT_COMPONENT && segment->mapped)
		seen->component = segment->gpa;
	if (segment->kind == PASSTHROUGH_SEGMENT_DIRECT && segment->mapped)
		seen->direct += segment->size;
	if (segment->kind == PASSTHROUGH_SEGMENT_DPA) {
		seen->dpa += segment->size;
		seen->dpa_count++;
	}
}

static struct seen look(struct passthrough_device *device)
{
	struct seen seen = {0};

	passthrough_visit_segments(device, on_segment, &seen);
	return seen;
}

static void try_one(const char *topology, const char *contract, bool committed, const char *class)
{
	const char *arguments[] = {"--topology", topology,  "--contract",
				   contract,     "--class", class,
				   "--dpa",      "1G",      committed ? NULL : "--uncommitted",
				   NULL};
	struct passthrough_device *device = NULL;
	const struct passthrough_facts *facts;
	struct sim_machine machine;
	struct sim_process sim;
	struct seen seen;

	sim_spawn(&sim, arguments);
	sim_machine_up(&machine);
	cr_assert_eq(sim_machine_connect(&machine, sim.socket, 0, &device), 0, "%s %s", topology,
		     contract);
	facts = passthrough_get_facts(device);
	cr_expect(facts->cxl);
	cr_expect_eq(facts->firmware_committed, committed);
	cr_expect_eq(facts->dpa_size, 0x40000000u);
	cr_assert_eq(sim_machine_plug(&machine, device, 0), 0);
	sim_machine_place(&machine, 0, device);
	seen = look(device);
	cr_expect_neq(seen.component, 0u);
	cr_expect_eq(seen.dpa_count, committed);
	cr_expect_eq(sim_machine_read(&machine, seen.component + 0x1000, 4) & 0xffff, 1u);
	cr_expect_eq(machine.errors, 0u, "%s %s", topology, contract);
	cr_expect_eq(machine.warnings, 0u, "%s %s", topology, contract);
	passthrough_detach(device);
	sim_machine_down(&machine);
	sim_finish(&sim);
}

Test(layouts, topologies_contracts_classes, .timeout = 120)
{
	static const char *const topologies[] = {"A", "B", "C", "D"};
	static const char *const contracts[] = {"v2", "v3", "regions"};

	for (int t = 0; t < 4; t++) {
		for (int c = 0; c < 3; c++) {
			try_one(topologies[t], contracts[c], true, "gpu");
			try_one(topologies[t], contracts[c], false, "gpu");
			try_one(topologies[t], contracts[c], false, "memory");
		}
	}
}

Test(layouts, plain_pci_when_the_contract_is_silent)
{
	const char *arguments[] = {"--contract", "none", NULL};
	struct passthrough_device *device = NULL;
	struct sim_machine machine;
	struct sim_process sim;

	sim_spawn(&sim, arguments);
	sim_machine_up(&machine);
	cr_assert_eq(sim_machine_connect(&machine, sim.socket, 0, &device), 0);
	cr_expect_not(passthrough_get_facts(device)->cxl);
	cr_assert_eq(sim_machine_plug(&machine, device, 0), 0);
	sim_machine_place(&machine, 0, device);
	passthrough_detach(device);
	sim_machine_down(&machine);
	sim_finish(&sim);
}

static uint32_t component_read(struct sim_machine *machine, uint64_t hdm, uint32_t offset)
{
	return (uint32_t)sim_machine_read(machine, hdm + offset, 4);
}

static uint64_t find_hdm(struct sim_machine *machine, uint64_t component)
{
	for (uint32_t i = 1; i < 8; i++) {
		uint32_t entry = component_read(machine, component, 0x1000 + 4 * i);

		if ((entry & 0xffff) == 5)
			return component + 0x1000 + (entry >> 20);
	}
	return 0;
}

static void commit_decoder(struct sim_machine *machine, uint64_t hdm, unsigned int decoder,
			   uint64_t base, uint64_t size)
{
	uint64_t at = hdm + 0x10 + 0x20 * decoder;

	sim_machine_write(machine, at, (uint32_t)base, 4);
	sim_machine_write(machine, at + 4, base >> 32, 4);
	sim_machine_write(machine, at + 8, (uint32_t)size, 4);
	sim_machine_write(machine, at + 12, size >> 32, 4);
	sim_machine_write(machine, at + 16, 0x200, 4);
	cr_expect_eq(component_read(machine, at, 16) & 0xc00, 0x400u, "decoder %u", decoder);
}

/* A device memory that ends inside a granule; all decoders together cover it and nothing else. */
static void odd_size(const char *decoders, unsigned int count)
{
	const char *arguments[] = {"--dpa", ODD_DPA, "--decoders", decoders, "--uncommitted", NULL};
	uint64_t base = sim_machine_window(0), size;
	struct passthrough_device *device = NULL;
	struct sim_machine machine;
	struct sim_process sim;
	struct seen seen;
	uint64_t hdm;

	sim_spawn(&sim, arguments);
	sim_machine_up(&machine);
	cr_assert_eq(sim_machine_connect(&machine, sim.socket, 0, &device), 0);
	cr_assert_eq(sim_machine_plug(&machine, device, 0), 0);
	sim_machine_place(&machine, 0, device);
	size = passthrough_get_facts(device)->window_size;
	cr_expect_eq(size, ODD_DPA_OFFERED);
	cr_expect_eq(passthrough_get_facts(device)->decoders, count);
	hdm = find_hdm(&machine, look(device).component);
	cr_expect_eq(component_read(&machine, hdm, 0) & 0xf, count / 2, "count code");
	sim_machine_write(&machine, hdm + 4, 2, 4);
	for (unsigned int i = 0; i < count; i++) {
		uint64_t start = i * 0x10000000ull;

		commit_decoder(&machine, hdm, i, base + start,
			       i + 1 < count ? 0x10000000 : size - start);
	}
	seen = look(device);
	cr_expect_eq(seen.dpa_count, count);
	cr_expect_eq(seen.dpa, ODD_DPA_OFFERED);
	for (unsigned int i = count; i-- > 0;)
		sim_machine_write(&machine, hdm + 0x20 + 0x20 * i, 0, 4);
	cr_expect_eq(look(device).dpa_count, 0u);
	cr_expect_eq(machine.errors + machine.warnings, 0u);
	passthrough_detach(device);
	sim_machine_down(&machine);
	sim_finish(&sim);
}

Test(layouts, odd_size_and_every_count_of_decoders, .timeout = 60)
{
	odd_size("1", 1);
	odd_size("2", 2);
	odd_size("4", 4);
	odd_size("6", 6);
	odd_size("8", 8);
	odd_size("10", 10);
}

/* A layout that is wrong is refused, or the wrong part is trapped; nothing else ever happens. */
Test(layouts, broken_ones_are_refused, .timeout = 120)
{
	static const struct {
		const char *name;
		bool refused;
	} cases[] = {
		{"zero-area", false},    {"wrapped-area", true}, {"overlap", false},
		{"unaligned", false},    {"past-end", false},    {"many-areas", true},
		{"cap-loop", true},      {"cap-outside", true},  {"cap-size", true},
		{"cap-index", true},     {"cap-twice", true},    {"region-count", true},
		{"memory-size", true},   {"no-fd", true},        {"short-fd", true},
		{"block-outside", true}, {"hdm-count", true},    {"region-offset", true},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char topology[32];
		const char *arguments[] = {"--topology", topology, NULL};
		struct passthrough_device *device = NULL;
		struct sim_machine machine;
		struct sim_process sim;
		int result;

		snprintf(topology, sizeof(topology), "broken-%s", cases[i].name);
		sim_spawn(&sim, arguments);
		sim_machine_up(&machine);
		result = sim_machine_connect(&machine, sim.socket, 0, &device);
		cr_expect_eq(result != 0, cases[i].refused, "%s: %d", cases[i].name, result);
		if (!result) {
			cr_expect_gt(machine.warnings, 0u, "%s: silently taken", cases[i].name);
			cr_expect_eq(sim_machine_plug(&machine, device, 0), 0);
			sim_machine_place(&machine, 0, device);
			passthrough_detach(device);
		} else {
			cr_expect_geq(machine.errors, 1u, "%s: refused without a word",
				      cases[i].name);
		}
		sim_machine_down(&machine);
		sim_finish(&sim);
	}
}

static void find_dpa(void *opaque, const struct guest_window *window)
{
	if (window->kind == GUEST_WINDOW_DPA)
		*(uint8_t **)opaque = window->host;
}

/* What the guest would write to its CXL memory arrives in the file behind the device. */
Test(layouts, dpa_is_the_devices_memory)
{
	char path[] = "/tmp/cxvm-dpa-XXXXXX", option[64];
	const char *arguments[] = {"--dpa", "256M", "--dpa-file", option, NULL};
	struct passthrough_device *device = NULL;
	struct sim_machine machine;
	struct sim_process sim;
	uint8_t *host = NULL;
	uint64_t value = 0;
	int fd = mkstemp(path);

	snprintf(option, sizeof(option), "%s,offset=4096", path);
	cr_assert_eq(ftruncate(fd, 0x10001000), 0);
	sim_spawn(&sim, arguments);
	sim_machine_up(&machine);
	cr_assert_eq(sim_machine_connect(&machine, sim.socket, 0, &device), 0);
	cr_assert_eq(sim_machine_plug(&machine, device, 0), 0);
	guest_memory_visit_windows(machine.machine.memory, find_dpa, &host);
	cr_assert_not_null(host);
	memcpy(host + 0xffffff8, "\1\2\3\4\5\6\7\10", 8);
	cr_assert_eq(pread(fd, &value, 8, 0x10000ff8), 8);
	cr_expect_eq(value, 0x0807060504030201u);
	passthrough_detach(device);
	sim_machine_down(&machine);
	sim_finish(&sim);
	unlink(path);
	close(fd);
}

Test(layouts, eight_accelerators, .timeout = 60)
{
	struct passthrough_device *devices[8] = {NULL};
	struct sim_machine machine;
	struct sim_process sims[8];
	const char *arguments[] = {"--dpa", LARGE_DPA, "--decoders", "10", NULL};

	sim_machine_up(&machine);
	for (unsigned int i = 0; i < 8; i++) {
		struct seen seen;

		sim_spawn(&sims[i], arguments);
		cr_assert_eq(sim_machine_connect(&machine, sims[i].socket, i, &devices[i]), 0);
		cr_assert_eq(sim_machine_plug(&machine, devices[i], i), 0);
		sim_machine_place(&machine, i, devices[i]);
		seen = look(devices[i]);
		cr_expect_eq(seen.dpa, LARGE_DPA_SIZE);
		cr_expect_gt(seen.direct, 0u);
	}
	/* One dies; the others do not notice. */
	sim_finish(&sims[3]);
	for (unsigned int i = 0; i < 8; i++) {
		sim_machine_config_write(&machine, i, PCI_COMMAND, 0, 2);
		cr_expect_eq(sim_machine_config_read(&machine, i, 0, 2) == 0xffff, i == 3);
		cr_expect_eq(passthrough_is_lost(devices[i]), i == 3);
	}
	for (unsigned int i = 0; i < 8; i++)
		passthrough_serve(devices[i]);
	cr_expect_eq(machine.lost, 1u);
	cr_expect_eq(machine.errors, 1u);
	for (unsigned int i = 0; i < 8; i++) {
		passthrough_detach(devices[i]);
		if (i != 3)
			sim_finish(&sims[i]);
	}
	sim_machine_down(&machine);
}

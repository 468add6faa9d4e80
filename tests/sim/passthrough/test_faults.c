/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "sim_machine.h"
#include "tests/sim/protocol/client.h"
#include "tests/unit/devices/pci/capabilities.h"

static const char *const kinds[] = {
	"drop",        "stall",      "no-reply",    "error",     "wrong-id",      "wrong-command",
	"wrong-size",  "small-size", "huge-size",   "truncated", "short-payload", "garbage",
	"not-a-reply", "twice",      "unsolicited", "extra-fds", "count",
};

static unsigned int open_fds(void)
{
	DIR *directory = opendir("/proc/self/fd");
	unsigned int count = 0;

	while (readdir(directory))
		count++;
	closedir(directory);
	return count;
}

static void arm(struct sim_process *sim, const char *kind, const char *on, unsigned int skip)
{
	char text[256];
	json_t *answer;

	snprintf(text, sizeof(text),
		 "{\"command\":\"fault\",\"kind\":\"%s\",\"on\":\"%s\",\"skip\":%u,\"value\":%u}",
		 kind, on, skip, kind[0] == 's' && kind[1] == 't' ? 60000u : 5u);
	answer = sim_control(sim, text);
	cr_assert_str_eq(json_string_value(json_object_get(answer, "result")), "ok", "%s", text);
	json_decref(answer);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* What makes the client send every command that has a reply. */
static void use(struct sim_machine *machine, struct passthrough_device *device)
{
	const struct pci_device *pci = passthrough_pci_device(device);
	uint32_t msix = pci_find_capability(pci->config, PCI_CAP_ID_MSIX);

	sim_machine_place(machine, 0, device);
	if (msix) /* none: the server's lie was about its interrupts */
		sim_machine_config_write(machine, 0, msix + 2, PCI_MSIX_FLAGS_ENABLE, 2);
	sim_machine_config_write(machine, 0, 0x48 + 8, 0, 2);
	pci_root_reset(machine->machine.root);
}

/* One lie at one message, while the device is attached and used. */
static void lie_once(const char *kind, const char *on, unsigned int skip)
{
	const char *arguments[] = {"--topology", "C", NULL};
	struct passthrough_device *device = NULL;
	struct sim_machine machine;
	struct sim_process sim;
	unsigned int before;
	uint64_t start;
	int result;

	sim_spawn(&sim, arguments);
	arm(&sim, kind, on, skip);
	sim_machine_up(&machine);
	machine.timeout_ms = 500;
	before = open_fds();
	start = now_ms();
	result = sim_machine_connect(&machine, sim.socket, 0, &device);
	if (!result) {
		result = sim_machine_plug(&machine, device, 0);
		if (!result)
			use(&machine, device);
		passthrough_serve(device);
		cr_expect_leq(machine.lost, 1u);
		passthrough_detach(device);
	}
	cr_expect_lt(now_ms() - start, 4000u, "%s at %s: too slow", kind, on);
	cr_expect_eq(open_fds(), before, "%s at %s: leaks fds", kind, on);
	if (skip == 0)
		cr_expect_eq(sim_stat(&sim, "faults_applied"), 1, "%s at %s: never told", kind, on);
	sim_machine_down(&machine);
	sim_finish(&sim);
}

#define LIES_AT(name, on)                                                                          \
	Test(faults, name, .timeout = 120)                                                         \
	{                                                                                          \
		for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)                      \
			for (unsigned int skip = 0; skip < 3; skip += 2)                           \
				lie_once(kinds[i], on, skip);                                      \
	}

LIES_AT(version, "version")
LIES_AT(device_info, "get-info")
LIES_AT(region_info, "get-region-info")
LIES_AT(irq_info, "get-irq-info")
LIES_AT(region_read, "region-read")
LIES_AT(dma_map, "dma-map")
LIES_AT(dma_unmap, "dma-unmap")
LIES_AT(set_irqs, "set-irqs")
LIES_AT(reset, "reset")

Test(faults, a_stalled_server_is_lost_in_time_and_another_goes_on, .timeout = 30)
{
	struct passthrough_device *devices[2] = {NULL};
	struct sim_machine machine;
	struct sim_process sims[2];
	uint64_t start;

	sim_machine_up(&machine);
	machine.timeout_ms = 1500;
	for (unsigned int i = 0; i < 2; i++) {
		sim_spawn(&sims[i], NULL);
		cr_assert_eq(sim_machine_connect(&machine, sims[i].socket, i, &devices[i]), 0);
		cr_assert_eq(sim_machine_plug(&machine, devices[i], i), 0);
		sim_machine_place(&machine, i, devices[i]);
	}
	json_decref(sim_control(&sims[0], "{\"command\":\"stall\"}"));
	start = now_ms();
	pci_root_lock(machine.machine.root);
	pci_device_reset(passthrough_pci_device(devices[0]), PCI_RESET_FUNCTION);
	pci_device_reset(passthrough_pci_device(devices[1]), PCI_RESET_FUNCTION);
	pci_root_unlock(machine.machine.root);
	cr_expect_lt(now_ms() - start, 5000u);
	cr_expect(passthrough_is_lost(devices[0]));
	cr_expect_not(passthrough_is_lost(devices[1]));
	cr_expect_eq(machine.errors, 1u, "told once");
	sim_machine_place(&machine, 0, devices[0]);
	sim_machine_place(&machine, 1, devices[1]);
	cr_expect_eq(sim_machine_config_read(&machine, 0, 0, 4), 0xffffffffu);
	cr_expect_eq(sim_machine_config_read(&machine, 1, 0, 2), 0xcc58u);
	cr_expect_eq(sim_stat(&sims[1], "resets"), 1);
	for (unsigned int i = 0; i < 2; i++) {
		passthrough_detach(devices[i]);
		sim_finish(&sims[i]);
	}
	sim_machine_down(&machine);
}

Test(faults, guest_hammers_every_register_at_every_width, .timeout = 60)
{
	const char *arguments[] = {"--topology", "D", "--dpa",         "1G",
				   "--decoders", "4", "--uncommitted", NULL};
	struct passthrough_device *device = NULL;
	const struct pci_device *pci;
	struct sim_machine machine;
	struct sim_process sim;
	uint64_t base = 0;
	uint32_t pattern = 1;

	sim_spawn(&sim, arguments);
	sim_machine_up(&machine);
	cr_assert_eq(sim_machine_connect(&machine, sim.socket, 0, &device), 0);
	cr_assert_eq(sim_machine_plug(&machine, device, 0), 0);
	sim_machine_place(&machine, 0, device);
	pci = passthrough_pci_device(device);
	for (unsigned int bar = 0; bar < PCI_BAR_COUNT; bar++)
		if (pci->bars[bar].mapped && pci->bars[bar].kind == PCI_BAR_MEMORY_64)
			base = pci->bars[bar].address;
	cr_assert_neq(base, 0u);
	for (uint32_t offset = 0; offset < 0x2000; offset++) {
		for (unsigned int size = 1; size <= 8; size++) {
			pattern = pattern * 1664525 + 1013904223;
			sim_machine_write(&machine, base + offset,
					  (uint64_t)pattern << 32 | ~pattern, size);
			sim_machine_read(&machine, base + offset, size);
		}
	}
	/* Configuration space, command register excepted: the BARs should stay. */
	for (uint32_t offset = 0x40; offset < 4096; offset++) {
		for (unsigned int size = 1; size <= 4; size *= 2) {
			if (offset % size)
				continue;
			pattern = pattern * 1664525 + 1013904223;
			sim_machine_config_write(&machine, 0, offset, pattern, size);
			sim_machine_config_read(&machine, 0, offset, size);
		}
	}
	cr_expect_not(passthrough_is_lost(device));
	passthrough_detach(device);
	sim_machine_down(&machine);
	sim_finish(&sim);
}

static void tell(struct sim_process *sim, const char *command)
{
	json_t *answer = sim_control(sim, command);

	cr_assert_str_eq(json_string_value(json_object_get(answer, "result")), "ok", "%s", command);
	json_decref(answer);
}

/* A device with an event loop; returns once @told to its server has made it lost. */
static void lose_by(struct sim_machine *machine, struct sim_process *sim,
		    struct passthrough_device **device, const char *command)
{
	sim_spawn(sim, NULL);
	sim_machine_up(machine);
	sim_machine_run_loop(machine);
	cr_assert_eq(sim_machine_connect(machine, sim->socket, 0, device), 0);
	cr_assert_eq(sim_machine_plug(machine, *device, 0), 0);
	sim_machine_place(machine, 0, *device);
	cr_expect_neq(sim_machine_config_read(machine, 0, 0, 4), 0xffffffffu);
	tell(sim, command);
	while (!__atomic_load_n(&machine->lost, __ATOMIC_ACQUIRE))
		sched_yield(); /* the test's time limit ends this */
	sim_machine_settle_loop(machine);
	cr_expect(passthrough_is_lost(*device));
	cr_expect_eq(sim_machine_config_read(machine, 0, 0, 4), 0xffffffffu);
	cr_expect_eq(machine->errors, 1u, "told once");
	cr_expect_eq(machine->lost, 1u);
}

static void lost_ends(struct sim_machine *machine, struct sim_process *sim,
		      struct passthrough_device *device)
{
	sim_machine_forget(machine, 0);
	passthrough_detach(device);
	sim_machine_stop_loop(machine);
	sim_machine_down(machine);
	cr_expect_eq(sim_finish(sim), 0);
}

static void count_mapped(void *opaque, const struct passthrough_segment *segment)
{
	unsigned int *mapped = opaque;

	mapped[segment->kind == PASSTHROUGH_SEGMENT_DPA] +=
		segment->mapped && (segment->kind == PASSTHROUGH_SEGMENT_DPA ||
				    segment->kind == PASSTHROUGH_SEGMENT_DIRECT);
}

/* Surprise link down: the server says so with the error interrupt. */
Test(faults, a_link_that_goes_down, .timeout = 30)
{
	struct passthrough_device *device;
	struct sim_machine machine;
	unsigned int mapped[2] = {0};
	struct sim_process sim;

	lose_by(&machine, &sim, &device, "{\"command\":\"link\",\"state\":\"down\"}");
	passthrough_visit_segments(device, count_mapped, mapped);
	cr_expect_eq(mapped[0], 0u, "its register windows are gone");
	cr_expect_eq(mapped[1], 1u, "the guest's kernel may live in its memory");
	lost_ends(&machine, &sim, device);
}

/* The request interrupt: given back at once, memory and connection included. */
Test(faults, a_server_that_wants_its_device_back, .timeout = 30)
{
	struct passthrough_device *device;
	struct sim_machine machine;
	unsigned int mapped[2] = {0};
	struct sim_process sim;
	json_t *stats;

	lose_by(&machine, &sim, &device,
		"{\"command\":\"interrupt\",\"index\":\"request\",\"vector\":0,\"count\":3}");
	passthrough_visit_segments(device, count_mapped, mapped);
	cr_expect_eq(mapped[0] + mapped[1], 0u);
	do {
		stats = sim_control(&sim, "{\"command\":\"stats\"}");
		mapped[0] = json_is_true(json_object_get(stats, "connected"));
		json_decref(stats);
	} while (mapped[0]);
	lost_ends(&machine, &sim, device);
}

/* Resets that fail leave the device as it was; the next one works. */
Test(faults, a_failed_reset_leaves_the_device_as_it_was)
{
	struct passthrough_device *device;
	struct sim_machine machine;
	struct sim_process sim;

	sim_spawn(&sim, NULL);
	sim_machine_up(&machine);
	cr_assert_eq(sim_machine_connect(&machine, sim.socket, 0, &device), 0);
	cr_assert_eq(sim_machine_plug(&machine, device, 0), 0);
	tell(&sim, "{\"command\":\"fail-resets\",\"count\":1}");
	for (unsigned int i = 0; i < 2; i++) {
		pci_root_lock(machine.machine.root);
		pci_device_reset(passthrough_pci_device(device), PCI_RESET_FUNCTION);
		pci_root_unlock(machine.machine.root);
		cr_expect_eq(machine.warnings, 1u);
		cr_expect_not(passthrough_is_lost(device));
	}
	cr_expect_eq(sim_stat(&sim, "failed_resets"), 1);
	cr_expect_eq(sim_stat(&sim, "resets"), 1);
	passthrough_detach(device);
	sim_machine_down(&machine);
	sim_finish(&sim);
}

/* The guest's decoders are the VMM's: a server that loses its own with an FLR does not matter. */
Test(faults, a_function_reset_that_clears_the_servers_decoders)
{
	struct passthrough_device *device;
	struct sim_machine machine;
	unsigned int mapped[2] = {0};
	struct sim_process sim;

	sim_spawn(&sim, NULL);
	sim_machine_up(&machine);
	cr_assert_eq(sim_machine_connect(&machine, sim.socket, 0, &device), 0);
	cr_assert_eq(sim_machine_plug(&machine, device, 0), 0);
	tell(&sim, "{\"command\":\"reset-clears-decoders\",\"value\":true}");
	pci_root_lock(machine.machine.root);
	pci_device_reset(passthrough_pci_device(device), PCI_RESET_FUNCTION);
	pci_root_unlock(machine.machine.root);
	passthrough_visit_segments(device, count_mapped, mapped);
	cr_expect_eq(mapped[1], 1u);
	cr_expect_eq(machine.warnings + machine.errors, 0u);
	passthrough_detach(device);
	sim_machine_down(&machine);
	sim_finish(&sim);
}

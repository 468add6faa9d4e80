/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "small_machine.h"
#include "tests/sim/sim-protocol/client.h"

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

/* One lie at one message, while the device is attached and used. */
static void lie_once(const char *kind, const char *on, unsigned int skip)
{
	const char *arguments[] = {"--topology", "C", NULL};
	struct passthrough_device *device = NULL;
	struct small_machine machine;
	struct sim_process sim;
	unsigned int before;
	uint64_t start;
	int result;

	sim_spawn(&sim, arguments);
	arm(&sim, kind, on, skip);
	small_machine_up(&machine);
	machine.timeout_ms = 500;
	before = open_fds();
	start = now_ms();
	result = small_machine_connect(&machine, sim.socket, 0, &device);
	if (!result) {
		result = small_machine_plug(&machine, device, 0);
		if (!result) {
			small_machine_place(&machine, 0, device);
			small_machine_config_write(&machine, 0, 0x48 + 8, 0, 2);
			pci_root_reset(machine.root);
		}
		passthrough_reap_lost(device);
		cr_expect_leq(machine.lost, 1u);
		passthrough_detach(device);
	}
	cr_expect_lt(now_ms() - start, 4000u, "%s at %s: too slow", kind, on);
	cr_expect_eq(open_fds(), before, "%s at %s: leaks fds", kind, on);
	small_machine_down(&machine);
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
LIES_AT(reset, "reset")

Test(faults, a_stalled_server_is_lost_in_time_and_another_goes_on, .timeout = 30)
{
	struct passthrough_device *devices[2] = {NULL};
	struct small_machine machine;
	struct sim_process sims[2];
	uint64_t start;

	small_machine_up(&machine);
	machine.timeout_ms = 1500;
	for (unsigned int i = 0; i < 2; i++) {
		sim_spawn(&sims[i], NULL);
		cr_assert_eq(small_machine_connect(&machine, sims[i].socket, i, &devices[i]), 0);
		cr_assert_eq(small_machine_plug(&machine, devices[i], i), 0);
		small_machine_place(&machine, i, devices[i]);
	}
	json_decref(sim_control(&sims[0], "{\"command\":\"stall\"}"));
	start = now_ms();
	pci_root_lock(machine.root);
	pci_device_reset(passthrough_pci_device(devices[0]), PCI_RESET_FUNCTION);
	pci_device_reset(passthrough_pci_device(devices[1]), PCI_RESET_FUNCTION);
	pci_root_unlock(machine.root);
	cr_expect_lt(now_ms() - start, 5000u);
	cr_expect(passthrough_is_lost(devices[0]));
	cr_expect_not(passthrough_is_lost(devices[1]));
	cr_expect_eq(machine.errors, 1u, "told once");
	small_machine_place(&machine, 0, devices[0]);
	small_machine_place(&machine, 1, devices[1]);
	cr_expect_eq(small_machine_config_read(&machine, 0, 0, 4), 0xffffffffu);
	cr_expect_eq(small_machine_config_read(&machine, 1, 0, 2), 0xcc58u);
	cr_expect_eq(sim_stat(&sims[1], "resets"), 1);
	for (unsigned int i = 0; i < 2; i++) {
		passthrough_detach(devices[i]);
		sim_finish(&sims[i]);
	}
	small_machine_down(&machine);
}

Test(faults, guest_hammers_every_register_at_every_width, .timeout = 60)
{
	const char *arguments[] = {"--topology", "D", "--dpa",         "1G",
				   "--decoders", "4", "--uncommitted", NULL};
	struct passthrough_device *device = NULL;
	const struct pci_device *pci;
	struct small_machine machine;
	struct sim_process sim;
	uint64_t base = 0;
	uint32_t pattern = 1;

	sim_spawn(&sim, arguments);
	small_machine_up(&machine);
	cr_assert_eq(small_machine_connect(&machine, sim.socket, 0, &device), 0);
	cr_assert_eq(small_machine_plug(&machine, device, 0), 0);
	small_machine_place(&machine, 0, device);
	pci = passthrough_pci_device(device);
	for (unsigned int bar = 0; bar < PCI_BAR_COUNT; bar++)
		if (pci->bars[bar].mapped && pci->bars[bar].kind == PCI_BAR_MEMORY_64)
			base = pci->bars[bar].address;
	cr_assert_neq(base, 0u);
	for (uint32_t offset = 0; offset < 0x2000; offset++) {
		for (unsigned int size = 1; size <= 8; size++) {
			pattern = pattern * 1664525 + 1013904223;
			small_machine_write(&machine, base + offset,
					    (uint64_t)pattern << 32 | ~pattern, size);
			small_machine_read(&machine, base + offset, size);
		}
	}
	/* Configuration space, command register excepted: the BARs should stay. */
	for (uint32_t offset = 0x40; offset < 4096; offset++) {
		for (unsigned int size = 1; size <= 4; size *= 2) {
			if (offset % size)
				continue;
			pattern = pattern * 1664525 + 1013904223;
			small_machine_config_write(&machine, 0, offset, pattern, size);
			small_machine_config_read(&machine, 0, offset, size);
		}
	}
	cr_expect_not(passthrough_is_lost(device));
	passthrough_detach(device);
	small_machine_down(&machine);
	sim_finish(&sim);
}

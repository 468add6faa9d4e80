/* SPDX-License-Identifier: Apache-2.0 */
#include "sim_machine.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void on_log(void *opaque, enum log_level level, const char *object, const char *message)
{
	struct sim_machine *machine = opaque;

	(void)object;
	(void)message;
	__atomic_fetch_add(&machine->errors, level == LOG_LEVEL_ERROR, __ATOMIC_RELAXED);
	__atomic_fetch_add(&machine->warnings, level == LOG_LEVEL_WARNING, __ATOMIC_RELAXED);
	if (getenv("SHOW_LOG"))
		fprintf(stderr, "[%d] %s: %s\n", level, object, message);
}

static void on_lost(void *opaque, struct passthrough_device *device, const char *reason)
{
	struct sim_machine *machine = opaque;

	(void)device;
	(void)reason;
	__atomic_fetch_add(&machine->lost, 1, __ATOMIC_RELEASE);
}

void sim_machine_up(struct sim_machine *machine)
{
	const struct small_machine_options options = {
		.logger = &machine->logger, .ram = 0x4000000, .shared = true};

	memset(machine, 0, sizeof(*machine));
	machine->logger = (struct logger){on_log, machine, LOG_LEVEL_INFO};
	small_machine_up(&machine->machine, &options);
}

void sim_machine_down(struct sim_machine *machine)
{
	small_machine_down(&machine->machine);
}

static void on_attention(void *opaque, struct passthrough_device *device)
{
	const struct sim_machine *machine = opaque;
	const uint64_t one = 1;

	(void)device;
	if (machine->loop)
		cr_assert_eq(write(machine->attention_fd, &one, sizeof(one)), 8);
}

static void serve_devices(void *opaque, uint32_t epoll_events)
{
	struct sim_machine *machine = opaque;
	uint64_t count;

	(void)epoll_events;
	cr_assert_eq(read(machine->attention_fd, &count, sizeof(count)), 8);
	for (unsigned int i = 0; i < SIM_MACHINE_DEVICES; i++) {
		struct passthrough_device *device =
			__atomic_load_n(&machine->devices[i], __ATOMIC_ACQUIRE);

		if (device)
			passthrough_serve(device);
	}
}

static void *run_loop(void *opaque)
{
	event_loop_run(opaque);
	return NULL;
}

void sim_machine_run_loop(struct sim_machine *machine)
{
	cr_assert_eq(event_loop_create(&machine->loop), 0);
	machine->attention_fd = eventfd(0, EFD_CLOEXEC);
	cr_assert_geq(machine->attention_fd, 0);
	cr_assert_eq(event_loop_add(machine->loop, machine->attention_fd, EPOLLIN, serve_devices,
				    machine, &machine->attention),
		     0);
	cr_assert_eq(pthread_create(&machine->loop_thread, NULL, run_loop, machine->loop), 0);
}

void sim_machine_stop_loop(struct sim_machine *machine)
{
	event_loop_stop(machine->loop);
	pthread_join(machine->loop_thread, NULL);
	event_source_remove(machine->attention);
	close(machine->attention_fd);
	event_loop_destroy(machine->loop);
	machine->loop = NULL;
}

void sim_machine_forget(struct sim_machine *machine, unsigned int index)
{
	__atomic_store_n(&machine->devices[index], NULL, __ATOMIC_RELEASE);
	sim_machine_settle_loop(machine);
}

static void pass_on(void *opaque, uint32_t epoll_events)
{
	int *pipes = opaque;
	char byte;

	(void)epoll_events;
	if (read(pipes[0], &byte, 1) == 1)
		cr_assert_eq(write(pipes[3], &byte, 1), 1);
}

void sim_machine_settle_loop(struct sim_machine *machine)
{
	struct event_source *source;
	int pipes[4];
	char byte = 0;

	cr_assert_eq(pipe(pipes) | pipe(pipes + 2), 0);
	cr_assert_eq(event_loop_add(machine->loop, pipes[0], EPOLLIN, pass_on, pipes, &source), 0);
	/* Twice: the first may have been taken from epoll together with older events. */
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(write(pipes[1], &byte, 1), 1);
		cr_assert_eq(read(pipes[2], &byte, 1), 1);
	}
	event_source_remove(source);
	for (int i = 0; i < 4; i++)
		close(pipes[i]);
}

int sim_machine_connect(struct sim_machine *machine, const char *socket, unsigned int index,
			struct passthrough_device **device)
{
	static const char *const names[] = {"gpu0", "gpu1", "gpu2", "gpu3",
					    "gpu4", "gpu5", "gpu6", "gpu7"};
	struct passthrough_options options = PASSTHROUGH_OPTIONS_INIT;
	struct passthrough_environment environment = {.logger = &machine->logger,
						      .memory = machine->machine.memory,
						      .irq = machine->machine.irq,
						      .mmio = &machine->machine.mmio,
						      .loop = machine->loop,
						      .attention = on_attention,
						      .lost = on_lost,
						      .opaque = machine};
	int result;

	options.id = names[index];
	options.way.kind = PASSTHROUGH_WAY_VFIO_USER_SOCKET;
	options.way.name = socket;
	options.timeout_ms = machine->timeout_ms;
	result = passthrough_connect(&options, &environment, device);
	if (!result)
		__atomic_store_n(&machine->devices[index], *device, __ATOMIC_RELEASE);
	return result;
}

uint64_t sim_machine_window(unsigned int index)
{
	return 0x1000000000ull + index * 0x20000000000ull;
}

int sim_machine_plug(struct sim_machine *machine, struct passthrough_device *device,
		     unsigned int index)
{
	struct passthrough_place place = {
		.devfn = 0,
		.window_base = sim_machine_window(index),
		.window_size = passthrough_get_facts(device)->window_size,
	};
	uint8_t first = (uint8_t)(0x80 + 2 * index);

	cr_assert_eq(pci_root_add_host_bridge(machine->machine.root, first, first + 1, &place.bus),
		     0);
	return passthrough_plug(device, &place);
}

static uint64_t config_address(unsigned int index, uint32_t offset)
{
	return (0x80ull + 2 * index) << 20 | offset;
}

uint32_t sim_machine_config_read(struct sim_machine *machine, unsigned int index, uint32_t offset,
				 unsigned int size)
{
	return (uint32_t)pci_ecam_read(machine->machine.root, config_address(index, offset), size);
}

void sim_machine_config_write(struct sim_machine *machine, unsigned int index, uint32_t offset,
			      uint32_t value, unsigned int size)
{
	pci_ecam_write(machine->machine.root, config_address(index, offset), value, size);
}

void sim_machine_place(struct sim_machine *machine, unsigned int index,
		       struct passthrough_device *device)
{
	const struct pci_device *pci = passthrough_pci_device(device);

	for (unsigned int bar = 0; bar < PCI_BAR_COUNT; bar++) {
		uint32_t at = PCI_BASE_ADDRESS_0 + 4 * bar;

		if (pci->bars[bar].kind == PCI_BAR_MEMORY_64) {
			sim_machine_config_write(machine, index, at, 0, 4);
			sim_machine_config_write(machine, index, at + 4,
						 0x100000 + index * 0x1000 + bar * 0x10, 4);
		} else if (pci->bars[bar].kind == PCI_BAR_MEMORY_32) {
			sim_machine_config_write(
				machine, index, at,
				0x80000000u + index * 0x8000000u + bar * 0x1000000u, 4);
		}
	}
	sim_machine_config_write(machine, index, PCI_COMMAND,
				 PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
}

uint64_t sim_machine_read(struct sim_machine *machine, uint64_t address, unsigned int size)
{
	uint64_t value = 0;

	bus_read(&machine->machine.mmio, address, &value, size);
	return value;
}

void sim_machine_write(struct sim_machine *machine, uint64_t address, uint64_t value,
		       unsigned int size)
{
	bus_write(&machine->machine.mmio, address, &value, size);
}

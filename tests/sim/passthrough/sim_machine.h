/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_PASSTHROUGH_SIM_MACHINE_H
#define TESTS_SIM_PASSTHROUGH_SIM_MACHINE_H

#include <pthread.h>

#include "passthrough/device/passthrough.h"
#include "tests/unit/devices/pci/small_machine.h"

/* ThreadSanitizer's own memory leaves no room for terabytes of address space. */
#ifdef __SANITIZE_THREAD__
#define LARGE_DPA      "16G"
#define LARGE_DPA_SIZE (16ull << 30)
#define ODD_DPA        "0x2F0F00000"
#else
#define LARGE_DPA      "1T"
#define LARGE_DPA_SIZE (1ull << 40)
#define ODD_DPA        "0x2F00F00000"
#endif
/* The simulator offers whole granules of 256 MiB. */
#define ODD_DPA_OFFERED (strtoull(ODD_DPA, NULL, 0) & ~0xfffffffull)

#define SIM_MACHINE_DEVICES 8u

/* A small machine with passed-through devices of the real simulator, and the loop that serves them.
 */
struct sim_machine {
	struct small_machine machine;
	struct logger logger;
	unsigned int errors; /* messages of level error */
	unsigned int warnings;
	unsigned int lost;
	uint32_t timeout_ms;     /* of the devices that are connected from now on */
	struct event_loop *loop; /* NULL, or after sim_machine_run_loop() */
	pthread_t loop_thread;
	int attention_fd; /* with a loop: eventfd that makes it serve the devices */
	struct event_source *attention;
	struct passthrough_device *devices[SIM_MACHINE_DEVICES]; /* atomic: those that it serves */
};

void sim_machine_up(struct sim_machine *machine);
void sim_machine_down(struct sim_machine *machine);

/* From now on the devices that are connected have an event loop, in a thread of its own. It is
 * stopped when they are gone. */
void sim_machine_run_loop(struct sim_machine *machine);
void sim_machine_stop_loop(struct sim_machine *machine);
/* The loop does not serve device @index any more; before it is detached while the loop runs. */
void sim_machine_forget(struct sim_machine *machine, unsigned int index);
/* Wait until the loop has seen all that happened before this call. */
void sim_machine_settle_loop(struct sim_machine *machine);

/* Connect to the server at @socket and plug the device into a host bridge of its own at bus
 * 0x80 + 2 * @index, window at 64 GiB + index TiB... Returns what connect or plug returned. */
int sim_machine_connect(struct sim_machine *machine, const char *socket, unsigned int index,
			struct passthrough_device **device);
int sim_machine_plug(struct sim_machine *machine, struct passthrough_device *device,
		     unsigned int index);
uint64_t sim_machine_window(unsigned int index);

uint32_t sim_machine_config_read(struct sim_machine *machine, unsigned int index, uint32_t offset,
				 unsigned int size);
void sim_machine_config_write(struct sim_machine *machine, unsigned int index, uint32_t offset,
			      uint32_t value, unsigned int size);
/* Place all memory BARs and enable decoding and bus mastering. */
void sim_machine_place(struct sim_machine *machine, unsigned int index,
		       struct passthrough_device *device);
uint64_t sim_machine_read(struct sim_machine *machine, uint64_t address, unsigned int size);
void sim_machine_write(struct sim_machine *machine, uint64_t address, uint64_t value,
		       unsigned int size);

#endif

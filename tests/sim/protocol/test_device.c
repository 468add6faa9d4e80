/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cxvm/accel.h>

#include "tests/sim/protocol/client.h"

#define RAM_BASE UINT64_C(0x100000)
#define RAM_SIZE (UINT64_C(16) << 20)
#define QUEUE    CXVM_ACCEL_QUEUE_BASE(0)

static struct sim_process process;

static void stop(void)
{
	cr_assert_eq(sim_finish(&process), 0);
}

TestSuite(device, .fini = stop, .timeout = 120);

static void start(const char *a, const char *b, const char *c, const char *d)
{
	const char *const arguments[] = {a, b, c, d, NULL};

	sim_spawn(&process, arguments);
}

static uint32_t read32(int fd, uint32_t region, uint64_t offset)
{
	uint32_t value = 0;

	cr_assert_eq(sim_read(fd, region, offset, &value, 4), 0);
	return value;
}

static void write32(int fd, uint32_t region, uint64_t offset, uint32_t value)
{
	cr_assert_eq(sim_write(fd, region, offset, &value, 4), 0);
}

/* A guest as far as the engine is concerned: window, device memory, RAM, an eventfd */
struct guest {
	int fd;
	uint8_t *window;
	uint8_t *dpa;
	uint8_t *ram;
	int ram_fd;
	int eventfd;
	uint32_t tail;
};

static void connect_guest(struct guest *g, bool ram_by_fd)
{
	uint64_t size;
	int memory;

	memset(g, 0, sizeof(*g));
	g->fd = sim_negotiate(&process);
	cr_assert_eq(sim_region(g->fd, 2, &size, &memory), 0);
	g->window = mmap(NULL, 0x100000, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	cr_assert_neq(g->window, MAP_FAILED);
	close(memory);
	cr_assert_eq(sim_region(g->fd, 9, &size, &memory), 0);
	g->dpa = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	cr_assert_neq(g->dpa, MAP_FAILED);
	close(memory);
	g->ram_fd = memfd_create("guest", MFD_CLOEXEC);
	cr_assert_eq(ftruncate(g->ram_fd, (off_t)RAM_SIZE), 0);
	g->ram = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, g->ram_fd, 0);
	cr_assert_eq(sim_map(g->fd, RAM_BASE, RAM_SIZE, ram_by_fd ? g->ram_fd : -1, 0), 0);
	g->eventfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	cr_assert_eq(sim_set_irqs(g->fd, 2, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
				  5, 1, &g->eventfd, 1),
		     0);
}

static void poke(struct guest *g, uint32_t reg, uint32_t value)
{
	__atomic_store_n((uint32_t *)(void *)(g->window + QUEUE + reg), value, __ATOMIC_RELEASE);
}

static uint32_t peek(const struct guest *g, uint32_t reg)
{
	return __atomic_load_n((const uint32_t *)(const void *)(g->window + QUEUE + reg),
			       __ATOMIC_ACQUIRE);
}

static void wait_register(const struct guest *g, uint32_t reg, uint32_t value)
{
	struct timespec pause = {.tv_nsec = 200000};

	for (unsigned i = 0; i < 25000 && peek(g, reg) != value; i++)
		nanosleep(&pause, NULL);
	cr_assert_eq(peek(g, reg), value, "register %x is %u, not %u", reg, peek(g, reg), value);
}

/* Ring at RAM offset 0, 64 entries, vector 5 */
static void set_up_queue(struct guest *g)
{
	uint64_t address = RAM_BASE;

	memcpy(g->window + QUEUE + CXVM_ACCEL_QUEUE_RING_ADDRESS, &address, 8);
	poke(g, CXVM_ACCEL_QUEUE_RING_SPACE, CXVM_ACCEL_SPACE_DMA);
	poke(g, CXVM_ACCEL_QUEUE_RING_ENTRIES, 64);
	poke(g, CXVM_ACCEL_QUEUE_VECTOR, 5);
	poke(g, CXVM_ACCEL_QUEUE_ENABLE, 1);
	wait_register(g, CXVM_ACCEL_QUEUE_STATE, CXVM_ACCEL_QUEUE_RUNNING);
	g->tail = 0;
}

static struct cxvm_accel_descriptor *give(struct guest *g, struct cxvm_accel_descriptor d)
{
	struct cxvm_accel_descriptor *slot =
		(struct cxvm_accel_descriptor *)(void *)g->ram + g->tail % 64;

	*slot = d;
	poke(g, CXVM_ACCEL_QUEUE_TAIL, ++g->tail);
	return slot;
}

static bool interrupted(const struct guest *g, int timeout_ms)
{
	struct pollfd ready = {.fd = g->eventfd, .events = POLLIN};
	uint64_t count;

	return poll(&ready, 1, timeout_ms) == 1 && read(g->eventfd, &count, 8) == 8;
}

/* One copy RAM -> DPA with interrupt, checked */
static void run_copy(struct guest *g, uint32_t n)
{
	struct cxvm_accel_descriptor *d;

	memset(g->ram + 0x10000, (int)(n + 1), 8192);
	d = give(g, (struct cxvm_accel_descriptor){.opcode = CXVM_ACCEL_OP_COPY,
						   .flags = CXVM_ACCEL_FLAG_INTERRUPT,
						   .source = RAM_BASE + 0x10000,
						   .destination = 8192ull * (n % 1000),
						   .destination_space = CXVM_ACCEL_SPACE_DPA,
						   .length = 8192,
						   .cookie = n});
	cr_assert(interrupted(g, 5000), "job %u", n);
	cr_assert_eq(d->status, CXVM_ACCEL_STATUS_DONE);
	cr_assert_eq(memcmp(g->dpa + 8192ull * (n % 1000), g->ram + 0x10000, 8192), 0);
}

static void set_up_and_copy(struct guest *g)
{
	set_up_queue(g);
	run_copy(g, 0);
}

Test(device, thousand_jobs_through_mapped_windows)
{
	struct guest g;
	int64_t before;

	start(NULL, NULL, NULL, NULL);
	connect_guest(&g, true);
	set_up_queue(&g);
	before = sim_stat(&process, "commands");
	for (uint32_t n = 0; n < 1000; n++) {
		uint32_t *words = (void *)g.ram;
		struct cxvm_accel_descriptor *d;
		uint32_t operation = n % 4;

		if (operation == 0) {
			run_copy(&g, n);
			continue;
		}
		for (uint32_t i = 0; i < 1024; i++)
			words[0x8000 + i] = n * i;
		d = give(&g,
			 (struct cxvm_accel_descriptor){.opcode = operation + 1,
							.flags = CXVM_ACCEL_FLAG_INTERRUPT,
							.source = RAM_BASE + 0x20000,
							.source2 = RAM_BASE + 0x20000,
							.destination = 0x800000,
							.destination_space = CXVM_ACCEL_SPACE_DPA,
							.length = 4096,
							.value = operation == 3 ? 0 : n});
		cr_assert(interrupted(&g, 5000));
		cr_assert_eq(d->status, CXVM_ACCEL_STATUS_DONE);
		words = (void *)(g.dpa + 0x800000);
		for (uint32_t i = 0; operation < 3 && i < 1024; i++)
			cr_assert_eq(words[i], operation == 1 ? n : 2 * n * i);
		cr_assert(operation != 3 || d->result != 0);
	}
	cr_assert_eq(sim_stat(&process, "commands"), before, "not one message for 1000 jobs");
	cr_assert_eq(sim_stat(&process, "jobs"), 1000);
	cr_assert_eq(sim_stat(&process, "interrupts_sent"), 1000);
}

Test(device, doorbell_by_message)
{
	struct guest g;
	uint32_t tail = 1;

	start(NULL, NULL, NULL, NULL);
	connect_guest(&g, true);
	set_up_queue(&g);
	memcpy(g.ram, &(struct cxvm_accel_descriptor){.flags = CXVM_ACCEL_FLAG_INTERRUPT}, 64);
	cr_assert_eq(sim_write(g.fd, 2, QUEUE + CXVM_ACCEL_QUEUE_TAIL, &tail, 4), 0);
	cr_assert(interrupted(&g, 5000));
	cr_assert_eq(read32(g.fd, 2, QUEUE + CXVM_ACCEL_QUEUE_HEAD), 1);
}

/* The server asks for RAM by DMA_READ and DMA_WRITE when no fd came with the mapping */
Test(device, jobs_on_ram_without_an_fd)
{
	struct guest g;
	struct cxvm_accel_descriptor *d;
	unsigned reads = 0, writes = 0;
	bool done = false;

	start(NULL, NULL, NULL, NULL);
	connect_guest(&g, false);
	set_up_queue(&g);
	memset(g.ram + 0x10000, 0x5a, 100000);
	d = give(&g, (struct cxvm_accel_descriptor){.opcode = CXVM_ACCEL_OP_COPY,
						    .flags = CXVM_ACCEL_FLAG_INTERRUPT,
						    .source = RAM_BASE + 0x10000,
						    .destination = RAM_BASE + 0x80000,
						    .length = 100000});
	while (!done) {
		static struct sim_answer request;
		static uint8_t reply[70000];
		struct vfio_user_dma_access access;
		struct pollfd ready[2] = {{.fd = g.fd, .events = POLLIN},
					  {.fd = g.eventfd, .events = POLLIN}};
		uint32_t size = 32;

		cr_assert(poll(ready, 2, 5000) > 0);
		if (!(ready[0].revents & POLLIN)) {
			done = true;
			continue;
		}
		sim_receive(g.fd, &request);
		cr_assert_eq(request.result, 0);
		memcpy(&access, request.data, sizeof(access));
		cr_assert(access.address >= RAM_BASE &&
			  access.address + access.count <= RAM_BASE + RAM_SIZE);
		request.header.flags = VFIO_USER_FLAG_TYPE_REPLY;
		if (request.header.command == VFIO_USER_DMA_READ) {
			reads++;
			memcpy(reply + 32, g.ram + (access.address - RAM_BASE), access.count);
			size += (uint32_t)access.count;
		} else {
			writes++;
			cr_assert_eq(request.header.command, VFIO_USER_DMA_WRITE);
			cr_assert_eq(request.size, 16 + access.count);
			memcpy(g.ram + (access.address - RAM_BASE), request.data + 16,
			       access.count);
		}
		request.header.size = size;
		memcpy(reply, &request.header, 16);
		memcpy(reply + 16, &access, 16);
		cr_assert(sim_send_raw(g.fd, reply, size, NULL, 0));
	}
	cr_assert_eq(d->status, CXVM_ACCEL_STATUS_DONE);
	cr_assert_eq(memcmp(g.ram + 0x10000, g.ram + 0x80000, 100000), 0);
	cr_assert(reads >= 2 && writes >= 2);
}

Test(device, a_wrong_dma_reply_ends_the_connection)
{
	struct guest g;
	static struct sim_answer request;

	start(NULL, NULL, NULL, NULL);
	connect_guest(&g, false);
	set_up_queue(&g);
	give(&g, (struct cxvm_accel_descriptor){0});
	sim_receive(g.fd, &request);
	cr_assert_eq(request.header.command, VFIO_USER_DMA_READ);
	request.header.flags = VFIO_USER_FLAG_TYPE_REPLY;
	request.header.size = 32 + 10; /* it wanted 64 */
	sim_send_raw(g.fd, &request.header, 16, NULL, 0);
	sim_send_raw(g.fd, request.data, 26, NULL, 0);
	sim_receive(g.fd, &request);
	cr_assert_eq(request.result, -1);
	close(sim_negotiate(&process));
}

Test(device, a_client_that_never_answers_does_not_block_a_reset)
{
	struct guest g;
	static struct sim_answer request;

	start(NULL, NULL, NULL, NULL);
	connect_guest(&g, false);
	set_up_queue(&g);
	give(&g, (struct cxvm_accel_descriptor){0});
	sim_receive(g.fd, &request);
	cr_assert_eq(sim_command(g.fd, VFIO_USER_DEVICE_RESET, NULL, 0, NULL, 0)->result, 0);
	cr_assert_eq(peek(&g, CXVM_ACCEL_QUEUE_STATE), 0);
}

Test(device, dma_map_rules)
{
	int fd, ram = memfd_create("ram", 0);

	start(NULL, NULL, NULL, NULL);
	fd = sim_negotiate(&process);
	cr_assert_eq(ftruncate(ram, 0x10000), 0);
	cr_assert_eq(sim_map(fd, 0x10000, 0x10000, ram, 0), 0);
	cr_assert_eq(sim_map(fd, 0x18000, 0x1000, ram, 0), EEXIST);
	cr_assert_eq(sim_map(fd, 0x10000, 0x10000, -1, 0), EEXIST);
	cr_assert_eq(sim_map(fd, 0x20000, 0x10001, ram, 0), EINVAL);
	cr_assert_eq(sim_map(fd, 0x20000, 0x10000, ram, 0x1000), EINVAL);
	cr_assert_eq(sim_map(fd, 0x20000, 0, -1, 0), EINVAL);
	cr_assert_eq(sim_map(fd, UINT64_MAX, 2, -1, 0), EINVAL);
	cr_assert_eq(sim_unmap(fd, 0x10000, 0x8000), ENOENT);
	cr_assert_eq(sim_unmap(fd, 0x11000, 0x1000), ENOENT);
	cr_assert_eq(sim_unmap(fd, 0x10000, 0x10000), 0);
	cr_assert_eq(sim_unmap(fd, 0x10000, 0x10000), ENOENT);
	cr_assert_eq(sim_map(fd, 0x10000, 0x10000, ram, 0), 0);
	cr_assert_eq(sim_map(fd, 0x40000, 0x10000, -1, 0), 0);
	cr_assert_eq(sim_stat(&process, "dma_ranges"), 2);
	/* QEMU's "all of it" */
	cr_assert_eq(sim_command(fd, VFIO_USER_DMA_UNMAP,
				 &(struct vfio_user_dma_unmap){.argsz = 24, .flags = 2}, 24, NULL,
				 0)
			     ->result,
		     0);
	cr_assert_eq(sim_stat(&process, "dma_ranges"), 0);
	cr_assert_eq(sim_command(fd, VFIO_USER_DMA_UNMAP,
				 &(struct vfio_user_dma_unmap){.argsz = 24, .flags = 1}, 24, NULL,
				 0)
			     ->result,
		     EINVAL);
	cr_assert_eq(sim_map(fd, 0x10000, 0x10000, ram, 0), 0);
	close(fd);
	close(sim_negotiate(&process));
	cr_assert_eq(sim_stat(&process, "dma_ranges"), 0, "ranges go with the client");
}

Test(device, unmapped_memory_is_out_of_reach)
{
	struct cxvm_accel_descriptor *d;
	struct guest g;

	start(NULL, NULL, NULL, NULL);
	connect_guest(&g, true);
	set_up_queue(&g);
	d = give(&g, (struct cxvm_accel_descriptor){.opcode = CXVM_ACCEL_OP_FILL,
						    .flags = CXVM_ACCEL_FLAG_INTERRUPT,
						    .destination = RAM_BASE + RAM_SIZE - 64,
						    .length = 128});
	cr_assert(interrupted(&g, 5000));
	cr_assert_eq(d->status, CXVM_ACCEL_STATUS_BAD_ADDRESS);
	cr_assert_eq(sim_unmap(g.fd, RAM_BASE, RAM_SIZE), 0);
	give(&g, (struct cxvm_accel_descriptor){0});
	wait_register(&g, CXVM_ACCEL_QUEUE_STATE, CXVM_ACCEL_QUEUE_RING_FAULT);
}

Test(device, interrupt_requests)
{
	int fd, fds[20];
	uint64_t count;

	start(NULL, NULL, NULL, NULL);
	fd = sim_negotiate(&process);
	for (unsigned i = 0; i < 20; i++)
		fds[i] = eventfd(0, EFD_NONBLOCK);
	const uint32_t trigger = VFIO_IRQ_SET_ACTION_TRIGGER, event = VFIO_IRQ_SET_DATA_EVENTFD,
		       none = VFIO_IRQ_SET_DATA_NONE;

	cr_assert_eq(sim_set_irqs(fd, 2, event | trigger, 0, 16, fds, 16), 0);
	cr_assert_eq(sim_set_irqs(fd, 2, event | trigger, 15, 2, fds, 2), EINVAL);
	cr_assert_eq(sim_set_irqs(fd, 2, event | trigger, UINT32_MAX, 2, fds, 2), EINVAL);
	cr_assert_eq(sim_set_irqs(fd, 2, event | trigger, 0, 2, fds, 1), EINVAL);
	cr_assert_eq(sim_set_irqs(fd, 2, event | trigger, 0, 1, fds, 2), EINVAL);
	cr_assert_eq(sim_set_irqs(fd, 2, none | trigger, 0, 1, fds, 1), EINVAL);
	cr_assert_eq(sim_set_irqs(fd, 2, none | event | trigger, 0, 1, NULL, 0), EINVAL);
	cr_assert_eq(sim_set_irqs(fd, 2, none | trigger | VFIO_IRQ_SET_ACTION_MASK, 0, 1, NULL, 0),
		     EINVAL);
	cr_assert_eq(sim_set_irqs(fd, 2, none, 0, 1, NULL, 0), EINVAL);
	cr_assert_eq(sim_set_irqs(fd, 2, 0x100 | none | trigger, 0, 1, NULL, 0), EINVAL);
	cr_assert_eq(sim_set_irqs(fd, 2, none | VFIO_IRQ_SET_ACTION_MASK, 0, 1, NULL, 0), EINVAL);
	cr_assert_eq(sim_set_irqs(fd, 5, none | trigger, 0, 0, NULL, 0), EINVAL);
	cr_assert_eq(sim_set_irqs(fd, 2, event | trigger, 0, 0, NULL, 0), EINVAL);
	/* loop-back */
	cr_assert_eq(sim_set_irqs(fd, 2, none | trigger, 3, 2, NULL, 0), 0);
	cr_assert_eq(read(fds[3], &count, 8), 8);
	cr_assert_eq(read(fds[4], &count, 8), 8);
	cr_assert_eq(read(fds[5], &count, 8), -1);
	/* fired while detached: pending, and delivered when attached again */
	cr_assert_eq(sim_set_irqs(fd, 2, event | trigger, 7, 1, NULL, 0), 0);
	json_decref(sim_control(&process,
				"{\"command\":\"interrupt\",\"index\":\"msix\",\"vector\":7}"));
	cr_assert_eq(read32(fd, 0, 0x1000), 1u << 7, "pending bit array");
	cr_assert_eq(sim_set_irqs(fd, 2, event | trigger, 7, 1, fds + 7, 1), 0);
	cr_assert_eq(read(fds[7], &count, 8), 8);
	cr_assert_eq(read32(fd, 0, 0x1000), 0);
	/* disable all */
	cr_assert_eq(sim_set_irqs(fd, 2, none | trigger, 0, 0, NULL, 0), 0);
	json_decref(sim_control(&process,
				"{\"command\":\"interrupt\",\"index\":\"msix\",\"vector\":3}"));
	cr_assert_eq(read(fds[3], &count, 8), -1);
}

Test(device, intx_is_a_level)
{
	int unmask = eventfd(0, EFD_NONBLOCK);
	uint64_t one = 1;
	struct guest g;

	start(NULL, NULL, NULL, NULL);
	connect_guest(&g, true);
	cr_assert_eq(sim_set_irqs(g.fd, 2, VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER, 0,
				  0, NULL, 0),
		     0);
	cr_assert_eq(sim_set_irqs(g.fd, 0, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
				  0, 1, &g.eventfd, 1),
		     0);
	cr_assert_eq(sim_set_irqs(g.fd, 0, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK,
				  0, 1, &unmask, 1),
		     0);
	set_up_queue(&g);
	give(&g, (struct cxvm_accel_descriptor){.flags = CXVM_ACCEL_FLAG_INTERRUPT});
	cr_assert(interrupted(&g, 5000));
	cr_assert_not(interrupted(&g, 20), "masked by its own signal");
	cr_assert_eq(write(unmask, &one, 8), 8);
	cr_assert(interrupted(&g, 5000), "still asserted: again after the unmask");
	/* what uio_pci_generic does: look at Interrupt Status, set Interrupt Disable */
	cr_assert(read32(g.fd, 7, 4) & 0x00080000);
	cr_assert_eq(sim_write(g.fd, 7, 4, "\0\4", 2), 0);
	cr_assert_eq(write(unmask, &one, 8), 8);
	cr_assert_not(interrupted(&g, 50), "disabled in the command register");
	cr_assert_eq(sim_write(g.fd, 7, 4, "\0\0", 2), 0);
	cr_assert(interrupted(&g, 5000));
	poke(&g, CXVM_ACCEL_QUEUE_ACK, 1);
	for (unsigned i = 0; i < 5000 && (read32(g.fd, 7, 4) & 0x00080000); i++)
		usleep(1000);
	cr_assert_eq(write(unmask, &one, 8), 8);
	cr_assert_not(interrupted(&g, 50), "acknowledged");
}

Test(device, region_bounds)
{
	uint8_t data[4096];
	int fd;

	start(NULL, NULL, NULL, NULL);
	fd = sim_negotiate(&process);
	cr_assert_eq(sim_read(fd, 7, 4096, data, 1), EINVAL);
	cr_assert_eq(sim_read(fd, 7, 4095, data, 2), EINVAL);
	cr_assert_eq(sim_read(fd, 7, UINT64_MAX, data, 2), EINVAL);
	cr_assert_eq(sim_read(fd, 8, 0, data, 1), EINVAL);
	cr_assert_eq(sim_read(fd, 6, 0, data, 1), EINVAL);
	cr_assert_eq(sim_read(fd, 11, 0, data, 4), EINVAL);
	cr_assert_eq(sim_read(fd, UINT32_MAX, 0, data, 4), EINVAL);
	cr_assert_eq(sim_read(fd, 2, 0x2000000, data, 4), EINVAL);
	cr_assert_eq(sim_read(fd, 2, 0x1feffff, data, 2), EINVAL, "straddles the component block");
	cr_assert_eq(sim_read(fd, 10, 0, data, 2), EINVAL);
	cr_assert_eq(sim_read(fd, 10, 0x140, data, 4), EINVAL);
	cr_assert_eq(sim_write(fd, 7, 4095, data, 2), EINVAL);
	/* a count that is not the data's */
	struct vfio_user_region_access access = {.region = 7, .count = 4};

	cr_assert_eq(
		sim_command(fd, VFIO_USER_REGION_WRITE, &access, sizeof(access), NULL, 0)->result,
		EINVAL);
	access.count = 0x200000;
	cr_assert_eq(
		sim_command(fd, VFIO_USER_REGION_READ, &access, sizeof(access), NULL, 0)->result,
		EINVAL);
	cr_assert_eq(sim_command(fd, VFIO_USER_REGION_READ, &access, 8, NULL, 0)->result, EINVAL);
}

Test(device, write_multiple)
{
	struct {
		uint64_t count;
		struct vfio_user_write_one writes[3];
	} __attribute__((packed))
	message = {.count = 2,
		   .writes = {{.offset = 0x3c, .region = 7, .count = 1, .data = {0x0b}},
			      {.offset = 4, .region = 7, .count = 2, .data = {6, 0}},
			      {.offset = 0x5000, .region = 7, .count = 2}}};
	struct sim_answer *answer;
	uint64_t done;
	int fd;

	start(NULL, NULL, NULL, NULL);
	fd = sim_negotiate(&process);
	answer = sim_command(fd, VFIO_USER_REGION_WRITE_MULTI, &message, 8 + 48, NULL, 0);
	cr_assert_eq(answer->result, 0);
	cr_assert_eq(read32(fd, 7, 0x3c) & 0xff, 0x0b);
	cr_assert_eq(read32(fd, 7, 4) & 0xffff, 6);
	message.count = 3;
	cr_assert_eq(
		sim_command(fd, VFIO_USER_REGION_WRITE_MULTI, &message, 8 + 48, NULL, 0)->result,
		EINVAL);
	answer = sim_command(fd, VFIO_USER_REGION_WRITE_MULTI, &message, 8 + 72, NULL, 0);
	cr_assert_eq(answer->result, 0);
	memcpy(&done, answer->data, 8);
	cr_assert_eq(done, 2, "the third is outside");
	message.count = UINT64_MAX;
	cr_assert_eq(
		sim_command(fd, VFIO_USER_REGION_WRITE_MULTI, &message, 8 + 72, NULL, 0)->result,
		EINVAL);
}

/* Every topology and contract: the block where the locator says, the decoder behind the region */
Test(device, topologies_and_contracts)
{
	static const char *const topologies[] = {"A", "B", "C", "D"};
	static const char *const contracts[] = {"v2", "v3", "regions", "none"};

	for (unsigned i = 0; i < 16; i++) {
		uint32_t bar, offset, control;
		int fd;

		start("--topology", topologies[i / 4], "--contract", contracts[i % 4]);
		fd = sim_negotiate(&process);
		offset = read32(fd, 7, 0x19c);
		bar = offset & 7;
		offset &= 0xffff0000;
		if (i % 4 == 1) {
			cr_assert_eq(sim_read(fd, bar, offset + 0x1000, &control, 4), EINVAL);
			control = read32(fd, 9, 0x1130);
		} else {
			cr_assert_eq(read32(fd, bar, offset + 0x1000) & 0xffff, 1);
			control = read32(fd, bar, offset + 0x1130);
		}
		cr_assert_eq(control & 0x700, 0x700, "committed and locked: %x", control);
		close(fd);
		if (i != 15)
			cr_assert_eq(sim_finish(&process), 0);
	}
}

Test(device, uncommitted_memory_is_gated)
{
	uint32_t value = 0;
	int fd;

	start("--uncommitted", NULL, NULL, NULL);
	fd = sim_negotiate(&process);
	cr_assert_eq(sim_read(fd, 9, 0, &value, 4), EIO);
	cr_assert_eq(sim_write(fd, 9, 0, &value, 4), EIO);
	write32(fd, 10, 0x124, 0x40);
	write32(fd, 10, 0x128, 0x10000000);
	write32(fd, 10, 0x130, 0x200);
	cr_assert_eq(sim_read(fd, 9, 0, &value, 4), 0);
	cr_assert_eq(sim_read(fd, 9, 256u << 20, &value, 4), 0, "v2: end of file");
}

Test(device, large_and_odd_memory)
{
	uint64_t size;
	int fd, memory;
	uint8_t byte = 77, back = 0;

	start("--dpa", "1T", "--decoders", "10");
	fd = sim_negotiate(&process);
	cr_assert_eq(sim_region(fd, 9, &size, &memory), 0);
	cr_assert_eq(size, UINT64_C(1) << 40);
	cr_assert_eq(sim_write(fd, 9, size - 1, &byte, 1), 0);
	cr_assert_eq(pread(memory, &back, 1, (off_t)(size - 1)), 1);
	cr_assert_eq(back, 77);
	cr_assert_neq(ftruncate(memory, 0), 0, "sealed");
	cr_assert_eq(sim_finish(&process), 0);
	start("--dpa", "0x2F00F00000", NULL, NULL);
	fd = sim_negotiate(&process);
	cr_assert_eq(sim_region(fd, 9, &size, &memory), 0);
	cr_assert_eq(size, UINT64_C(0x2f00000000));
}

Test(device, memory_in_a_file)
{
	char path[] = "/tmp/cxvm-dpa-XXXXXX", argument[64];
	int file = mkstemp(path), fd;
	uint32_t word = 0x12345678;

	cr_assert_eq(ftruncate(file, 300 << 20), 0);
	snprintf(argument, sizeof(argument), "%s,offset=0x100000", path);
	start("--dpa-file", argument, NULL, NULL);
	fd = sim_negotiate(&process);
	cr_assert_eq(sim_write(fd, 9, 0x2000, &word, 4), 0);
	word = 0;
	cr_assert_eq(pread(file, &word, 4, 0x102000), 4);
	cr_assert_eq(word, 0x12345678);
	unlink(path);
}

Test(device, resets)
{
	uint32_t bar = 2, block = 0x1ff0000;
	struct guest g;

	start(NULL, NULL, NULL, NULL);
	connect_guest(&g, true);
	set_up_and_copy(&g);
	write32(g.fd, 7, 4, 6);
	cr_assert_eq(sim_command(g.fd, VFIO_USER_DEVICE_RESET, NULL, 0, NULL, 0)->result, 0);
	cr_assert_eq(read32(g.fd, 7, 4) & 6, 0);
	cr_assert_eq(peek(&g, CXVM_ACCEL_QUEUE_STATE), 0);
	cr_assert_eq(read32(g.fd, bar, block + 0x1130) & 0x700, 0x700, "an FLR keeps the decoders");
	cr_assert_eq(g.dpa[0], 1, "and the memory");
	set_up_and_copy(&g);
	/* by config space: Initiate FLR */
	write32(g.fd, 7, 0x88, 0x8000);
	cr_assert_eq(peek(&g, CXVM_ACCEL_QUEUE_STATE), 0);
	cr_assert_eq(sim_stat(&process, "resets"), 2);
	/* CXL reset with memory clear */
	cr_assert_eq(sim_write(g.fd, 7, 0x160, "\x0c", 1), 0);
	cr_assert_eq(read32(g.fd, 7, 0x160) >> 16 & 6, 2, "reset complete, no error");
	cr_assert_eq(read32(g.fd, bar, block + 0x1130) & 0x700, 0);
	cr_assert_eq(g.dpa[0], 0);
	cr_assert_eq(sim_read(g.fd, 9, 0, &bar, 4), EIO);
	/* jobs while resets come in */
	for (unsigned i = 0; i < 50; i++) {
		set_up_queue(&g);
		for (unsigned n = 0; n < 32; n++)
			give(&g, (struct cxvm_accel_descriptor){.opcode = CXVM_ACCEL_OP_FILL,
								.destination = RAM_BASE + 0x100000,
								.length = 1 << 20});
		cr_assert_eq(sim_command(g.fd, VFIO_USER_DEVICE_RESET, NULL, 0, NULL, 0)->result,
			     0);
	}
	set_up_and_copy(&g);
}

Test(device, the_client_takes_its_memory_away)
{
	struct cxvm_accel_descriptor *d;
	struct guest g;

	start(NULL, NULL, NULL, NULL);
	connect_guest(&g, true);
	set_up_queue(&g);
	/* all but the ring */
	cr_assert_eq(ftruncate(g.ram_fd, 0x10000), 0);
	d = give(&g, (struct cxvm_accel_descriptor){.opcode = CXVM_ACCEL_OP_FILL,
						    .flags = CXVM_ACCEL_FLAG_INTERRUPT,
						    .destination = RAM_BASE + 0x100000,
						    .length = 4096});
	cr_assert(interrupted(&g, 5000));
	cr_assert_eq(d->status, CXVM_ACCEL_STATUS_ABORTED);
}

Test(device, memory_expander)
{
	uint32_t locator, bar;
	uint64_t word, size;
	int fd, memory;

	start("--class", "memory", "--dpa", "1G");
	fd = sim_negotiate(&process);
	cr_assert_eq(read32(fd, 7, 8) >> 8, 0x050210);
	locator = read32(fd, 7, 0x1a4);
	cr_assert_eq(locator >> 8 & 0xff, 3);
	bar = locator & 7;
	cr_assert_eq(sim_region(fd, bar, &size, &memory), 0);
	cr_assert_eq(memory, -1, "registers with side effects are not mapped");
	word = 0x4000;
	cr_assert_eq(sim_write(fd, bar, 0x208, &word, 8), 0);
	write32(fd, bar, 0x204, 1);
	cr_assert_eq(sim_read(fd, bar, 0x230, &word, 8), 0);
	cr_assert_eq(word, 4);
	cr_assert_eq(sim_stat(&process, "mailbox_commands"), 1);
}

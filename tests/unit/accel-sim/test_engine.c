/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "accel-sim/dma_map.h"
#include "accel-sim/engine.h"
#include "accel-sim/guarded_memory.h"

#define SIZE (4u << 20)

static uint8_t *spaces[2];
static bool read_only[2];
static unsigned chunks_until_cancel = UINT32_MAX;

static int check(void *opaque, uint8_t space, uint64_t address, uint64_t size, bool write)
{
	(void)opaque;
	if (address > SIZE || size > SIZE - address)
		return -EFAULT;
	return write && read_only[space] ? -EACCES : 0;
}

static int reach(void *opaque, uint8_t space, uint64_t address, void *data, uint32_t size,
		 bool write)
{
	int error = check(opaque, space, address, size, write);

	if (!error)
		memcpy(write ? (void *)(spaces[space] + address) : data,
		       write ? data : (void *)(spaces[space] + address), size);
	return error;
}

static bool cancelled(void *opaque)
{
	(void)opaque;
	return chunks_until_cancel-- == 0;
}

static const struct sim_engine_memory memory = {
	.check = check, .access = reach, .cancelled = cancelled};

static void fresh(void)
{
	for (unsigned i = 0; i < 2; i++) {
		spaces[i] = calloc(1, SIZE);
		read_only[i] = false;
		for (uint32_t n = 0; n < SIZE; n++)
			spaces[i][n] = (uint8_t)(n * (i + 3) + (n >> 8));
	}
	chunks_until_cancel = UINT32_MAX;
}

static uint32_t run(struct cxvm_accel_descriptor d, uint32_t *result)
{
	struct sim_engine_scratch *scratch = malloc(sizeof(*scratch));
	uint32_t status = sim_engine_execute(&d, &memory, scratch, result);

	free(scratch);
	return status;
}

Test(engine_ops, crc_is_the_common_one)
{
	cr_assert_eq(sim_engine_crc32(0, "123456789", 9), 0xcbf43926);
	cr_assert_eq(sim_engine_crc32(sim_engine_crc32(0, "1234", 4), "56789", 5), 0xcbf43926);
	cr_assert_eq(sim_engine_crc32(0, "", 0), 0);
}

Test(engine_ops, copy_across_chunks, .init = fresh)
{
	struct cxvm_accel_descriptor d = {.opcode = CXVM_ACCEL_OP_COPY,
					  .source = 1,
					  .destination = 7,
					  .length = 3 * SIM_ENGINE_CHUNK + 5,
					  .source_space = 0,
					  .destination_space = 1};
	uint8_t before = spaces[1][6], after = spaces[1][7 + d.length];
	uint32_t result;

	cr_assert_eq(run(d, &result), CXVM_ACCEL_STATUS_DONE);
	cr_assert_eq(memcmp(spaces[1] + 7, spaces[0] + 1, d.length), 0);
	cr_assert_eq(spaces[1][6], before);
	cr_assert_eq(spaces[1][7 + d.length], after);
}

Test(engine_ops, fill_add_crc, .init = fresh)
{
	struct cxvm_accel_descriptor fill = {.opcode = CXVM_ACCEL_OP_FILL,
					     .destination = 4096,
					     .length = SIM_ENGINE_CHUNK + 8,
					     .value = 0x01020304};
	struct cxvm_accel_descriptor add = {.opcode = CXVM_ACCEL_OP_ADD,
					    .source = 4096,
					    .source2 = 0,
					    .source2_space = 1,
					    .destination = 4096,
					    .length = SIM_ENGINE_CHUNK + 8};
	struct cxvm_accel_descriptor crc = {
		.opcode = CXVM_ACCEL_OP_CRC32, .source = 3, .length = SIM_ENGINE_CHUNK * 2 + 1};
	uint32_t result, word, other;

	cr_assert_eq(run(fill, &result), CXVM_ACCEL_STATUS_DONE);
	memcpy(&word, spaces[0] + 4096 + SIM_ENGINE_CHUNK + 4, 4);
	cr_assert_eq(word, 0x01020304);
	cr_assert_eq(run(add, &result), CXVM_ACCEL_STATUS_DONE);
	memcpy(&word, spaces[0] + 4096 + SIM_ENGINE_CHUNK + 4, 4);
	memcpy(&other, spaces[1] + SIM_ENGINE_CHUNK + 4, 4);
	cr_assert_eq(word, 0x01020304 + other);
	cr_assert_eq(run(crc, &result), CXVM_ACCEL_STATUS_DONE);
	cr_assert_eq(result, sim_engine_crc32(0, spaces[0] + 3, (uint32_t)crc.length));
}

Test(engine_ops, refusals, .init = fresh)
{
	const struct cxvm_accel_descriptor good = {.opcode = CXVM_ACCEL_OP_ADD,
						   .source = 0,
						   .source2 = 4096,
						   .destination = 8192,
						   .length = 4096};
	static const struct {
		uint32_t offset, size;
		uint64_t value;
		uint32_t status;
	} cases[] = {
		{0, 4, 5, CXVM_ACCEL_STATUS_BAD_OPCODE},
		{0, 4, UINT32_MAX, CXVM_ACCEL_STATUS_BAD_OPCODE},
		{4, 4, 2, CXVM_ACCEL_STATUS_BAD_FLAGS},
		{43, 1, 1, CXVM_ACCEL_STATUS_BAD_FLAGS},
		{32, 8, 0, CXVM_ACCEL_STATUS_BAD_LENGTH},
		{32, 8, 6, CXVM_ACCEL_STATUS_BAD_LENGTH},
		{32, 8, CXVM_ACCEL_MAX_LENGTH + 4ull, CXVM_ACCEL_STATUS_BAD_LENGTH},
		{32, 8, UINT64_MAX - 3, CXVM_ACCEL_STATUS_BAD_LENGTH},
		{40, 1, 2, CXVM_ACCEL_STATUS_BAD_SPACE},
		{41, 1, 255, CXVM_ACCEL_STATUS_BAD_SPACE},
		{42, 1, 2, CXVM_ACCEL_STATUS_BAD_SPACE},
		{8, 8, SIZE - 4, CXVM_ACCEL_STATUS_BAD_ADDRESS},
		{16, 8, UINT64_MAX - 8, CXVM_ACCEL_STATUS_BAD_ADDRESS},
		{24, 8, SIZE, CXVM_ACCEL_STATUS_BAD_ADDRESS},
		{24, 8, 4, CXVM_ACCEL_STATUS_OVERLAP},
		{24, 8, 4096 + 4, CXVM_ACCEL_STATUS_OVERLAP},
	};
	uint8_t *copy = malloc(SIZE);
	uint32_t result;

	memcpy(copy, spaces[0], SIZE);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cxvm_accel_descriptor d = good;

		memcpy((uint8_t *)&d + cases[i].offset, &cases[i].value, cases[i].size);
		cr_assert_eq(run(d, &result), cases[i].status, "case %u: %x", i, run(d, &result));
		cr_assert_eq(memcmp(copy, spaces[0], SIZE), 0, "case %u wrote something", i);
	}
	read_only[0] = true;
	cr_assert_eq(run(good, &result), CXVM_ACCEL_STATUS_READ_ONLY);
	free(copy);
}

Test(engine_ops, cancel_between_chunks, .init = fresh)
{
	struct cxvm_accel_descriptor d = {
		.opcode = CXVM_ACCEL_OP_FILL, .length = 4 * SIM_ENGINE_CHUNK, .value = 9};
	uint32_t result;

	chunks_until_cancel = 2;
	cr_assert_eq(run(d, &result), CXVM_ACCEL_STATUS_ABORTED);
}

/* The thread: a ring in space 1, registers in plain memory, MSI-X by eventfd */

static bool wait_head(const uint8_t *registers, unsigned queue, uint32_t head)
{
	const uint32_t *at =
		(const void *)(registers + CXVM_ACCEL_QUEUE_BASE(queue) + CXVM_ACCEL_QUEUE_HEAD);

	for (unsigned i = 0; i < 5000; i++) {
		struct timespec ms = {.tv_nsec = 1000000};

		if (__atomic_load_n(at, __ATOMIC_ACQUIRE) == head)
			return true;
		nanosleep(&ms, NULL);
	}
	return false;
}

static void set(uint8_t *registers, unsigned queue, uint32_t reg, uint32_t value)
{
	__atomic_store_n((uint32_t *)(void *)(registers + CXVM_ACCEL_QUEUE_BASE(queue) + reg),
			 value, __ATOMIC_RELEASE);
}

static uint32_t read_register(const uint8_t *registers, unsigned queue, uint32_t reg)
{
	return __atomic_load_n(
		(const uint32_t *)(const void *)(registers + CXVM_ACCEL_QUEUE_BASE(queue) + reg),
		__ATOMIC_ACQUIRE);
}

Test(engine, ring_wraps_and_interrupts, .init = fresh)
{
	static struct sim_engine engine;
	static struct sim_irqs irqs;
	uint8_t *registers = aligned_alloc(4096, CXVM_ACCEL_QUEUE_BASE(2));
	int eventfd_fd = eventfd(0, EFD_NONBLOCK), given = dup(eventfd_fd);
	struct cxvm_accel_descriptor *ring = (void *)spaces[1];
	struct pollfd ready = {.fd = eventfd_fd, .events = POLLIN};
	uint32_t entries = 8;

	cr_assert_eq(sim_irqs_init(&irqs, 4, 4), 0);
	cr_assert_eq(sim_irqs_set(&irqs, SIM_IRQ_MSIX,
				  VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, 3, 1,
				  NULL, 0, &given, 1),
		     0);
	cr_assert_eq(given, -1, "the eventfd was taken over");
	cr_assert_eq(sim_engine_start(&engine, registers, 2, 4, SIZE, &memory, &irqs), 0);
	sim_engine_watch(&engine, true);
	set(registers, 1, CXVM_ACCEL_QUEUE_RING_SPACE, CXVM_ACCEL_SPACE_DPA);
	set(registers, 1, CXVM_ACCEL_QUEUE_RING_ENTRIES, entries);
	set(registers, 1, CXVM_ACCEL_QUEUE_VECTOR, 3);
	set(registers, 1, CXVM_ACCEL_QUEUE_ENABLE, 1);
	for (uint32_t n = 0; n < 100; n++) {
		struct cxvm_accel_descriptor *d = &ring[n % entries];

		memset(d, 0, sizeof(*d));
		d->opcode = CXVM_ACCEL_OP_FILL;
		d->flags = CXVM_ACCEL_FLAG_INTERRUPT;
		d->destination = n * 64;
		d->length = 64;
		d->value = n;
		set(registers, 1, CXVM_ACCEL_QUEUE_TAIL, n + 1);
		cr_assert(wait_head(registers, 1, n + 1), "job %u", n);
		cr_assert_eq(d->status, CXVM_ACCEL_STATUS_DONE);
		cr_assert_eq(((uint32_t *)(void *)spaces[0])[n * 16 + 15], n);
	}
	cr_assert_eq(poll(&ready, 1, 1000), 1);
	cr_assert_eq(read_register(registers, 1, CXVM_ACCEL_QUEUE_INTERRUPTS), 100);
	set(registers, 1, CXVM_ACCEL_QUEUE_TAIL, 100 + entries + 1);
	for (unsigned i = 0; i < 1000 && read_register(registers, 1, CXVM_ACCEL_QUEUE_STATE) !=
						 CXVM_ACCEL_QUEUE_BAD_TAIL;
	     i++)
		usleep(1000);
	cr_assert_eq(read_register(registers, 1, CXVM_ACCEL_QUEUE_STATE),
		     CXVM_ACCEL_QUEUE_BAD_TAIL);
	sim_engine_pause(&engine);
	sim_engine_reset(&engine);
	cr_assert_eq(read_register(registers, 1, CXVM_ACCEL_QUEUE_HEAD), 0);
	cr_assert_eq(read_register(registers, 1, CXVM_ACCEL_QUEUE_ENABLE), 0);
	sim_engine_resume(&engine);
	sim_engine_stop(&engine);
	sim_irqs_destroy(&irqs);
}

Test(engine, bad_setups, .init = fresh)
{
	static const struct {
		uint64_t address;
		uint32_t space, entries, vector;
	} cases[] = {
		{32, 1, 8, 0},   {0, 2, 8, 0}, {0, 1, 0, 0},         {0, 1, 7, 0},
		{0, 1, 8192, 0}, {0, 1, 8, 4}, {SIZE - 64, 1, 8, 0}, {UINT64_MAX - 63, 1, 8, 0},
		{0, 1, 1, 0},
	};
	static struct sim_engine engine;
	static struct sim_irqs irqs;
	uint8_t *registers = aligned_alloc(4096, CXVM_ACCEL_QUEUE_BASE(1));

	cr_assert_eq(sim_irqs_init(&irqs, 4, 4), 0);
	cr_assert_eq(sim_engine_start(&engine, registers, 1, 4, SIZE, &memory, &irqs), 0);
	sim_engine_watch(&engine, true);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memcpy(registers + CXVM_ACCEL_QUEUE_BASE(0), &cases[i].address, 8);
		set(registers, 0, CXVM_ACCEL_QUEUE_RING_SPACE, cases[i].space);
		set(registers, 0, CXVM_ACCEL_QUEUE_RING_ENTRIES, cases[i].entries);
		set(registers, 0, CXVM_ACCEL_QUEUE_VECTOR, cases[i].vector);
		set(registers, 0, CXVM_ACCEL_QUEUE_ENABLE, 1);
		for (unsigned n = 0;
		     n < 2000 && read_register(registers, 0, CXVM_ACCEL_QUEUE_STATE) == 0; n++)
			usleep(500);
		cr_assert_eq(read_register(registers, 0, CXVM_ACCEL_QUEUE_STATE),
			     CXVM_ACCEL_QUEUE_BAD_SETUP, "case %u", i);
		set(registers, 0, CXVM_ACCEL_QUEUE_ENABLE, 0);
		for (unsigned n = 0;
		     n < 2000 && read_register(registers, 0, CXVM_ACCEL_QUEUE_STATE) != 0; n++)
			usleep(500);
	}
	sim_engine_stop(&engine);
	sim_irqs_destroy(&irqs);
}

Test(dma_map, ranges)
{
	struct sim_dma_map map;
	int fd = memfd_create("ram", MFD_CLOEXEC);
	uint8_t data[16] = "hello";

	cr_assert_eq(sim_dma_init(&map, NULL), 0);
	cr_assert_eq(sim_dma_check(&map, 0, 1, false), -EFAULT, "nothing is mapped yet");
	cr_assert_eq(sim_dma_access(&map, 0, data, 1, false), -EFAULT);
	cr_assert_eq(ftruncate(fd, 0x4000), 0);
	cr_assert_eq(sim_dma_add(&map, 0x10000, 0x2000, true, true, fd, 0), 0);
	cr_assert_eq(sim_dma_add(&map, 0x12000, 0x2000, true, false, fd, 0x2000), 0);
	cr_assert_eq(sim_dma_add(&map, 0x11000, 0x1000, true, true, fd, 0), -EEXIST);
	cr_assert_eq(sim_dma_add(&map, 0xf000, 0x1001, true, true, fd, 0), -EEXIST);
	cr_assert_eq(sim_dma_add(&map, 0x20000, 0, true, true, fd, 0), -EINVAL);
	cr_assert_eq(sim_dma_add(&map, UINT64_MAX - 0xfff, 0x1001, true, true, fd, 0), -EINVAL);
	cr_assert_eq(sim_dma_add(&map, 0x20000, 0x1000, true, true, fd, 0x4000), -EINVAL);
	cr_assert_eq(sim_dma_add(&map, 0x20000, 0x1000, true, true, fd, UINT64_MAX - 0xfff),
		     -EINVAL);
	cr_assert_eq(sim_dma_check(&map, 0x10000, 0x4000, false), 0);
	cr_assert_eq(sim_dma_check(&map, 0x10000, 0x2001, true), -EACCES);
	cr_assert_eq(sim_dma_check(&map, 0x10000, 0x4001, false), -EFAULT);
	cr_assert_eq(sim_dma_check(&map, 0xffff, 2, false), -EFAULT);
	cr_assert_eq(sim_dma_access(&map, 0x10ff0, data, 5, true), 0);
	cr_assert_eq(pread(fd, data, 5, 0xff0), 5);
	cr_assert_eq(memcmp(data, "hello", 5), 0);
	/* one access over two ranges */
	cr_assert_eq(pwrite(fd, "abcdefgh", 8, 0x1ffc), 8);
	cr_assert_eq(sim_dma_access(&map, 0x11ffc, data, 8, false), 0);
	cr_assert_eq(memcmp(data, "abcdefgh", 8), 0);
	cr_assert_eq(sim_dma_remove(&map, 0x10000, 0x1000), -ENOENT);
	cr_assert_eq(sim_dma_remove(&map, 0x10000, 0x2000), 0);
	cr_assert_eq(sim_dma_access(&map, 0x10000, data, 1, false), -EFAULT);
	sim_dma_destroy(&map);
}

/* As an IOMMU of QEMU's does it: everything at once, without a word about the single pages. */
Test(dma_map, a_whole_space_is_unmapped)
{
	struct sim_dma_map map;
	uint8_t data;

	cr_assert_eq(sim_dma_init(&map, NULL), 0);
	for (uint64_t page = 0; page < 8; page++) {
		int fd = memfd_create("ram", MFD_CLOEXEC);

		cr_assert_eq(ftruncate(fd, 0x1000), 0);
		cr_assert_eq(sim_dma_add(&map, page * 0x2000, 0x1000, true, true, fd, 0), 0);
		close(fd);
	}
	cr_expect_eq(sim_dma_remove(&map, 0, 0), -EINVAL);
	cr_expect_eq(sim_dma_remove(&map, 0x800, 0x4000), -ENOENT, "cuts the first");
	cr_expect_eq(sim_dma_remove(&map, 0, 0x4800), -ENOENT, "cuts the third");
	cr_expect_eq(map.count, 8u, "all or nothing");
	cr_expect_eq(sim_dma_remove(&map, 0x1000, 0x1000), -ENOENT);
	cr_expect_eq(sim_dma_remove(&map, 0x2000, 0x4000), 0);
	cr_expect_eq(map.count, 6u);
	cr_expect_eq(sim_dma_access(&map, 0x2000, &data, 1, false), -EFAULT);
	cr_expect_eq(sim_dma_access(&map, 0x6000, &data, 1, false), 0);
	cr_expect_eq(sim_dma_remove(&map, 0, 1ull << 40), 0);
	cr_expect_eq(map.count, 0u);
	sim_dma_destroy(&map);
}

Test(dma_map, a_truncated_file_is_an_error)
{
	struct sim_dma_map map;
	int fd = memfd_create("ram", MFD_CLOEXEC);
	uint8_t data[16];

	cr_assert_eq(sim_guarded_install(), 0);
	cr_assert_eq(sim_dma_init(&map, NULL), 0);
	cr_assert_eq(ftruncate(fd, 0x4000), 0);
	cr_assert_eq(sim_dma_add(&map, 0, 0x4000, true, true, fd, 0), 0);
	cr_assert_eq(ftruncate(fd, 0), 0);
	cr_assert_eq(sim_dma_access(&map, 0x1000, data, sizeof(data), false), -EIO);
	cr_assert_eq(sim_dma_access(&map, 0x1000, data, sizeof(data), true), -EIO);
	sim_dma_destroy(&map);
}

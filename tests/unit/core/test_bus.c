/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/bus.h"

/* A device of bytes that notes how it was accessed. */
struct memory_device {
	uint8_t bytes[64];
	uint64_t last_offset;
	unsigned int last_size;
	unsigned int reads;
	unsigned int writes;
};

static uint64_t memory_read(void *opaque, uint64_t offset, unsigned int size)
{
	struct memory_device *device = opaque;
	uint64_t value = 0;

	cr_assert_leq(offset + size, sizeof(device->bytes));
	memcpy(&value, device->bytes + offset, size);
	device->last_offset = offset;
	device->last_size = size;
	device->reads++;
	return value;
}

static void memory_write(void *opaque, uint64_t offset, uint64_t value, unsigned int size)
{
	struct memory_device *device = opaque;

	cr_assert_leq(offset + size, sizeof(device->bytes));
	if (size < 8)
		cr_assert_eq(value >> (8 * size), 0, "bits above the access's width");
	memcpy(device->bytes + offset, &value, size);
	device->last_offset = offset;
	device->last_size = size;
	device->writes++;
}

static const struct bus_ops memory_ops = {.read = memory_read, .write = memory_write};
static const struct bus_ops no_ops = {0};

static struct bus_region region(const char *name, uint64_t base, uint64_t size, void *opaque)
{
	return (struct bus_region){
		.name = name, .base = base, .size = size, .ops = &memory_ops, .opaque = opaque};
}

Test(bus, each_width_arrives_once_and_whole)
{
	static const unsigned int widths[] = {1, 2, 4, 8};
	struct memory_device device = {0};
	struct bus_region r = region("m", 0x1000, 64, &device);
	struct bus bus;

	cr_assert_eq(bus_init(&bus, 0), 0);
	cr_assert_eq(bus_add(&bus, &r), 0);
	for (size_t i = 0; i < 4; i++) {
		uint64_t value = 0x8877665544332211;
		uint64_t read = 0;

		device.reads = device.writes = 0;
		cr_assert(bus_write(&bus, 0x1008, &value, widths[i]));
		cr_assert_eq(device.writes, 1);
		cr_assert_eq(device.last_size, widths[i]);
		cr_assert_eq(device.last_offset, 8);
		cr_assert(bus_read(&bus, 0x1008, &read, widths[i]));
		cr_assert_eq(device.reads, 1);
		cr_assert_eq(memcmp(&read, &value, widths[i]), 0);
	}
	bus_destroy(&bus);
}

Test(bus, unclaimed_reads_all_ones)
{
	struct memory_device device = {0};
	struct bus_region r = region("m", 0x1000, 64, &device);
	struct bus bus;

	bus_init(&bus, 0);
	for (unsigned int size = 1; size <= 8; size++) {
		uint8_t data[9] = {0};

		cr_assert_not(bus_read(&bus, 0x2000, data, size));
		for (unsigned int i = 0; i < size; i++)
			cr_assert_eq(data[i], 0xff);
		cr_assert_eq(data[size], 0, "wrote beyond the access");
		cr_assert_not(bus_write(&bus, 0x2000, data, size));
	}
	bus_add(&bus, &r);
	uint32_t value = 0;
	cr_assert_not(bus_read(&bus, 0xfff, &value, 1));
	cr_assert_not(bus_read(&bus, 0x1040, &value, 4));
	cr_assert_eq(value, 0xffffffff);
	bus_destroy(&bus);
}

Test(bus, straddling_accesses_are_split)
{
	struct memory_device a = {0}, b = {0};
	struct bus_region ra = region("a", 0x1000, 64, &a);
	struct bus_region rb = region("b", 0x1040, 64, &b);
	struct bus_region rc = region("c", 0x2000, 64, &a);
	uint8_t data[8] = {1, 2, 3, 4, 5, 6, 7, 8};
	struct bus bus;

	bus_init(&bus, 0);
	bus_add(&bus, &ra);
	bus_add(&bus, &rb);
	bus_add(&bus, &rc);
	cr_assert(bus_write(&bus, 0x103e, data, 4), "both ends are claimed");
	cr_assert_eq(a.bytes[62], 1);
	cr_assert_eq(a.bytes[63], 2);
	cr_assert_eq(b.bytes[0], 3);
	cr_assert_eq(b.bytes[1], 4);
	cr_assert_eq(a.last_size, 1);

	memset(data, 0, sizeof(data));
	cr_assert_not(bus_read(&bus, 0x107e, data, 4), "the upper half is nobody's");
	cr_assert_eq(data[0], 0);
	cr_assert_eq(data[2], 0xff);
	cr_assert_eq(data[3], 0xff);
	memset(data, 0, sizeof(data));
	cr_assert_not(bus_read(&bus, 0x1fff, data, 2), "the lower half is nobody's");
	cr_assert_eq(data[0], 0xff);
	cr_assert_eq(data[1], 0);
	bus_destroy(&bus);
}

Test(bus, odd_widths_are_split)
{
	struct memory_device device = {0};
	struct bus_region r = region("m", 0x1000, 64, &device);
	uint8_t data[8] = {1, 2, 3, 4, 5, 6, 7, 8};
	struct bus bus;

	bus_init(&bus, 0);
	bus_add(&bus, &r);
	cr_assert(bus_write(&bus, 0x1001, data, 3));
	cr_assert_eq(device.writes, 3);
	cr_assert_eq(device.last_size, 1);
	cr_assert_eq(memcmp(device.bytes + 1, data, 3), 0);
	cr_assert(bus_write(&bus, 0x1001, data, 7));
	cr_assert_eq(device.writes, 10);
	bus_destroy(&bus);
}

Test(bus, widths_beyond_eight_and_zero_are_refused)
{
	struct memory_device device = {0};
	struct bus_region r = region("m", 0x1000, 64, &device);
	uint8_t data[16] = {0};
	struct bus bus;

	bus_init(&bus, 0);
	bus_add(&bus, &r);
	cr_assert_not(bus_read(&bus, 0x1000, data, 16));
	cr_assert_eq(data[15], 0xff);
	cr_assert_not(bus_write(&bus, 0x1000, data, 9));
	cr_assert_not(bus_read(&bus, 0x1000, data, 0));
	cr_assert_eq(device.reads + device.writes, 0);
	bus_destroy(&bus);
}

Test(bus, ends_of_the_space)
{
	struct memory_device device = {0};
	struct bus_region top = region("top", UINT64_MAX - 63, 64, &device);
	uint32_t value = 0;
	struct bus bus;

	bus_init(&bus, 0);
	cr_assert_eq(bus_add(&bus, &top), 0);
	cr_assert(bus_read(&bus, UINT64_MAX - 3, &value, 4));
	cr_assert_not(bus_read(&bus, UINT64_MAX - 1, &value, 4), "wraps");
	cr_assert_eq(value, 0xffff0000);
	bus_destroy(&bus);

	struct bus_region port = region("port", 0xffff, 1, &device);
	bus_init(&bus, 0x10000);
	cr_assert_eq(bus_add(&bus, &port), 0);
	cr_assert_not(bus_read(&bus, 0xffff, &value, 2));
	cr_assert_eq(value, 0xffffff00);
	bus_destroy(&bus);
}

Test(bus, bad_regions_are_refused)
{
	struct memory_device device = {0};
	struct bus_region ok = region("ok", 0x100, 0x10, &device);
	struct bus_region empty = region("empty", 0x1000, 0, &device);
	struct bus_region wraps = region("wraps", UINT64_MAX - 7, 16, &device);
	struct bus_region beyond = region("beyond", 0xfff8, 16, &device);
	struct bus_region inside = region("inside", 0x104, 4, &device);
	struct bus_region around = region("around", 0xf0, 0x40, &device);
	struct bus_region low = region("low", 0xf8, 9, &device);
	struct bus_region high = region("high", 0x10f, 1, &device);
	struct bus_region before = region("before", 0xf8, 8, &device);
	struct bus_region after = region("after", 0x110, 8, &device);
	struct bus bus;

	bus_init(&bus, 0x10000);
	cr_assert_eq(bus_add(&bus, &ok), 0);
	cr_assert_eq(bus_add(&bus, &empty), -EINVAL);
	cr_assert_eq(bus_add(&bus, &wraps), -EINVAL);
	cr_assert_eq(bus_add(&bus, &beyond), -EINVAL);
	cr_assert_eq(bus_add(&bus, &ok), -EEXIST);
	cr_assert_eq(bus_add(&bus, &inside), -EEXIST);
	cr_assert_eq(bus_add(&bus, &around), -EEXIST);
	cr_assert_eq(bus_add(&bus, &low), -EEXIST);
	cr_assert_eq(bus_add(&bus, &high), -EEXIST);
	cr_assert_eq(bus.count, 1);
	cr_assert_eq(bus_add(&bus, &after), 0);
	cr_assert_eq(bus_add(&bus, &before), 0);
	cr_assert_eq(bus_remove(&bus, &inside), -ENOENT);
	cr_assert_eq(bus_remove(&bus, &ok), 0);
	cr_assert_eq(bus_remove(&bus, &ok), -ENOENT);
	cr_assert_eq(bus_add(&bus, &inside), 0);
	bus_destroy(&bus);
}

Test(bus, missing_handlers)
{
	struct bus_region r = {.name = "n", .base = 0, .size = 8, .ops = &no_ops};
	uint32_t value = 0;
	struct bus bus;

	bus_init(&bus, 0);
	bus_add(&bus, &r);
	cr_assert(bus_read(&bus, 0, &value, 4), "claimed all the same");
	cr_assert_eq(value, 0xffffffff);
	cr_assert(bus_write(&bus, 0, &value, 4));
	bus_destroy(&bus);
}

/* Against a model: a map of bytes. */
Test(bus, random_regions_match_a_model)
{
	enum { SPACE = 512, REGIONS = 40 };
	static struct memory_device devices[REGIONS];
	struct bus_region regions[REGIONS];
	bool on_bus[REGIONS] = {0};
	int owner[SPACE];
	struct bus bus;
	unsigned int seed = 12345;

	memset(owner, -1, sizeof(owner));
	bus_init(&bus, SPACE);
	for (int step = 0; step < 20000; step++) {
		int i = rand_r(&seed) % REGIONS;

		if (on_bus[i]) {
			cr_assert_eq(bus_remove(&bus, &regions[i]), 0);
			on_bus[i] = false;
			for (int a = 0; a < SPACE; a++)
				if (owner[a] == i)
					owner[a] = -1;
		} else {
			uint64_t base = (uint64_t)(rand_r(&seed) % SPACE);
			uint64_t size = (uint64_t)(1 + rand_r(&seed) % 24);
			int expected = base + size > SPACE ? -EINVAL : 0;

			for (uint64_t a = base; expected == 0 && a < base + size; a++)
				if (owner[a] >= 0)
					expected = -EEXIST;
			regions[i] = region("r", base, size, &devices[i]);
			cr_assert_eq(bus_add(&bus, &regions[i]), expected);
			if (expected == 0) {
				on_bus[i] = true;
				for (uint64_t a = base; a < base + size; a++)
					owner[a] = i;
			}
		}
		uint64_t at = (uint64_t)(rand_r(&seed) % SPACE);
		uint8_t data;
		cr_assert_eq(bus_read(&bus, at, &data, 1), owner[at] >= 0);
		if (owner[at] >= 0)
			cr_assert_eq(devices[owner[at]].last_offset, at - regions[owner[at]].base);
	}
	bus_destroy(&bus);
}

struct self_removing {
	struct bus *bus;
	struct bus_region region;
	struct bus_region other;
};

static void self_remove(void *opaque, uint64_t offset, uint64_t value, unsigned int size)
{
	struct self_removing *device = opaque;

	(void)offset;
	(void)value;
	(void)size;
	cr_assert_eq(bus_withdraw(device->bus, &device->region), 0);
	cr_assert_eq(bus_add(device->bus, &device->other), 0);
}

static const struct bus_ops self_removing_ops = {.write = self_remove};

Test(bus, a_handler_may_change_the_bus, .timeout = 20)
{
	struct bus bus;
	struct self_removing device = {.bus = &bus};
	uint32_t value = 0;

	bus_init(&bus, 0);
	device.region = (struct bus_region){
		.name = "s", .base = 16, .size = 4, .ops = &self_removing_ops, .opaque = &device};
	device.other = device.region;
	device.other.base = 64;
	bus_add(&bus, &device.region);
	cr_assert(bus_write(&bus, 16, &value, 4));
	cr_assert_not(bus_write(&bus, 16, &value, 4));
	cr_assert(bus_read(&bus, 64, &value, 4));
	bus_destroy(&bus);
}

struct concurrent {
	struct bus bus;
	_Atomic bool stop;
	_Atomic unsigned int wrong;
};

static uint64_t constant_read(void *opaque, uint64_t offset, unsigned int size)
{
	(void)offset;
	(void)size;
	return (uint64_t)(uintptr_t)opaque;
}

static const struct bus_ops constant_ops = {.read = constant_read};

static void *concurrent_reader(void *opaque)
{
	struct concurrent *test = opaque;

	while (!atomic_load(&test->stop)) {
		uint32_t value;

		if (!bus_read(&test->bus, 0x100, &value, 4) || value != 0x55)
			atomic_fetch_add(&test->wrong, 1);
		bus_read(&test->bus, 0x200, &value, 4);
		if (value != 0x66 && value != 0xffffffff)
			atomic_fetch_add(&test->wrong, 1);
	}
	return NULL;
}

Test(bus, look_ups_while_regions_come_and_go, .timeout = 60)
{
	static struct concurrent test;
	struct bus_region fixed = {.name = "f",
				   .base = 0x100,
				   .size = 4,
				   .ops = &constant_ops,
				   .opaque = (void *)0x55};
	struct bus_region coming = {.name = "c",
				    .base = 0x200,
				    .size = 4,
				    .ops = &constant_ops,
				    .opaque = (void *)0x66};
	pthread_t threads[2];

	bus_init(&test.bus, 0);
	bus_add(&test.bus, &fixed);
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, concurrent_reader, &test);
	for (int i = 0; i < 5000; i++) {
		cr_assert_eq(bus_add(&test.bus, &coming), 0);
		cr_assert_eq(bus_remove(&test.bus, &coming), 0);
	}
	atomic_store(&test.stop, true);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	cr_assert_eq(atomic_load(&test.wrong), 0);
	bus_destroy(&test.bus);
}

/* A device whose handler is held inside until somebody lets it go. */
struct slow_device {
	struct bus *bus;
	struct bus_region region;
	_Atomic bool inside;
	_Atomic bool released;
	_Atomic bool left;
	_Atomic bool left_at_return; /* of bus_remove() */
	_Atomic int result;
};

static uint64_t slow_read(void *opaque, uint64_t offset, unsigned int size)
{
	struct slow_device *device = opaque;

	(void)offset;
	(void)size;
	atomic_store(&device->inside, true);
	while (!atomic_load(&device->released))
		sched_yield();
	/* Whoever does not wait has many chances to be early. */
	for (int i = 0; i < 1000; i++)
		sched_yield();
	atomic_store(&device->left, true);
	return 0x77;
}

static const struct bus_ops slow_ops = {.read = slow_read};

static void slow_device_init(struct slow_device *device, struct bus *bus, uint64_t base)
{
	*device = (struct slow_device){.bus = bus};
	device->region = (struct bus_region){
		.name = "s", .base = base, .size = 16, .ops = &slow_ops, .opaque = device};
	cr_assert_eq(bus_add(bus, &device->region), 0);
}

static void *slow_reader(void *opaque)
{
	struct slow_device *device = opaque;
	uint32_t value;

	cr_assert(bus_read(device->bus, 0x100, &value, 4));
	cr_assert_eq(value, 0x77, "an access that began ends as if nothing had happened");
	return NULL;
}

static void *slow_remover(void *opaque)
{
	struct slow_device *device = opaque;

	atomic_store(&device->result, bus_remove(device->bus, &device->region));
	atomic_store(&device->left_at_return, atomic_load(&device->left));
	/* The owner may free or reuse it now. */
	memset(&device->region, 0xa5, sizeof(device->region));
	return NULL;
}

/* Without entering: that would wait for the release too. */
static bool slow_is_withdrawn(struct bus *bus)
{
	size_t count;

	pthread_rwlock_rdlock(&bus->lock);
	count = bus->count;
	pthread_rwlock_unlock(&bus->lock);
	return count == 0;
}

Test(bus, removal_waits_for_the_one_who_is_inside, .timeout = 60)
{
	struct slow_device device;
	pthread_t reader, remover;
	uint32_t value;
	struct bus bus;

	bus_init(&bus, 0);
	slow_device_init(&device, &bus, 0x100);
	pthread_create(&reader, NULL, slow_reader, &device);
	while (!atomic_load(&device.inside))
		sched_yield();
	pthread_create(&remover, NULL, slow_remover, &device);
	/* Nobody enters any more, although the removal has not returned. */
	while (!slow_is_withdrawn(&bus))
		sched_yield();
	cr_assert_not(bus_read(&bus, 0x104, &value, 4));
	atomic_store(&device.released, true);
	pthread_join(reader, NULL);
	pthread_join(remover, NULL);
	cr_assert(device.left_at_return);
	cr_assert_eq(device.result, 0);
	cr_assert_null(bus.leaving);
	bus_destroy(&bus);
}

Test(bus, a_region_moves_under_a_handler_and_is_then_waited_for, .timeout = 60)
{
	struct slow_device device;
	pthread_t reader, remover;
	struct bus bus;

	bus_init(&bus, 0);
	slow_device_init(&device, &bus, 0x100);
	pthread_create(&reader, NULL, slow_reader, &device);
	while (!atomic_load(&device.inside))
		sched_yield();
	cr_assert_eq(bus_withdraw(&bus, &device.region), 0, "does not wait");
	cr_assert_eq(bus_withdraw(&bus, &device.region), -ENOENT);
	device.region = (struct bus_region){
		.name = "t", .base = 0x200, .size = 16, .ops = &no_ops, .opaque = &device};
	cr_assert_eq(bus_add(&bus, &device.region), 0);
	cr_assert_eq(bus_withdraw(&bus, &device.region), 0);
	pthread_create(&remover, NULL, slow_remover, &device);
	atomic_store(&device.released, true);
	pthread_join(reader, NULL);
	pthread_join(remover, NULL);
	cr_assert(device.left_at_return);
	cr_assert_eq(device.result, -ENOENT, "it was withdrawn before");
	bus_destroy(&bus);
}

static void *eager_reader(void *opaque)
{
	struct concurrent *test = opaque;

	while (!atomic_load(&test->stop)) {
		uint64_t value;

		/* Whole, and across the end. */
		if (bus_read(&test->bus, 0x1008, &value, 4) && (uint32_t)value != 0x5a5a5a5a)
			atomic_fetch_add(&test->wrong, 1);
		/* That one is split into bytes: the device may go or come between two. */
		bus_read(&test->bus, 0x103c, &value, 8);
		for (unsigned int i = 0; i < 4; i++) {
			uint8_t byte = (uint8_t)(value >> (8 * i));

			if (byte != 0x5a && byte != 0xff)
				atomic_fetch_add(&test->wrong, 1);
		}
	}
	return NULL;
}

struct short_lived {
	struct bus_region region;
	uint8_t bytes[64];
};

static uint64_t short_lived_read(void *opaque, uint64_t offset, unsigned int size)
{
	const struct short_lived *device = opaque;
	uint64_t value = 0;

	memcpy(&value, device->bytes + offset, size);
	return value;
}

static const struct bus_ops short_lived_ops = {.read = short_lived_read};

/* For the sanitizers: what was freed is not touched, and what was written before is seen. */
Test(bus, a_removed_device_may_be_freed_at_once, .timeout = 60)
{
	static struct concurrent test;
	pthread_t threads[2];

	bus_init(&test.bus, 0);
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, eager_reader, &test);
	for (int i = 0; i < 3000; i++) {
		struct short_lived *device = malloc(sizeof(*device));

		memset(device->bytes, 0x5a, sizeof(device->bytes));
		device->region = (struct bus_region){.name = "d",
						     .base = 0x1000,
						     .size = 64,
						     .ops = &short_lived_ops,
						     .opaque = device};
		cr_assert_eq(bus_add(&test.bus, &device->region), 0);
		if (i % 3 == 0)
			cr_assert_eq(bus_withdraw(&test.bus, &device->region), 0);
		bus_remove(&test.bus, &device->region);
		memset(device, 0, sizeof(*device));
		free(device);
	}
	atomic_store(&test.stop, true);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	cr_assert_eq(atomic_load(&test.wrong), 0);
	bus_destroy(&test.bus);
}

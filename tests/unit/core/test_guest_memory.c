/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/core/fake_kvm.h"
#include "core/guest_memory.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

static struct guest_ram_options ram(uint64_t gpa, uint64_t size)
{
	return (struct guest_ram_options){.gpa = gpa, .size = size, .host_node = -1};
}

static int add(struct guest_memory *memory, uint64_t gpa, uint64_t size)
{
	struct guest_ram_options options = ram(gpa, size);

	return guest_memory_add_ram(memory, &options);
}

struct last_message {
	char text[1024];
};

static void remember(void *opaque, enum log_level level, const char *object, const char *message)
{
	struct last_message *last = opaque;

	(void)level;
	(void)object;
	snprintf(last->text, sizeof(last->text), "%s", message);
}

Test(guest_memory, accessor_borders)
{
	struct guest_memory *memory;
	uint8_t *base;

	cr_assert_eq(guest_memory_create(&memory, NULL, NULL), 0);
	cr_assert_eq(add(memory, 16 * MIB, 2 * MIB), 0);
	cr_assert_eq(add(memory, 4 * GIB, 2 * MIB), 0);
	base = guest_memory_at(memory, 16 * MIB, 1);
	cr_assert_not_null(base);
	cr_assert_eq(guest_memory_at(memory, 16 * MIB, 2 * MIB), base);
	cr_assert_eq(guest_memory_at(memory, 18 * MIB - 1, 1), base + 2 * MIB - 1);
	cr_assert_null(guest_memory_at(memory, 16 * MIB, 0));
	cr_assert_null(guest_memory_at(memory, 16 * MIB, 2 * MIB + 1));
	cr_assert_null(guest_memory_at(memory, 16 * MIB - 1, 1));
	cr_assert_null(guest_memory_at(memory, 16 * MIB - 1, 2));
	cr_assert_null(guest_memory_at(memory, 18 * MIB, 1));
	cr_assert_null(guest_memory_at(memory, 18 * MIB - 1, 2));
	cr_assert_null(guest_memory_at(memory, 16 * MIB + 1, UINT64_MAX));
	cr_assert_null(guest_memory_at(memory, UINT64_MAX, 1));
	cr_assert_null(guest_memory_at(memory, UINT64_MAX, UINT64_MAX));
	cr_assert_null(guest_memory_at(memory, 0, 1));
	cr_assert_not_null(guest_memory_at(memory, 4 * GIB + 2 * MIB - 8, 8));
	guest_memory_destroy(memory);
	guest_memory_destroy(NULL);
}

Test(guest_memory, no_memory_at_all)
{
	struct guest_memory *memory;
	char byte;

	guest_memory_create(&memory, NULL, NULL);
	cr_assert_null(guest_memory_at(memory, 0, 1));
	cr_assert_eq(guest_memory_read(memory, 0, &byte, 1), -EFAULT);
	guest_memory_destroy(memory);
}

Test(guest_memory, copies_cross_adjacent_blocks)
{
	struct guest_memory *memory;
	char out[64], in[64];

	guest_memory_create(&memory, NULL, NULL);
	/* In descending order: they must come out sorted. */
	cr_assert_eq(add(memory, 4 * MIB, 2 * MIB), 0);
	cr_assert_eq(add(memory, 2 * MIB, 2 * MIB), 0);
	cr_assert_eq(add(memory, 0, 2 * MIB), 0);
	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (char)(i + 1);
	cr_assert_eq(guest_memory_write(memory, 4 * MIB - 30, in, sizeof(in)), 0);
	cr_assert_eq(guest_memory_read(memory, 4 * MIB - 30, out, sizeof(out)), 0);
	cr_assert_eq(memcmp(in, out, sizeof(in)), 0);
	cr_assert_null(guest_memory_at(memory, 4 * MIB - 30, sizeof(in)), "two blocks");
	cr_assert_eq(*(char *)guest_memory_at(memory, 4 * MIB, 1), 31);
	cr_assert_eq(guest_memory_read(memory, 6 * MIB - 1, out, 2), -EFAULT);
	cr_assert_eq(guest_memory_write(memory, 6 * MIB - 1, out, 2), -EFAULT);
	cr_assert_eq(guest_memory_read(memory, UINT64_MAX, out, 2), -EFAULT);
	cr_assert_eq(guest_memory_write(memory, UINT64_MAX, out, 2), -EFAULT);
	cr_assert_eq(guest_memory_read(memory, 0, out, 0), 0);
	guest_memory_destroy(memory);
}

Test(guest_memory, lent_memory_is_reached_and_not_listed)
{
	static uint8_t device[64];
	struct guest_memory *memory;
	uint8_t byte = 7;
	size_t count;

	guest_memory_create(&memory, NULL, NULL);
	cr_assert_eq(add(memory, 0, 2 * MIB), 0);
	cr_assert_eq(guest_memory_lend(memory, 4 * GIB, 0, device), -EINVAL);
	cr_assert_eq(guest_memory_lend(memory, UINT64_MAX, 2, device), -EINVAL);
	cr_assert_eq(guest_memory_lend(memory, 4 * GIB, sizeof(device), device), 0);
	cr_assert_eq(guest_memory_at(memory, 4 * GIB + 8, 56), device + 8);
	cr_assert_null(guest_memory_at(memory, 4 * GIB + 8, 57));
	cr_assert_null(guest_memory_at(memory, 4 * GIB - 1, 1));
	cr_assert_null(guest_memory_at(memory, 4 * GIB + 64, 1));
	cr_assert_eq(guest_memory_write(memory, 4 * GIB + 63, &byte, 1), 0);
	cr_assert_eq(device[63], 7);
	cr_assert_eq(guest_memory_read(memory, 4 * GIB + 63, &byte, 2), -EFAULT);
	guest_memory_blocks(memory, &count);
	cr_assert_eq(count, 1, "no RAM of ours");
	for (unsigned int i = 1; i < GUEST_MEMORY_LENT_MAX; i++)
		cr_assert_eq(guest_memory_lend(memory, (5 + i) * GIB, 1, device), 0);
	cr_assert_eq(guest_memory_lend(memory, 4 * MIB, 1, device), -ENOSPC);
	guest_memory_destroy(memory);
}

/* Device memory as a server shares it: a file that outlives our mapping of it. */
struct device_file {
	int fd;
	uint8_t *host;  /* our mapping, with a page of slack before and behind */
	uint8_t *other; /* the server's mapping of the middle */
	size_t page;
};

static void device_file_open(struct device_file *file)
{
	file->page = (size_t)sysconf(_SC_PAGESIZE);
	file->fd = memfd_create("device", MFD_CLOEXEC);
	cr_assert_eq(ftruncate(file->fd, (off_t)file->page), 0);
	file->host = mmap(NULL, 3 * file->page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq(file->host, MAP_FAILED);
	cr_assert_neq(mmap(file->host + file->page, file->page, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_FIXED, file->fd, 0),
		      MAP_FAILED);
	file->other = mmap(NULL, file->page, PROT_READ | PROT_WRITE, MAP_SHARED, file->fd, 0);
	cr_assert_neq(file->other, MAP_FAILED);
}

Test(guest_memory, what_was_taken_back_is_nobody_elses)
{
	struct device_file file;
	struct guest_memory *memory;
	uint8_t *cached;
	uint8_t byte = 7;

	guest_memory_create(&memory, NULL, NULL);
	cr_assert_eq(add(memory, 0, 2 * MIB), 0);
	for (unsigned int round = 0; round < 2 * GUEST_MEMORY_LENT_MAX; round++) {
		device_file_open(&file);
		cr_assert_eq(guest_memory_lend(memory, 4 * GIB, file.page, file.host + file.page),
			     0, "a place in the table is free again");
		cached = guest_memory_at(memory, 4 * GIB, file.page);
		cr_assert_eq(cached, file.host + file.page);
		cached[0] = 1;
		cr_assert_eq(file.other[0], 1);
		cr_assert_eq(guest_memory_take_back(memory, file.host, 3 * file.page), 0);
		cr_assert_null(guest_memory_at(memory, 4 * GIB, 1));
		cr_assert_eq(guest_memory_write(memory, 4 * GIB, &byte, 1), -EFAULT);
		cached[0] = 2; /* a ring's pointer: no signal ... */
		cr_assert_eq(file.other[0], 1, "... and not the device's byte");
		/* The addresses are not given to the next one who asks, the slack is. */
		cr_assert_eq(mmap(cached, file.page, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0),
			     MAP_FAILED);
		cr_assert_eq(errno, EEXIST);
		cr_assert_eq(mmap(file.host, file.page, PROT_READ,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0),
			     file.host);
		munmap(file.host, file.page);
		munmap(file.other, file.page);
		close(file.fd);
	}
	guest_memory_destroy(memory);
	cr_assert_eq(msync(cached, file.page, MS_ASYNC), -1, "unmapped with the machine's memory");
	cr_assert_eq(errno, ENOMEM);
}

Test(guest_memory, memory_that_was_not_lent_is_unmapped_by_the_take_back)
{
	struct device_file file;
	struct guest_memory *memory;

	guest_memory_create(&memory, NULL, NULL);
	device_file_open(&file);
	cr_assert_eq(guest_memory_take_back(memory, file.host, 3 * file.page), 0);
	for (unsigned int i = 0; i < 3; i++)
		cr_assert_eq(msync(file.host + i * file.page, file.page, MS_ASYNC), -1, "%u", i);
	munmap(file.other, file.page);
	close(file.fd);
	guest_memory_destroy(memory);
}

struct lent_reader {
	struct guest_memory *memory;
	_Atomic unsigned int hits;
	_Atomic bool stop;
};

/* ThreadSanitizer takes the exchange of a mapping for a write to it. */
static __attribute__((no_sanitize("thread"))) uint64_t touch(const volatile uint64_t *value)
{
	return *value;
}

static void *read_lent(void *opaque)
{
	struct lent_reader *reader = opaque;

	while (!reader->stop) {
		const uint64_t *value = guest_memory_at(reader->memory, 4 * GIB, sizeof(*value));

		if (value && touch(value) == 0)
			reader->hits++;
	}
	return NULL;
}

/* A look-up at the very moment of the take-back finds the memory or nothing, never a hole. */
Test(guest_memory, look_ups_run_while_memory_is_taken_back, .timeout = 60)
{
	struct lent_reader reader = {0};
	struct device_file file;
	pthread_t thread;

	guest_memory_create(&reader.memory, NULL, NULL);
	cr_assert_eq(pthread_create(&thread, NULL, read_lent, &reader), 0);
	for (unsigned int round = 0; round < 100; round++) {
		unsigned int before = reader.hits;

		device_file_open(&file);
		cr_assert_eq(
			guest_memory_lend(reader.memory, 4 * GIB, file.page, file.host + file.page),
			0);
		while (reader.hits == before)
			sched_yield();
		cr_assert_eq(guest_memory_take_back(reader.memory, file.host, 3 * file.page), 0);
		munmap(file.other, file.page);
		close(file.fd);
	}
	reader.stop = true;
	pthread_join(thread, NULL);
	guest_memory_destroy(reader.memory);
}

Test(guest_memory, blocks_are_listed_ascending)
{
	static const uint64_t gpas[] = {4 * GIB, 0, 64 * MIB, 8 * GIB, 32 * MIB};
	const struct guest_ram_block *blocks;
	struct guest_memory *memory;
	size_t count;

	guest_memory_create(&memory, NULL, NULL);
	for (size_t i = 0; i < 5; i++) {
		struct guest_ram_options options = ram(gpas[i], 2 * MIB);

		options.node = (uint32_t)i;
		cr_assert_eq(guest_memory_add_ram(memory, &options), 0);
	}
	blocks = guest_memory_blocks(memory, &count);
	cr_assert_eq(count, 5);
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			cr_assert_lt(blocks[i - 1].gpa, blocks[i].gpa);
		cr_assert_eq(blocks[i].gpa, gpas[blocks[i].node]);
		cr_assert_eq(guest_memory_at(memory, blocks[i].gpa, blocks[i].size),
			     blocks[i].host);
		cr_assert_eq(blocks[i].fd, -1);
	}
	guest_memory_destroy(memory);
}

Test(guest_memory, bad_blocks_are_refused)
{
	struct fake_kvm fake;
	struct guest_memory *memory;
	size_t count;

	fake_kvm_init(&fake);
	guest_memory_create(&memory, &fake.vm, NULL);
	cr_assert_eq(add(memory, 0, 0), -EINVAL);
	cr_assert_eq(add(memory, 12, 2 * MIB), -EINVAL);
	cr_assert_eq(add(memory, 0, 4097), -EINVAL);
	cr_assert_eq(add(memory, UINT64_MAX - 4095, 8192), -EINVAL);
	cr_assert_eq(add(memory, 2 * MIB, 2 * MIB), 0);
	cr_assert_eq(add(memory, 2 * MIB, 2 * MIB), -EEXIST);
	cr_assert_eq(add(memory, 0, 2 * MIB + 4096), -EEXIST);
	cr_assert_eq(add(memory, 4 * MIB - 4096, 8192), -EEXIST);
	cr_assert_eq(add(memory, 0, 16 * MIB), -EEXIST);
	struct guest_ram_options huge = ram(1 * MIB, 2 * MIB);
	huge.page_size = 2 * MIB;
	cr_assert_eq(guest_memory_add_ram(memory, &huge), -EINVAL);
	huge.gpa = 0;
	huge.page_size = 3 * MIB;
	cr_assert_eq(guest_memory_add_ram(memory, &huge), -EINVAL);
	struct guest_ram_options node = ram(64 * MIB, 2 * MIB);
	node.host_node = 5000;
	cr_assert_eq(guest_memory_add_ram(memory, &node), -EINVAL);
	guest_memory_blocks(memory, &count);
	cr_assert_eq(count, 1);
	cr_assert_eq(fake_kvm_count(&fake, KVM_SET_USER_MEMORY_REGION), 1);
	guest_memory_destroy(memory);
}

Test(guest_memory, host_and_guest_are_congruent_for_huge_pages)
{
	static const uint64_t gpas[] = {0, 2 * MIB, MIB, 640 * 1024, 3 * GIB, 16 * MIB + 4096};
	struct guest_memory *memory;

	guest_memory_create(&memory, NULL, NULL);
	for (size_t i = 0; i < sizeof(gpas) / sizeof(gpas[0]); i++) {
		struct guest_ram_options options = ram(gpas[i], 64 * 1024);

		options.thp = true;
		options.shared = i % 2;
		cr_assert_eq(guest_memory_add_ram(memory, &options), 0);
		cr_assert_eq((uint64_t)guest_memory_at(memory, gpas[i], 1) % (2 * MIB),
			     gpas[i] % (2 * MIB));
	}
	guest_memory_destroy(memory);
}

Test(guest_memory, the_borders_of_a_block_fault)
{
	struct guest_memory *memory;
	unsigned char state;
	uint8_t *host;

	guest_memory_create(&memory, NULL, NULL);
	cr_assert_eq(add(memory, 2 * MIB - 4096, 4 * MIB), 0);
	host = guest_memory_at(memory, 2 * MIB - 4096, 4 * MIB);
	/* PROT_NONE neighbours: mapped (mincore knows them) but not readable. */
	cr_assert_eq(mincore(host - 4096, 4096, &state), 0);
	cr_assert_eq(mincore(host + 4 * MIB, 4096, &state), 0);
	int fds[2];
	cr_assert_eq(pipe(fds), 0);
	cr_assert_eq(write(fds[1], host, 1), 1);
	cr_assert_eq(write(fds[1], host - 1, 1), -1);
	cr_assert_eq(errno, EFAULT);
	cr_assert_eq(write(fds[1], host + 4 * MIB, 1), -1);
	cr_assert_eq(errno, EFAULT);
	close(fds[0]);
	close(fds[1]);
	guest_memory_destroy(memory);
}

Test(guest_memory, shared_memory_is_a_sealed_file)
{
	struct guest_ram_options options = ram(0, 4 * MIB);
	const struct guest_ram_block *blocks;
	struct guest_memory *memory;
	struct stat status;
	uint32_t *peer;
	size_t count;

	options.shared = true;
	guest_memory_create(&memory, NULL, NULL);
	cr_assert_eq(guest_memory_add_ram(memory, &options), 0);
	blocks = guest_memory_blocks(memory, &count);
	cr_assert_geq(blocks[0].fd, 0);
	cr_assert_eq(fstat(blocks[0].fd, &status), 0);
	cr_assert_eq(status.st_size, 4 * (off_t)MIB);
	peer = mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, blocks[0].fd,
		    (off_t)blocks[0].fd_offset);
	cr_assert_neq(peer, MAP_FAILED);
	peer[100] = 0x1234;
	cr_assert_eq(*(uint32_t *)guest_memory_at(memory, 400, 4), 0x1234);
	cr_assert_lt(ftruncate(blocks[0].fd, 4096), 0, "a peer must not be able to shrink it");
	cr_assert_lt(ftruncate(blocks[0].fd, 8 * (off_t)MIB), 0);
	munmap(peer, 4 * MIB);
	guest_memory_destroy(memory);
}

static size_t resident_pages(const uint8_t *host, uint64_t size)
{
	static unsigned char map[64 * 1024];
	size_t pages = size / 4096, resident = 0;

	cr_assert_leq(pages, sizeof(map));
	cr_assert_eq(mincore((void *)host, size, map), 0);
	for (size_t i = 0; i < pages; i++)
		resident += map[i] & 1;
	return resident;
}

Test(guest_memory, prefault_populates_everything)
{
	static const uint32_t threads[] = {0, 1, 4, 1000};

	for (size_t i = 0; i < 4; i++) {
		struct guest_ram_options options = ram(0, 132 * MIB);
		struct guest_memory *memory;

		options.prefault = true;
		options.prefault_threads = threads[i];
		options.shared = i % 2;
		guest_memory_create(&memory, NULL, NULL);
		cr_assert_eq(guest_memory_add_ram(memory, &options), 0);
		cr_assert_eq(resident_pages(guest_memory_at(memory, 0, options.size), options.size),
			     options.size / 4096);
		guest_memory_destroy(memory);
	}
}

Test(guest_memory, without_prefault_nothing_is_resident)
{
	struct guest_memory *memory;

	guest_memory_create(&memory, NULL, NULL);
	cr_assert_eq(add(memory, 0, 64 * MIB), 0);
	cr_assert_eq(resident_pages(guest_memory_at(memory, 0, 64 * MIB), 64 * MIB), 0);
	guest_memory_destroy(memory);
}

Test(guest_memory, more_than_the_host_has_is_mapped_but_not_reserved)
{
	struct guest_memory *memory;

#ifdef __SANITIZE_THREAD__
	cr_skip_test("ThreadSanitizer leaves too little address space");
#endif
	guest_memory_create(&memory, NULL, NULL);
	cr_assert_eq(add(memory, 4 * GIB, 1024 * GIB), 0);
	cr_assert_not_null(guest_memory_at(memory, 1027 * GIB, GIB));
	guest_memory_destroy(memory);
}

static long free_huge_pages(const char *kib)
{
	char path[128];
	long value = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%skB/free_hugepages", kib);
	file = fopen(path, "r");
	if (file && fscanf(file, "%ld", &value) != 1)
		value = -1;
	if (file)
		fclose(file);
	return value;
}

Test(guest_memory, missing_huge_pages_are_named)
{
	struct last_message last = {0};
	struct logger logger = {.callback = remember, .opaque = &last, .level = LOG_LEVEL_DEBUG};
	struct guest_ram_options options = ram(0, 512 * GIB);
	struct guest_memory *memory;

	if (free_huge_pages("2048") < 0)
		cr_skip_test("this kernel has no 2 MiB huge pages");
	guest_memory_create(&memory, NULL, &logger);
	for (int shared = 0; shared < 2; shared++) {
		char expected[64];

		options.page_size = 2 * MIB;
		options.shared = shared;
		last.text[0] = '\0';
		cr_assert_eq(guest_memory_add_ram(memory, &options), -ENOMEM);
		snprintf(expected, sizeof(expected), "%ld are free", free_huge_pages("2048"));
		cr_assert_not_null(strstr(last.text, "262144 huge pages of 2048 KiB"), "%s",
				   last.text);
		cr_assert_not_null(strstr(last.text, expected), "%s", last.text);
		cr_assert_not_null(strstr(last.text, "nr_hugepages"), "%s", last.text);
	}
	/* A size that no kernel has. */
	options.page_size = 8 * MIB;
	last.text[0] = '\0';
	cr_assert_lt(guest_memory_add_ram(memory, &options), 0);
	cr_assert_not_null(strstr(last.text, "no huge pages of 8192 KiB"), "%s", last.text);
	guest_memory_destroy(memory);
}

Test(guest_memory, huge_pages_are_used_when_there_are_some)
{
	struct guest_ram_options options = ram(4 * GIB, 4 * MIB);
	struct guest_memory *memory;

	if (free_huge_pages("2048") < 4)
		cr_skip_test("fewer than 4 free huge pages of 2 MiB "
			     "(/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages)");
	for (int shared = 0; shared < 2; shared++) {
		long before = free_huge_pages("2048");

		guest_memory_create(&memory, NULL, NULL);
		options.page_size = 2 * MIB;
		options.prefault = true;
		options.shared = shared;
		cr_assert_eq(guest_memory_add_ram(memory, &options), 0);
		cr_assert_eq((uint64_t)guest_memory_at(memory, 4 * GIB, 1) % (2 * MIB), 0);
		cr_assert_eq(free_huge_pages("2048"), before - 2);
		guest_memory_destroy(memory);
		cr_assert_eq(free_huge_pages("2048"), before);
	}
}

Test(guest_memory, host_node_binding)
{
	struct guest_ram_options options = ram(0, 4 * MIB);
	struct last_message last = {0};
	struct logger logger = {.callback = remember, .opaque = &last, .level = LOG_LEVEL_DEBUG};
	struct guest_memory *memory;
	int result;

	guest_memory_create(&memory, NULL, &logger);
	options.host_node = 0;
	result = guest_memory_add_ram(memory, &options);
	if (result == -ENOSYS || result == -EPERM)
		cr_skip_test("this kernel does not let us use mbind");
	cr_assert_eq(result, 0, "%s", last.text);
	options.gpa = GIB;
	options.host_node = 1023;
	cr_assert_eq(guest_memory_add_ram(memory, &options), -EINVAL);
	cr_assert_not_null(strstr(last.text, "NUMA node 1023"), "%s", last.text);
	guest_memory_destroy(memory);
}

Test(guest_memory, one_slot_per_block_and_window)
{
	struct fake_kvm fake;
	struct guest_memory *memory;
	uint32_t id[2];
	struct guest_window window = {.name = "gpu0 BAR0",
				      .gpa = GIB,
				      .size = MIB,
				      .host = (void *)0x7f0000000000,
				      .readonly = true};
	unsigned int calls;

	fake_kvm_init(&fake);
	guest_memory_create(&memory, &fake.vm, NULL);
	cr_assert_eq(add(memory, 0, 2 * MIB), 0);
	cr_assert_eq(fake.slots[0].memory_size, 2 * MIB);
	cr_assert_eq(fake.slots[0].userspace_addr, (uint64_t)guest_memory_at(memory, 0, 1));
	calls = fake.call_count;
	cr_assert_eq(guest_memory_map_window(memory, &window, &id[0]), 0);
	cr_assert_eq(fake.call_count, calls + 1);
	cr_assert_eq(fake.slots[1].guest_phys_addr, GIB);
	cr_assert_eq(fake.slots[1].userspace_addr, 0x7f0000000000);
	cr_assert_eq(fake.slots[1].flags, KVM_MEM_READONLY);
	window.gpa = 2 * GIB;
	window.readonly = false;
	cr_assert_eq(guest_memory_map_window(memory, &window, &id[1]), 0);
	cr_assert_eq(fake.slots[2].flags, 0);
	cr_assert_neq(id[0], id[1]);
	calls = fake.call_count;
	cr_assert_eq(guest_memory_unmap_window(memory, id[0]), 0);
	cr_assert_eq(fake.call_count, calls + 1);
	cr_assert_eq(fake.slots[1].memory_size, 0);
	cr_assert_eq(guest_memory_unmap_window(memory, id[0]), -ENOENT);
	window.gpa = 3 * GIB;
	cr_assert_eq(guest_memory_map_window(memory, &window, &id[0]), 0);
	cr_assert_eq(fake.slots[1].guest_phys_addr, 3 * GIB, "the slot number is used again");
	guest_memory_destroy(memory);
	for (int i = 0; i < FAKE_KVM_SLOTS; i++)
		cr_assert_eq(fake.slots[i].memory_size, 0, "slot %d is left", i);
}

Test(guest_memory, bad_windows_are_refused_without_a_call)
{
	struct fake_kvm fake;
	struct guest_memory *memory;
	uint32_t id;
	static const struct {
		uint64_t gpa, size, host;
		int expected;
	} cases[] = {
		{GIB, 0, 0x10000, -EINVAL},
		{GIB + 1, 4096, 0x10000, -EINVAL},
		{GIB, 4095, 0x10000, -EINVAL},
		{GIB, 4096, 0x10001, -EINVAL},
		{UINT64_MAX - 4095, 8192, 0x10000, -EINVAL},
		{MIB, 4096, 0x10000, -EEXIST},              /* in RAM */
		{2 * MIB - 4096, 8192, 0x10000, -EEXIST},   /* RAM's end */
		{4 * GIB - 4096, 8192, 0x10000, -EEXIST},   /* RAM's start */
		{MIB, 8 * GIB, 0x10000, -EEXIST},           /* around everything */
		{3 * GIB, 4096, 0x10000, -EEXIST},          /* on the window */
		{3 * GIB - 4096, 8192, 0x10000, -EEXIST},   /* the window's start */
		{3 * GIB + 12288, 8192, 0x10000, -EEXIST},  /* the window's end */
		{3 * GIB - MIB, 2 * MIB, 0x10000, -EEXIST}, /* around the window */
		{3 * GIB - 4096, 4096, 0x10000, 0},         /* touches */
		{3 * GIB + 16384, 4096, 0x10000, 0},        /* touches */
		{2 * MIB, 4096, 0x10000, 0},                /* touches RAM */
	};
	struct guest_window window = {
		.name = "w", .gpa = 3 * GIB, .size = 16384, .host = (void *)0x10000};

	fake_kvm_init(&fake);
	guest_memory_create(&memory, &fake.vm, NULL);
	cr_assert_eq(add(memory, 0, 2 * MIB), 0);
	cr_assert_eq(add(memory, 4 * GIB, 2 * MIB), 0);
	cr_assert_eq(guest_memory_map_window(memory, &window, &id), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unsigned int calls = fake.call_count;
		struct guest_window bad = {.name = "w",
					   .gpa = cases[i].gpa,
					   .size = cases[i].size,
					   .host = (void *)cases[i].host};

		cr_assert_eq(guest_memory_map_window(memory, &bad, &id), cases[i].expected,
			     "case %zu", i);
		cr_assert_eq(fake.call_count, calls + (cases[i].expected == 0), "case %zu", i);
	}
	cr_assert_eq(add(memory, 3 * GIB, 2 * MIB), -EEXIST, "RAM on a window");
	guest_memory_destroy(memory);
}

Test(guest_memory, slots_run_out_cleanly)
{
	struct fake_kvm fake;
	struct guest_memory *memory;
	uint32_t id[FAKE_KVM_SLOTS + 1];
	struct guest_window window = {.name = "w", .size = 4096, .host = (void *)0x10000};

	fake_kvm_init(&fake);
	guest_memory_create(&memory, &fake.vm, NULL);
	for (uint64_t i = 0; i < FAKE_KVM_SLOTS; i++) {
		window.gpa = i * GIB;
		cr_assert_eq(guest_memory_map_window(memory, &window, &id[i]), 0);
	}
	window.gpa = 100 * GIB;
	cr_assert_eq(guest_memory_map_window(memory, &window, &id[0]), -ENOSPC);
	cr_assert_eq(add(memory, 200 * GIB, 2 * MIB), -ENOSPC);
	cr_assert_eq(guest_memory_unmap_window(memory, id[3]), 0);
	cr_assert_eq(guest_memory_map_window(memory, &window, &id[3]), 0);
	cr_assert_eq(fake.slots[3].guest_phys_addr, 100 * GIB);
	guest_memory_destroy(memory);
}

Test(guest_memory, kvm_failures_leave_no_trace)
{
	struct fake_kvm fake;
	struct guest_memory *memory;
	uint32_t id = 77;
	struct guest_window window = {
		.name = "w", .gpa = GIB, .size = 4096, .host = (void *)0x10000};
	size_t count;

	fake_kvm_init(&fake);
	guest_memory_create(&memory, &fake.vm, NULL);
	fake.fail_request = KVM_SET_USER_MEMORY_REGION;
	fake.fail_errno = ENOMEM;
	cr_assert_eq(add(memory, 0, 2 * MIB), -ENOMEM);
	guest_memory_blocks(memory, &count);
	cr_assert_eq(count, 0);
	cr_assert_null(guest_memory_at(memory, 0, 1));
	cr_assert_eq(guest_memory_map_window(memory, &window, &id), -ENOMEM);
	cr_assert_eq(id, 77);
	fake.fail_request = 0;
	cr_assert_eq(guest_memory_map_window(memory, &window, &id), 0);
	cr_assert_eq(fake.slots[0].guest_phys_addr, GIB, "the slots were given back");
	fake.fail_request = KVM_SET_USER_MEMORY_REGION;
	cr_assert_eq(guest_memory_unmap_window(memory, id), -ENOMEM);
	fake.fail_request = 0;
	cr_assert_eq(guest_memory_unmap_window(memory, id), 0, "it was still there");
	guest_memory_destroy(memory);
}

struct visited {
	size_t count;
	uint64_t last_gpa;
	char names[256];
};

static void visit(void *opaque, const struct guest_window *window)
{
	struct visited *visited = opaque;

	if (visited->count++ > 0)
		cr_assert_gt(window->gpa, visited->last_gpa);
	visited->last_gpa = window->gpa;
	strcat(visited->names, window->name);
}

Test(guest_memory, many_windows_are_visited_in_order)
{
	struct guest_memory *memory;
	struct visited visited = {0};
	char name[16];
	uint32_t id[200];

	guest_memory_create(&memory, NULL, NULL);
	for (uint32_t i = 0; i < 200; i++) {
		struct guest_window window = {.name = name,
					      .gpa = (uint64_t)(i * 37 % 200) * MIB,
					      .size = 4096,
					      .host = (void *)0x10000};

		snprintf(name, sizeof(name), "%c", 'a' + (int)(i % 26));
		cr_assert_eq(guest_memory_map_window(memory, &window, &id[i]), 0);
	}
	for (uint32_t i = 0; i < 200; i += 2)
		cr_assert_eq(guest_memory_unmap_window(memory, id[i]), 0);
	memset(name, 'X', sizeof(name)); /* names were copied */
	guest_memory_visit_windows(memory, visit, &visited);
	cr_assert_eq(visited.count, 100);
	cr_assert_null(strchr(visited.names, 'X'));
	guest_memory_destroy(memory);
}

Test(guest_memory, the_real_kvm)
{
	struct guest_memory *memory;
	struct kvm_vm vm;
	struct guest_window window = {.name = "w", .gpa = 8 * GIB, .size = 2 * MIB};
	uint32_t id;

	if (access("/dev/kvm", R_OK | W_OK) != 0)
		cr_skip_test("/dev/kvm is absent or not accessible");
	cr_assert_eq(kvm_vm_open(&vm, -1, NULL), 0);
	guest_memory_create(&memory, &vm, NULL);
	cr_assert_eq(add(memory, 0, 64 * MIB), 0);
	cr_assert_eq(add(memory, 4 * GIB, 64 * MIB), 0);
	window.host =
		mmap(NULL, window.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < 50; i++) {
		cr_assert_eq(guest_memory_map_window(memory, &window, &id), 0);
		cr_assert_eq(guest_memory_unmap_window(memory, id), 0);
	}
	window.readonly = true;
	cr_assert_eq(guest_memory_map_window(memory, &window, &id), 0);
	guest_memory_destroy(memory);
	munmap(window.host, window.size);
	kvm_vm_close(&vm);
}

static void count_line(void *opaque, enum log_level level, const char *object, const char *message)
{
	(void)level;
	(void)object;
	(void)message;
	++*(unsigned int *)opaque;
}

/* A guest puts a BAR over RAM again and again. */
Test(guest_memory, windows_over_ram_do_not_flood_the_log)
{
	unsigned int lines = 0;
	const struct logger logger = {count_line, &lines, LOG_LEVEL_DEBUG};
	static uint8_t page[4096] __attribute__((aligned(4096)));
	const struct guest_window window = {
		.name = "gpu0 BAR 0", .gpa = 16 * MIB, .size = sizeof(page), .host = page};
	struct guest_memory *memory;
	uint32_t id;

	cr_assert_eq(guest_memory_create(&memory, NULL, &logger), 0);
	cr_assert_eq(add(memory, 16 * MIB, 2 * MIB), 0);
	for (int i = 0; i < 1000; i++)
		cr_assert_eq(guest_memory_map_window(memory, &window, &id), -EEXIST);
	cr_expect_geq(lines, 1u);
	cr_expect_leq(lines, 10u);
	guest_memory_destroy(memory);
}
